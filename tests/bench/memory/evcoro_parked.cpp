// Threads of evcoro, all parked: the pool is made, with a guard below each stack, and each thread
// is spawned with a name and runs until it sleeps.
#include <chrono>
#include <cstddef>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/stack_pool.hpp>

#include "tests/bench/memory/parked_main.hpp"

int main(int argc, char** argv) {
  const std::size_t count = parked::start(argc, argv);
  const auto begin = parked::Clock::now();
  evcoro::stacks::StackPool pool{{.capacity = count, .stack_size = parked::stack_size}};
  evcoro::Loop loop{pool};
  std::size_t asleep = 0;
  const auto sleep = [&asleep] {
    ++asleep;
    evcoro::this_thread::sleep_until(evcoro::never);
  };
  for (std::size_t i = 0; i < count; ++i) loop.spawn({.name = "parked"}, sleep).value().detach();
  while (asleep < count) loop.run_once(evcoro::no_wait);
  parked::hold(parked::Clock::now() - begin);
  return loop.shutdown(std::chrono::seconds(60)).empty() ? 0 : 1;
}
