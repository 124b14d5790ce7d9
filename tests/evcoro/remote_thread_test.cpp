// RemoteThread: handles of threads on other loops.
#include <evcoro/remote_thread.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <evcoro/scope.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/contains.hpp>
#include <support/group.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::group_options;
using support::is_canceled;
using support::is_timed_out;
using support::long_time;
using support::OsThread;

namespace {

// GroupFixture has a group of two loops, and what its exception handlers have been told.
class GroupFixture : public support::LoopFixture {
 public:
  explicit GroupFixture(std::size_t stacks = 16) : group(options(stacks)) {}

  std::vector<std::string> reports() {
    const std::scoped_lock lock{mutex_};
    return reports_;
  }

 private:
  LoopGroupOptions options(std::size_t stacks) {
    auto result = group_options(2, stacks);
    result.exception_handler = [this](const ThreadInfo& thread, std::exception_ptr exception) {
      std::string text = thread.name;
      try {
        std::rethrow_exception(exception);
      } catch (const std::exception& error) {
        text += std::string{": "} + error.what();
      }
      const std::scoped_lock lock{mutex_};
      reports_.push_back(text);
    };
    return result;
  }

  Mutex mutex_;
  std::vector<std::string> reports_;

 public:
  LoopGroup group;
};

struct OneStack : GroupFixture {
  OneStack() : GroupFixture(1) {}
};

std::error_code sleep_long() { return this_thread::sleep_until(never); }

std::string reported;
void note_report(const char* text, std::size_t size) noexcept { reported.append(text, size); }

}  // namespace

TEST_CASE_METHOD(GroupFixture, "join from another OS thread returns what the function returns") {
  const auto join_all = [&] {
    if (group.spawn([] { return 42; }).join().value() != 42) return false;
    if (*group.spawn([] { return std::make_unique<int>(43); }).join().value() != 43) return false;
    const auto error = std::make_error_code(std::errc::io_error);
    if (group.spawn([&] { return error; }).join().value() != error) return false;
    return group.spawn([] {}).join().has_value();
  };
  REQUIRE(join_all());
  in_thread([&] { REQUIRE(join_all()); });
  REQUIRE(group.spawn_on(0, join_all).join().value());
  bool elsewhere = false;
  OsThread{[&] { elsewhere = join_all(); }}.join();
  REQUIRE(elsewhere);
}

TEST_CASE_METHOD(GroupFixture, "a handle knows its thread's number") {
  Event begun;
  Event goes_on;
  RemoteThread<std::uint64_t> thread = group.spawn([&] {
    begun.set();
    static_cast<void>(goes_on.wait());
    return this_thread::id();
  });
  REQUIRE(!begun.wait(long_time));
  const std::uint64_t id = thread.id();
  goes_on.set();
  REQUIRE(thread.join().value() == id);
  REQUIRE(id != 0);
}

TEST_CASE_METHOD(GroupFixture, "join throws what left the function") {
  auto thread = group.spawn([]() -> int { throw std::runtime_error("by the thread"); });
  REQUIRE_THROWS_WITH(thread.join(), "by the thread");
  REQUIRE(!thread.joinable());
  REQUIRE(reports().empty());
  auto nothing = group.spawn([] { throw 7; });
  REQUIRE_THROWS_AS(nothing.join(), int);
}

TEST_CASE_METHOD(GroupFixture, "join waits until its deadline, and can be called again") {
  Event end;
  auto thread = group.spawn([&] {
    (void)end.wait();
    return 1;
  });
  const auto began = Clock::now();
  REQUIRE(is_timed_out(thread.join(no_wait).error()));
  REQUIRE(is_timed_out(thread.join(2ms).error()));
  REQUIRE(Clock::now() - began >= 2ms);
  in_thread([&] {
    REQUIRE(is_timed_out(thread.join(2ms).error()));
    const Scope scope{1ms};
    REQUIRE(is_canceled(thread.join().error()));
  });
  REQUIRE(thread.joinable());
  REQUIRE(!thread.has_ended());
  end.set();
  REQUIRE(thread.join(long_time).value() == 1);
}

TEST_CASE_METHOD(GroupFixture, "a cancelled thread doesn't join, and the handle stays") {
  in_thread([&] {
    auto remote = group.spawn(sleep_long);
    Thread joiner = loop->spawn([&] { return remote.join().error(); }).value();
    REQUIRE(support::until_parked(joiner));
    joiner.request_stop();
    REQUIRE(is_canceled(joiner.join().value()));
    REQUIRE(remote.joinable());
    REQUIRE(!remote.has_ended());
    remote.request_stop();
    REQUIRE(is_canceled(remote.join(long_time).value()));
  });
}

TEST_CASE_METHOD(GroupFixture, "request_stop cancels the thread, with its reason") {
  Event began;
  auto thread = group.spawn([&] {
    began.set();
    const auto error = sleep_long();
    return is_canceled(error) ? this_thread::cancel_reason() : CancelReason::none;
  });
  REQUIRE(!began.wait(long_time));
  thread.request_stop(CancelReason::shutdown);
  REQUIRE(thread.join(long_time).value() == CancelReason::shutdown);
}

TEST_CASE_METHOD(GroupFixture, "a thread that is cancelled before it begins runs, cancelled") {
  for (int i = 0; i < 100; ++i) {
    auto thread = group.spawn([] { return this_thread::sleep_for(1h); });
    thread.request_stop();
    if (!is_canceled(thread.join(long_time).value())) FAIL("it was not cancelled");
  }
  auto ended = group.spawn([] {});
  REQUIRE(support::eventually_outside([&] { return ended.has_ended(); }));
  ended.request_stop();
  REQUIRE(ended.join(no_wait));
}

TEST_CASE_METHOD(GroupFixture, "what goes with a handle is cancelled and waited for") {
  std::atomic<int> ended{0};
  const auto sleep = [&] {
    if (is_canceled(sleep_long())) ++ended;
  };
  { auto thread = group.spawn(sleep); }
  REQUIRE(ended == 1);
  {
    auto thread = group.spawn(sleep);
    thread = group.spawn(sleep);  // the one before is ended
    REQUIRE(ended == 2);
  }
  REQUIRE(ended == 3);
  in_thread([&] {
    Thread thread = loop->spawn([&] {
                          auto remote = group.spawn(sleep);
                          REQUIRE(is_canceled(sleep_long()));
                        })
                        .value();
    REQUIRE(support::until_parked(thread));
    thread.request_stop();  // a cancelled thread's handle waits all the same
    REQUIRE(thread.join());
    REQUIRE(ended == 4);
  });
}

TEST_CASE_METHOD(GroupFixture, "an exception that nobody joins for is reported") {
  const auto before = stacks::set_report_sink(note_report);
  {
    auto dropped = group.spawn([] { throw std::runtime_error("dropped"); });
  }
  stacks::set_report_sink(before);
  REQUIRE_THAT(reported, contains("dropped"));
}

TEST_CASE_METHOD(GroupFixture, "an exception of a detached thread goes to the loop's handler") {
  Event goes_on{Event::Reset::manual};
  const auto fail = [&] {
    (void)goes_on.wait();
    throw std::runtime_error("lost");
  };
  group.spawn_on(0, {.name = "detached"}, fail).detach();
  group.go_on(1, {.name = "gone"}, fail);
  goes_on.set();
  REQUIRE(support::eventually_outside([&] { return reports().size() == 2; }));
  auto all = reports();
  std::ranges::sort(all);
  REQUIRE(all == std::vector<std::string>{"detached: lost", "gone: lost"});
}

TEST_CASE_METHOD(GroupFixture, "an exception before the thread is detached is reported") {
  const auto before = stacks::set_report_sink(note_report);
  auto thread = group.spawn([] { throw std::runtime_error("early"); });
  REQUIRE(support::eventually_outside([&] { return thread.has_ended(); }));
  thread.detach();
  stacks::set_report_sink(before);
  REQUIRE(!thread.joinable());
  REQUIRE_THAT(reported, contains("early"));
}

TEST_CASE_METHOD(GroupFixture, "a detached thread goes on") {
  Event goes_on;
  WaitGroup done{1};
  auto thread = group.spawn([&] {
    (void)goes_on.wait();
    done.done();
  });
  thread.detach();
  REQUIRE(!thread.joinable());
  goes_on.set();
  REQUIRE(!done.wait(long_time));
}

TEST_CASE_METHOD(GroupFixture, "a handle is moved, and an empty one is of no thread") {
  static_assert(!std::is_copy_constructible_v<RemoteThread<int>>);
  RemoteThread<int> empty;
  REQUIRE(!empty.joinable());
  empty = group.spawn([] { return 1; });
  RemoteThread<int> other{std::move(empty)};
  REQUIRE(!empty.joinable());  // NOLINT: that is what is tested
  REQUIRE(other.joinable());
  REQUIRE(other.join(long_time).value() == 1);
  REQUIRE(!other.joinable());
}

TEST_CASE_METHOD(GroupFixture, "in a callback of a loop nobody can be joined who hasn't ended") {
  in_thread([&] {
    auto runs = group.spawn(sleep_long);
    auto ended = group.spawn([] { return 5; });
    REQUIRE(support::eventually([&] { return ended.has_ended(); }));
    bool was_called = false;
    loop->post([&] {
      CHECK(runs.join().error() == Errc::not_in_a_thread);
      CHECK(ended.join().value() == 5);
      was_called = true;
    });
    REQUIRE(support::eventually([&] { return was_called; }));
    REQUIRE(runs.joinable());
  });
}

TEST_CASE_METHOD(OneStack, "when a loop has no stack left, threads begin in the order of asking") {
  std::vector<int> order;
  std::vector<RemoteThread<void>> threads;
  Event goes_on;
  auto first = group.spawn_on(0, [&] { (void)goes_on.wait(); });
  for (int i = 0; i < 6; ++i) {
    threads.push_back(group.spawn_on(0, [&, i] {
      order.push_back(i);
      (void)this_thread::yield();
    }));
  }
  REQUIRE(group.spawn_on(1, [] { return true; }).join(long_time).value());  // others go on
  REQUIRE(order.empty());
  goes_on.set();
  for (auto& each : threads) REQUIRE(each.join(long_time));
  REQUIRE(first.join(long_time));
  REQUIRE(order == std::vector{0, 1, 2, 3, 4, 5});
}

TEST_CASE_METHOD(OneStack, "nobody who waits for a stack is lost") {
  const int count = support::rounds(2000);
  WaitGroup done{static_cast<std::size_t>(3 * count)};
  const auto ask = [&] {
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        if (i % 3 == 0) (void)this_thread::yield();
        done.done();
      });
    }
  };
  OsThread one{ask};
  OsThread other{support::in_own_loop(ask)};
  ask();
  REQUIRE(!done.wait(long_time));
}

TEST_CASE("an empty handle is of no use, and using it a misuse") {
  const support::Ended ended = support::in_child([] { (void)RemoteThread<int>{}.join(); });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("an empty RemoteThread handle was used"));
}

TEST_CASE("to drop a handle in a callback of a loop is a misuse") {
  const support::Ended ended = support::in_child([] {
    LoopGroup group{group_options(2)};
    group.call_on(0, [&] {
      auto thread = group.spawn_on(1, [] {
        while (sleep_long()) this_thread::acknowledge_cancellation();
      });
    });
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("a RemoteThread handle was destroyed in a callback"));
}
