// What tests of CoroutinePool share.
#pragma once

#include <cstddef>
#include <optional>
#include <system_error>
#include <vector>

#include <evcoro/coroutine_pool.hpp>
#include <support/loop_fixture.hpp>

namespace support {

class Workers : public LoopFixture {
 public:
  ~Workers() noexcept(false) { workers.reset(); }

  // make() makes a pool of so many workers.
  evcoro::CoroutinePool& make(std::size_t size) {
    return workers.emplace(*loop,
                           evcoro::CoroutinePoolOptions{
                               .size = size, .stack_size = test_stack_size, .name = "worker"});
  }

  // keep_busy() keeps a worker busy until it is told to stop.
  evcoro::Thread<std::error_code> keep_busy() {
    return workers->try_spawn([] { return evcoro::this_thread::sleep_until(evcoro::never); })
        .value();
  }

  // spawn_waiter() spawns a thread that waits for a worker, which notes number then.
  evcoro::Thread<std::error_code> spawn_waiter(int number, evcoro::Timeout timeout = {}) {
    return loop
        ->spawn([=, this] {
          evcoro::Result worker = workers->spawn([=, this] { order.push_back(number); }, timeout);
          if (worker) worker->detach();
          return worker.error();
        })
        .value();
  }

  std::optional<evcoro::CoroutinePool> workers;
  std::vector<int> order;
};

}  // namespace support
