// Where threads get their stacks, what spawn() reports, and what a thread owns.
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t stack_size = support::test_stack_size;

// Reports its destruction.
struct Witness {
  Witness(std::vector<std::string>& log, std::string name) : log_(&log), name_(std::move(name)) {}
  Witness(Witness&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), name_(std::move(other.name_)) {}
  ~Witness() {
    if (log_ != nullptr) log_->push_back(name_);
  }

 private:
  std::vector<std::string>* log_;
  std::string name_;
};

struct ThrowsOnCopy {
  ThrowsOnCopy() = default;
  ThrowsOnCopy(const ThrowsOnCopy&) { throw std::runtime_error("no copy"); }
  void operator()() const {}
};

}  // namespace

TEST_CASE("spawn with an empty pool is EAGAIN") {
  Loop loop{{.capacity = 2, .stack_size = stack_size}};
  const auto captured = std::make_shared<int>();
  Thread one = loop.spawn([] {}).value();
  Thread two = loop.spawn([] {}).value();
  const Result refused = loop.spawn([captured] {});
  REQUIRE(refused.error() == std::errc::resource_unavailable_try_again);
  REQUIRE(captured.use_count() == 1);
  loop.run();
  REQUIRE(loop.spawn([] {}).error());  // threads that have ended hold their stacks until joined
  REQUIRE(one.join().has_value());
  two.detach();
  REQUIRE(loop.stacks().in_use() == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a thread that begins at once runs until it first waits") {
  std::vector<int> order;
  in_thread([&] {
    Thread queued = loop->spawn([&] { order.push_back(4); }).value();
    Thread waits = loop->spawn({.at_once = true},
                               [&] {
                                 order.push_back(1);
                                 REQUIRE(!this_thread::yield());
                                 order.push_back(5);
                               })
                       .value();
    order.push_back(2);
    Thread ends = loop->spawn({.at_once = true}, [&] { order.push_back(3); }).value();
    REQUIRE(ends.has_ended());
    for (Thread<>* each : {&queued, &waits, &ends}) REQUIRE(each->join());
  });
  REQUIRE(order == std::vector{1, 2, 3, 4, 5});
}

TEST_CASE_METHOD(support::LoopFixture, "a thread can have a stack of another pool") {
  stacks::StackPool large{{.capacity = 1, .stack_size = 4 * stack_size}};
  in_thread([&] {
    Thread thread = loop->spawn({.stacks = &large},
                                [] {
                                  std::array<volatile char, 2 * stack_size> frame;
                                  for (std::size_t i = 0; i < frame.size(); i += 4096) frame[i] = 1;
                                  return this_thread::sleep_for(1ms) ? 0 : int{frame[0]};
                                })
                        .value();
    REQUIRE(large.in_use() == 1);
    REQUIRE(pool.in_use() == 1);
    REQUIRE(loop->spawn({.stacks = &large}, [] {}).error() ==
            std::errc::resource_unavailable_try_again);
    REQUIRE(thread.join().value() == 1);
    REQUIRE(large.in_use() == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "spawn without memory for a stack is ENOMEM and leaks nothing") {
  stacks::StackPool impossible{{.capacity = 4,
                                .stack_size = SIZE_MAX / 8,
                                .allocation = stacks::StackPool::Allocation::on_demand}};
  // What Valgrind's mmap(2) says when there is no room.
  const auto no_room =
      support::running_on_valgrind() ? std::errc::invalid_argument : std::errc::not_enough_memory;
  const auto captured = std::make_shared<int>();
  for (int i = 0; i < 10; ++i) {
    const Result refused = loop->spawn({.stacks = &impossible}, [captured] {});
    REQUIRE(refused.error() == no_room);
  }
  REQUIRE(captured.use_count() == 1);
  REQUIRE(impossible.in_use() == 0);
  REQUIRE(loop->thread_count() == 0);
}

TEST_CASE("a loop whose memory is exhausted by spawns goes on with the threads that it has") {
  if (support::under_sanitizer() || support::running_on_valgrind()) {
    support::skip("the tool needs the address space that the test limits");
  }
  const support::Ended ended = support::in_child([] {
    stacks::StackPool pool{{.capacity = stacks::StackPool::unlimited,
                            .stack_size = 1024 * 1024,
                            .allocation = stacks::StackPool::Allocation::on_demand}};
    Loop loop{pool};
    const rlimit limit{512 << 20, 512 << 20};
    ::setrlimit(RLIMIT_AS, &limit);
    int spawned = 0;
    int done = 0;
    std::error_code error;
    while (!error) {
      Result thread = loop.spawn([&] { done += this_thread::sleep_for(1ms) ? 0 : 1; });
      error = thread.error();
      if (thread) ++spawned, thread->detach();
    }
    loop.run();
    const bool again = loop.spawn([] {}).has_value();  // on a stack that is free now
    loop.run();
    std::printf("%s %s %s", error == std::errc::not_enough_memory ? "ENOMEM" : "?",
                spawned > 10 && done == spawned ? "done" : "?", again ? "again" : "?");
  });
  REQUIRE(ended.output == "ENOMEM done again");
  REQUIRE(ended.status == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a callable of more than half the stack is E2BIG") {
  stacks::StackPool small{{.capacity = 1, .stack_size = 16 * 1024}};
  const std::array<char, 9 * 1024> large{};
  REQUIRE(loop->spawn({.stacks = &small}, [large] { (void)large; }).error() ==
          std::errc::argument_list_too_long);
  REQUIRE(small.in_use() == 0);
  REQUIRE(loop->thread_count() == 0);
  const std::array<char, 6 * 1024> fits{1};
  Thread thread = loop->spawn({.stacks = &small}, [fits] { return fits[0]; }).value();
  loop->run();
  REQUIRE(thread.join().value() == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "a callable that throws when it is copied leaves nothing") {
  const ThrowsOnCopy callable;
  REQUIRE_THROWS_WITH(loop->spawn(callable), "no copy");
  REQUIRE(pool.in_use() == 0);
  REQUIRE(loop->thread_count() == 0);
  in_thread([&] { REQUIRE_THROWS_WITH(loop->spawn_wait({}, callable), "no copy"); });
}

TEST_CASE_METHOD(support::LoopFixture, "captures are destroyed when the thread ends") {
  std::vector<std::string> log;
  in_thread([&] {
    Thread thread = loop->spawn([witness = Witness{log, "capture"}] { return 1; }).value();
    REQUIRE(log.empty());
    REQUIRE(!this_thread::yield());
    REQUIRE(thread.has_ended());
    REQUIRE(log == std::vector<std::string>{"capture"});
    REQUIRE(thread.join().value() == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "what a thread owns is destroyed in reverse order when it ends") {
  std::vector<std::string> log;
  const std::vector<std::string> expected{"capture", "second", "first"};
  const auto own_two = [&](const Witness&) {
    this_thread::own(Witness{log, "first"});
    this_thread::own(Witness{log, "second"});
    REQUIRE(log.empty());
  };
  in_thread([&] {
    SECTION("by returning") {
      Thread thread =
          loop->spawn([&, witness = Witness{log, "capture"}] { own_two(witness); }).value();
      REQUIRE(thread.join().has_value());
    }
    SECTION("by an exception") {
      Thread thread = loop->spawn([&, witness = Witness{log, "capture"}] {
                            own_two(witness);
                            throw 1;
                          })
                          .value();
      REQUIRE_THROWS_AS(thread.join(), int);
    }
    SECTION("detached and cancelled") {
      Thread thread = loop->spawn([&, witness = Witness{log, "capture"}] {
                            own_two(witness);
                            (void)this_thread::sleep_until(never);
                          })
                          .value();
      REQUIRE(!this_thread::yield());
      thread.request_stop();
      thread.detach();
      REQUIRE(!this_thread::yield());
    }
    REQUIRE(log == expected);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a thread may own others which end with it") {
  std::error_code error;
  in_thread([&] {
    Thread parent = loop->spawn([&] {
                          Thread<>& child = this_thread::own(
                              loop->spawn([&] { error = this_thread::sleep_for(1h); }).value());
                          REQUIRE(child.joinable());
                          REQUIRE(!this_thread::yield());
                        })
                        .value();
    REQUIRE(parent.join().has_value());
    REQUIRE(error == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "own outside a thread is a misuse") {
  const support::Ended ended = support::in_child([] { this_thread::own(1); });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE(ended.output.find("this_thread::own() outside a thread") != std::string::npos);
}

TEST_CASE("threads spawn threads that spawn threads") {
  Loop loop{{.capacity = 64, .stack_size = stack_size}};
  int leaves = 0;
  std::function<void(int)> grow = [&](int depth) {
    if (depth == 0) {
      ++leaves;
      return;
    }
    Thread left = loop.spawn([&, depth] { grow(depth - 1); }).value();
    Thread right = loop.spawn([&, depth] { grow(depth - 1); }).value();
    REQUIRE(left.join().has_value());
    REQUIRE(right.join().has_value());
  };
  loop.spawn([&] { grow(4); }).value().detach();
  loop.run();
  REQUIRE(leaves == 16);
}
