// LoopGroup: loops on OS threads of their own, and what runs there.
#include <evcoro/loop_group.hpp>

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/contains.hpp>
#include <support/group.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::group_options;
using support::long_time;
using support::OsThread;

namespace {

cpu_set_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  return set;
}

std::string os_thread_name() {
  char name[16];
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return name;
}

// Seen is what several OS threads have seen, each once.
template <class T>
class Seen {
 public:
  void add(T value) {
    const std::scoped_lock lock{mutex_};
    values_.insert(std::move(value));
  }
  const std::set<T>& values() const { return values_; }

 private:
  Mutex mutex_;
  std::set<T> values_;
};

// Waiting are threads that wait in some loop of a group.
class Waiting {
 public:
  explicit Waiting(LoopGroup& group) : group_(group) {}
  ~Waiting() { end_.set(); }
  void add(std::size_t index) {
    Event began;
    threads_.push_back(group_.spawn_on(index, [&] {
      began.set();
      (void)end_.wait();
    }));
    (void)began.wait();
  }

 private:
  LoopGroup& group_;
  Event end_{Event::Reset::manual};
  std::vector<RemoteThread<void>> threads_;
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a group has a loop for each core that may be used") {
  const cpu_set_t all = usable_cores();
  {
    const LoopGroup group{group_options(0)};
    REQUIRE(group.size() == static_cast<std::size_t>(CPU_COUNT(&all)));
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &all)) CPU_SET(core, &one);
  }
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  const LoopGroup group{group_options(0)};
  REQUIRE(group.size() == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "each loop of a group has an OS thread, which has a name") {
  std::vector<std::string> names;
  std::set<std::thread::id> ids{std::this_thread::get_id()};
  const auto note = [&](std::size_t) {
    names.push_back(os_thread_name());
    ids.insert(std::this_thread::get_id());
  };
  LoopGroup group{group_options(3)};
  support::in_each_loop(group, note);
  REQUIRE(names == std::vector<std::string>{"loop 0", "loop 1", "loop 2"});
  REQUIRE(ids.size() == 4);
  auto options = group_options(1);
  options.name = "a name that is too long";
  LoopGroup other{options};
  support::in_each_loop(other, note);
  REQUIRE(names.back() == "a name that is ");
}

TEST_CASE_METHOD(support::LoopFixture, "a group's OS threads may be pinned to a core each") {
  const cpu_set_t all = usable_cores();
  const int before = CPU_COUNT(&all);
  auto options = group_options(static_cast<std::size_t>(before) + 1);
  options.pin = true;
  std::vector<int> counts;
  std::set<int> cores;
  LoopGroup group{options};
  support::in_each_loop(group, [&](std::size_t) {
    const cpu_set_t mine = usable_cores();
    counts.push_back(CPU_COUNT(&mine));
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &mine)) cores.insert(core);
    }
  });
  REQUIRE(counts == std::vector<int>(group.size(), 1));
  REQUIRE(cores.size() == static_cast<std::size_t>(before));  // the last shares with the first
  const cpu_set_t here = usable_cores();
  REQUIRE(CPU_COUNT(&here) == before);
}

TEST_CASE_METHOD(support::LoopFixture, "threads of a group take turns among its loops") {
  LoopGroup group{group_options(3)};
  for (std::size_t i = 0; i < 7; ++i) REQUIRE(group.next() == i % 3);
  std::vector<std::optional<std::size_t>> where;
  for (int i = 0; i < 6; ++i) {
    where.push_back(group.spawn([&] { return group.index_of_caller(); }).join(long_time).value());
  }
  REQUIRE(where == std::vector<std::optional<std::size_t>>{1, 2, 0, 1, 2, 0});
}

TEST_CASE_METHOD(support::LoopFixture, "a thread is on the loop that it was spawned on") {
  LoopGroup group{group_options(2)};
  LoopGroup other{group_options(1)};
  REQUIRE(!group.index_of_caller());
  for (std::size_t i = 0; i < 2; ++i) {
    const bool is_there =
        group
            .spawn_on(i,
                      [&, i] {
                        (void)this_thread::yield();
                        return group.index_of_caller() == i && Loop::current() == &group.loop(i) &&
                               &LoopGroup::current() == &group && !other.index_of_caller();
                      })
            .join(long_time)
            .value();
    REQUIRE(is_there);
  }
}

TEST_CASE_METHOD(support::LoopFixture, "the least loaded loop is that with the fewest threads") {
  LoopGroup group{group_options(3)};
  std::set<std::size_t> idle;
  for (int i = 0; i < 3; ++i) idle.insert(group.least_loaded());
  REQUIRE(idle.size() == 3);  // all are equal: they take turns
  Waiting waiting{group};
  for (const std::size_t i : {0, 0, 2, 2, 1}) waiting.add(i);
  const auto always = [&](std::size_t index) {
    for (int i = 0; i < 6; ++i) {
      if (group.least_loaded() != index) return false;
    }
    return true;
  };
  REQUIRE(support::eventually_outside([&] { return always(1); }));
  for (int i = 0; i < 3; ++i) waiting.add(1);
  waiting.add(0);
  REQUIRE(support::eventually_outside([&] { return always(2); }));
}

TEST_CASE_METHOD(support::LoopFixture, "requests that have not been served count as load") {
  LoopGroup group{group_options(2, 1)};
  Waiting waiting{group};
  waiting.add(0);
  std::atomic<int> ran{0};
  for (int i = 0; i < 3; ++i) group.go_on(1, {}, [&] { ++ran; });  // more than it has stacks
  REQUIRE(support::eventually_outside([&] { return ran == 3; }));
  Event end{Event::Reset::manual};
  WaitGroup done{4};
  for (int i = 0; i < 4; ++i) {
    group.go_on(1, {}, [&] {
      (void)end.wait();
      done.done();
    });
  }
  for (int i = 0; i < 10; ++i) REQUIRE(group.least_loaded() == 0);
  end.set();
  REQUIRE(!done.wait(long_time));
}

TEST_CASE_METHOD(support::LoopFixture, "go runs functions on all loops, from anywhere") {
  LoopGroup group{group_options(2)};
  Seen<std::optional<std::size_t>> where;
  WaitGroup done{6};
  const auto note = [&] {
    where.add(group.index_of_caller());
    done.done();
  };
  for (int i = 0; i < 2; ++i) group.go(note);
  OsThread{[&] { group.go(note), group.go(note); }}.join();
  in_thread([&] {
    group.go(note);
    group.go_on(1, {.name = "named"}, [&] {
      if (this_thread::name() == "named") note();
    });
    REQUIRE(!done.wait(long_time));
  });
  REQUIRE(where.values() == std::set<std::optional<std::size_t>>{0, 1});
}

TEST_CASE_METHOD(support::LoopFixture, "go in a thread of a group stays in that group") {
  LoopGroup group{group_options(2)};
  Seen<std::thread::id> there;
  support::in_each_loop(group, [&](std::size_t) { there.add(std::this_thread::get_id()); });
  Seen<std::thread::id> seen;
  WaitGroup done{8};
  group.go([&] {
    for (int i = 0; i < 8; ++i) {
      evcoro::go([&] {
        seen.add(std::this_thread::get_id());
        done.done();
      });
    }
  });
  REQUIRE(!done.wait(long_time));
  REQUIRE(seen.values() == there.values());
}

TEST_CASE_METHOD(support::LoopFixture, "go takes arguments along") {
  LoopGroup group{group_options(2)};
  std::atomic<int> sum{0};
  WaitGroup done{3};
  struct Adder {
    void add(int number) {
      *to += number;
      done->done();
    }
    std::atomic<int>* to;
    WaitGroup* done;
  };
  group.go([&] {
    const auto add = [&](const std::unique_ptr<int>& a, int b) {
      sum += *a + b;
      done.done();
    };
    evcoro::go(add, std::make_unique<int>(1), 10);
    int local = 100;
    evcoro::go(add, std::make_unique<int>(local), local);  // a copy of it
    local = 0;
    evcoro::go(&Adder::add, Adder{&sum, &done}, 1000);
  });
  REQUIRE(!done.wait(long_time));
  REQUIRE(sum == 1211);
}

TEST_CASE_METHOD(support::LoopFixture, "a thread of a group says where it was spawned") {
  LoopGroup group{group_options(1)};
  const auto describe = [&] { return to_string(group.loop(0).threads().front()); };
  REQUIRE_THAT(group.spawn_on(0, describe).join(long_time).value(),
               contains("loop_group_test.cpp"));
  std::string text;
  WaitGroup done{1};
  group.go([&] {
    text = describe();
    done.done();
  });
  REQUIRE(!done.wait(long_time));
  REQUIRE_THAT(text, contains("loop_group_test.cpp"));
}

TEST_CASE_METHOD(support::LoopFixture, "a thread of evcoro::go says where that was called") {
  LoopGroup group{group_options(1)};
  std::string text;
  WaitGroup done{1};
  group.go([&] {
    evcoro::go([&] {
      text = to_string(group.loop(0).threads().back());
      done.done();
    });
  });
  REQUIRE(!done.wait(long_time));
  REQUIRE_THAT(text, contains("loop_group_test.cpp"));
}

TEST_CASE_METHOD(support::LoopFixture, "a group that can't be made leaves nothing behind") {
  auto options = group_options(3);
  options.own = &*loop;
  options.stacks.capacity = std::size_t{1} << 40;  // more than there are addresses
  REQUIRE_THROWS_AS(LoopGroup{options}, std::system_error);
  LoopGroup group{[&] {
    options.stacks.capacity = 4;
    return options;
  }()};
  REQUIRE(group.spawn_on(2, [] { return 2; }).join(long_time).value() == 2);
}

TEST_CASE("an index that a group doesn't have is a misuse") {
  const support::Ended ended = support::in_child([] {
    LoopGroup group{group_options(1)};
    (void)group.loop(1);
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("has no loop of that index"));
}
