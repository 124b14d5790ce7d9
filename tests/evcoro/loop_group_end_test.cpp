// LoopGroup, the end: shutdown(), its destruction, the end of the process, and child processes.
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <evcoro/loop_group.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/contains.hpp>
#include <support/errors.hpp>
#include <support/group.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::group_options;
using support::is_canceled;
using support::long_time;
using support::OsThread;

namespace {

// Stubborn is a thread of a group that doesn't stop until it is told to.
class Stubborn {
 public:
  Stubborn(LoopGroup& group, std::size_t index) {
    Event began;
    thread_ = group.spawn_on(index, {.name = "stubborn"}, [&] {
      began.set();
      while (!ends_.is_set()) {
        (void)this_thread::sleep_for(100us);
        this_thread::acknowledge_cancellation();
      }
    });
    (void)began.wait();
  }
  void let_go() { ends_.set(); }
  ~Stubborn() { let_go(); }

 private:
  Event ends_{Event::Reset::manual};
  RemoteThread<void> thread_;
};

// Sleepers are threads that sleep until they are cancelled.
struct Sleepers {
  Sleepers(LoopGroup& group, int count) {
    for (int i = 0; i < count; ++i) {
      group.go([this] {
        ++sleeping;
        const auto error = this_thread::sleep_until(never);
        if (is_canceled(error) && this_thread::cancel_reason() == CancelReason::shutdown) ++ended;
      });
    }
  }
  bool all_sleep(int count) {
    return support::eventually_outside([&] { return sleeping == count; });
  }
  std::atomic<int> sleeping{0};
  std::atomic<int> ended{0};
};

void skip_if_children_start_no_threads() {
  if (support::under_sanitizer()) support::skip("sanitizers start no threads after fork()");
}

// ended_well() is about a child process: what the parent's OS threads had, Valgrind takes there for
// lost.
bool ended_well(const support::Ended& ended) {
  return ended.signal == 0 && (ended.status == 0 || support::running_on_valgrind());
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a group that goes cancels its threads and waits for them") {
  const int count = support::running_on_valgrind() ? 100 : 4000;
  auto options = group_options(2, static_cast<std::size_t>(count));
  options.stacks.allocation = stacks::StackPool::Allocation::on_demand;
  std::optional<LoopGroup> group{options};
  Sleepers sleepers{*group, count};
  REQUIRE(sleepers.all_sleep(count));
  group.reset();
  REQUIRE(sleepers.ended == count);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a group that goes waits for what its threads do at the end") {
  std::optional<LoopGroup> group{group_options(2)};
  std::atomic<int> cleaned_up{0};
  std::atomic<int> began{0};
  for (int i = 0; i < 4; ++i) {
    group->go([&] {
      ++began;
      (void)this_thread::sleep_until(never);
      this_thread::acknowledge_cancellation();
      if (!this_thread::sleep_for(5ms)) ++cleaned_up;
    });
  }
  REQUIRE(support::eventually_outside([&] { return began == 4; }));
  group.reset();
  REQUIRE(cleaned_up == 4);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "who waits for a stack of a group that goes is not started") {
  std::optional<LoopGroup> group{group_options(1, 1)};
  Sleepers sleepers{*group, 1};
  REQUIRE(sleepers.all_sleep(1));
  bool has_run = false;
  const auto captured = std::make_shared<int>(1);
  auto waits = group->spawn([&, captured] { has_run = true; });
  group->go([&, captured] { has_run = true; });
  REQUIRE(!waits.has_ended());
  group.reset();
  REQUIRE(waits.join(long_time).error() == Errc::loop_shutting_down);
  REQUIRE(!has_run);
  REQUIRE(captured.use_count() == 1);  // the functions are gone
}

TEST_CASE_METHOD(support::LoopFixture,
                 "shutdown ends all threads, and the group can be used again") {
  LoopGroup group{group_options(2)};
  for (int round = 0; round < 3; ++round) {
    Sleepers sleepers{group, 10};
    REQUIRE(sleepers.all_sleep(10));
    REQUIRE(group.shutdown(long_time).empty());
    REQUIRE(sleepers.ended == 10);
  }
  REQUIRE(group.spawn([] { return 1; }).join(long_time).value() == 1);
  REQUIRE(group.shutdown(long_time).empty());  // of none
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown says who doesn't stop") {
  LoopGroup group{group_options(3)};
  Stubborn first{group, 0};
  Stubborn last{group, 2};
  Sleepers sleepers{group, 3};
  REQUIRE(sleepers.all_sleep(3));
  const auto patience = support::running_on_valgrind() ? 2s : 20ms;  // for those who do stop
  const auto began = Clock::now();
  const auto left = group.shutdown(patience);
  REQUIRE(Clock::now() - began >= patience);
  REQUIRE(left.size() == 2);
  for (const ThreadInfo& each : left) REQUIRE(each.name == "stubborn");
  REQUIRE(sleepers.ended == 3);
  first.let_go();
  last.let_go();
  REQUIRE(group.shutdown(long_time).empty());
}

TEST_CASE_METHOD(support::LoopFixture, "meanwhile nothing new is spawned in a group") {
  LoopGroup group{group_options(2)};
  std::atomic<bool> has_run{false};
  RemoteThread<void> late;
  WaitGroup ready{1};
  WaitGroup spawned{1};
  auto thread = group.spawn_on(0, [&] {
    ready.done();
    (void)this_thread::sleep_until(never);
    late = group.spawn_on(0, [&] { has_run = true; });
    spawned.done();
  });
  REQUIRE(!ready.wait(long_time));
  REQUIRE(group.shutdown(long_time).empty());
  REQUIRE(!spawned.wait(long_time));
  REQUIRE(thread.join(long_time));
  const auto joined = late.join(long_time);
  REQUIRE((has_run || joined.error() == Errc::loop_shutting_down));
}

TEST_CASE_METHOD(support::LoopFixture, "a thread of a group shuts it down, and goes on") {
  LoopGroup group{group_options(2)};
  Sleepers sleepers{group, 6};
  REQUIRE(sleepers.all_sleep(6));
  std::size_t left = 99;
  auto ending = group.spawn_on(1, [&] {
    left = group.shutdown(long_time).size();
    return sleepers.ended.load();
  });
  REQUIRE(ending.join(long_time).value() == 6);
  REQUIRE(left == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a thread of another loop shuts a group down meanwhile") {
  LoopGroup group{group_options(2)};
  Stubborn stubborn{group, 0};
  bool goes_on = true;
  int turns = 0;
  in_thread([&] {
    spawn([&] {
      while (goes_on) {
        CHECK(!this_thread::sleep_for(100us));
        ++turns;
      }
    });
    REQUIRE(group.shutdown(support::running_on_valgrind() ? 2s : 10ms).size() == 1);
    REQUIRE(turns > 5);
    goes_on = false;
  });
}

TEST_CASE_METHOD(support::LoopFixture, "two may shut a group down at once") {
  LoopGroup group{group_options(2)};
  support::Errors errors;
  for (int round = 0; round < support::rounds(50); ++round) {
    Sleepers sleepers{group, 4};
    REQUIRE(sleepers.all_sleep(4));
    const auto end = [&] { errors.check(group.shutdown(long_time).empty()); };
    OsThread one{end};
    OsThread other{end};
    one.join();
    other.join();
    REQUIRE(sleepers.ended == 4);
  }
  REQUIRE(!errors.any());
}

TEST_CASE_METHOD(support::LoopFixture,
                 "with a loop of its own, shutdown includes that in its thread") {
  auto options = group_options(2);
  options.own = &*loop;
  LoopGroup group{options};
  std::error_code here;
  spawn([&] { here = this_thread::sleep_until(never); });
  loop->run_once(no_wait);
  OsThread{[&] { (void)group.shutdown(long_time); }}.join();
  loop->run_once(no_wait);
  REQUIRE(loop->thread_count() == 1);  // elsewhere it doesn't
  Sleepers sleepers{group, 2};
  in_thread([&] {
    REQUIRE(support::eventually([&] { return sleepers.sleeping == 2; }));
    REQUIRE(group.shutdown(long_time).empty());
  });
  REQUIRE(is_canceled(here));
  REQUIRE(sleepers.ended == 2);
}

TEST_CASE_METHOD(support::LoopFixture, "groups come and go while others ask for threads of them") {
  for (int round = 0; round < support::rounds(100); ++round) {
    std::atomic<int> ran{0};
    LoopGroup group{group_options(2, 2)};
    for (int i = 0; i < 20; ++i) {
      group.go([&] {
        ++ran;
        group.go([&] { ++ran; });
      });
    }
    if (round % 2 == 0) continue;
    if (!support::eventually_outside([&] { return ran == 40; })) FAIL("only " << ran << " ran");
  }
}

TEST_CASE("to destroy a group in one of its own OS threads is a misuse") {
  const support::Ended ended = support::in_child([] {
    std::optional<LoopGroup> group{group_options(2)};
    group->go_on(1, {}, [&] { group.reset(); });
    (void)Event{}.wait();
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("destroyed in one of its own OS threads"));
}

TEST_CASE("a process exits at once, whatever the shared group's threads do") {
  const auto began = Clock::now();
  const support::Ended ended = support::in_child([] {
    WaitGroup ready{50};
    for (int i = 0; i < 50; ++i) {
      evcoro::go([&ready, i] {
        ready.done();
        while (i % 2 == 0) (void)this_thread::sleep_for(100us);
        (void)this_thread::sleep_until(never);
      });
    }
    (void)ready.wait();
    std::exit(0);
  });
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 0);
  REQUIRE(ended.output.empty());
  if (!support::running_on_valgrind()) REQUIRE(Clock::now() - began < 5s);
}

TEST_CASE("a process exits though threads of the shared group wait for, and hold, what is static") {
  const support::Ended ended = support::in_child([] {
    static Channel<int> channel;
    static Mutex mutex;
    static Event never_set;
    WaitGroup ready{2};
    evcoro::go([&ready] {
      const std::scoped_lock lock{mutex};
      ready.done();
      (void)never_set.wait();
    });
    evcoro::go([&ready] {
      ready.done();
      (void)channel.receive();
    });
    (void)ready.wait();
    std::exit(0);
  });
  REQUIRE(ended.output.empty());
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 0);
}

TEST_CASE("a process exits though a loop of the shared group is busy") {
  if (support::running_on_valgrind())
    support::skip("Valgrind takes its OS thread's memory for lost");
  const support::Ended ended = support::in_child([] {
    Event busy;
    evcoro::go([&] {
      busy.set();
      for (std::atomic<int> turns{0};;) ++turns;
    });
    (void)busy.wait();
    std::exit(0);
  });
  REQUIRE(ended.status == 0);
  REQUIRE(ended.signal == 0);
}

TEST_CASE("a child process has a shared group of its own") {
  skip_if_children_start_no_threads();
  LoopGroup* const parents = &LoopGroup::shared();
  REQUIRE(parents->spawn([] { return 1; }).join(long_time).value() == 1);
  const support::Ended ended = support::in_child([&] {
    LoopGroup& mine = LoopGroup::shared();
    const auto sum = mine.spawn([] { return 2; }).join(long_time).value();
    std::printf("%s %d", &mine == parents ? "the parent's" : "its own", sum);
    std::fflush(stdout);
    std::exit(0);
  });
  REQUIRE(ended.output == "its own 2");
  REQUIRE(ended_well(ended));
  REQUIRE(parents->spawn([] { return 3; }).join(long_time).value() == 3);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "in a child process, go() is not for a group of the parent's") {
  skip_if_children_start_no_threads();
  LoopGroupOptions options = group_options(2);
  options.own = &*loop;
  std::optional<LoopGroup> group{options};
  const bool is_kept = GENERATE(true, false);
  const support::Ended ended = support::in_child([&] {
    ::alarm(10);  // instead of waiting for ever
    if (!is_kept) group.reset();
    Event has_run;
    evcoro::go([&] { has_run.set(); });
    static_cast<void>(has_run.wait());
    std::exit(0);
  });
  REQUIRE(ended_well(ended));
}

TEST_CASE_METHOD(support::LoopFixture,
                 "in a child process, a group of the parent's spawns nothing") {
  std::optional<LoopGroup> group{group_options(2)};
  const support::Ended ended = support::in_child([&] {
    ::alarm(10);  // instead of waiting for ever
    bool has_run = false;
    auto thread = group->spawn([&] { has_run = true; });
    const auto joined = thread.join(1s);
    std::printf("%s", joined.error() == std::errc::timed_out ? "waits" : "is told");
    std::fflush(stdout);
  });
  REQUIRE(ended.output == "is told");
  REQUIRE(ended.signal == 0);
  REQUIRE(group->spawn([] { return 3; }).join(long_time).value() == 3);
}

TEST_CASE_METHOD(support::LoopFixture, "in a child process, a group of the parent's can go") {
  std::optional<LoopGroup> group{group_options(2)};
  const support::Ended ended = support::in_child([&] {
    ::alarm(10);
    group.reset();
  });
  REQUIRE(ended_well(ended));
  REQUIRE(group->spawn([] { return 3; }).join(long_time).value() == 3);
}
