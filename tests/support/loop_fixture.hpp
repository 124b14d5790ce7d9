// LoopFixture: a pool and a loop for a test, and the assertion that the test has left nothing
// behind: no thread, no stack, no event in the base, no descriptor.
//
//   TEST_CASE_METHOD(support::LoopFixture, "a thread sleeps") {
//     in_thread([&] { REQUIRE(!this_thread::sleep_for(1ms)); });
//   }
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <stacks/stack_pool.hpp>
#include <support/catch.hpp>
#include <support/process.hpp>

namespace support {

// Enough for what the test framework does inside a thread, also under sanitizers.
inline constexpr std::size_t test_stack_size = 256 * 1024;

// in_child_with_loop() runs body with a loop of its own in a child process; see in_child(). A loop
// of the parent's can't be used there.
template <class Body>
Ended in_child_with_loop(Body&& body) {
  return in_child([&] {
    evcoro::stacks::StackPool pool{{.capacity = 4, .stack_size = test_stack_size}};
    std::optional<evcoro::Loop> loop{std::in_place, pool};
    body(loop);
  });
}

class LoopFixture {
 public:
  LoopFixture() { loop.emplace(pool); }

  ~LoopFixture() noexcept(false) {
    if (std::uncaught_exceptions() > 0) return;  // the test has failed already
    if (loop) CHECK(loop->thread_count() == 0);
    loop.reset();
    CHECK(pool.in_use() == 0);
    CHECK(open_descriptors() == descriptors_before_);
  }

  // spawn() spawns detached.
  template <class F>
  void spawn(F&& function, evcoro::SpawnOptions options = {}) {
    loop->spawn(options, std::forward<F>(function)).value().detach();
  }

  // in_thread() runs body in a thread of the loop until that and all other threads have ended. What
  // a REQUIRE in it throws comes out here.
  template <class F>
  void in_thread(F&& body) {
    auto thread = loop->spawn({.name = "test"}, std::forward<F>(body)).value();
    loop->run();
    thread.join().value();
  }

 private:
  std::size_t descriptors_before_ = open_descriptors();

 public:
  evcoro::stacks::StackPool pool{{.capacity = 64, .stack_size = test_stack_size}};
  std::optional<evcoro::Loop> loop;
};

}  // namespace support
