// The cases of the suite sync in Boost.Fiber, as far as it has them. A buffered_channel of 128 has
// room for 127.
#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/fixedsize_stack.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/unbuffered_channel.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/bench/sync/sync_main.hpp"

namespace {

namespace fibers = boost::fibers;
using sync_bench::check;
using sync_bench::measure;
using sync_bench::Spent;

constexpr std::size_t stack_size = 16 * 1024;
constexpr std::size_t room = 128;
constexpr std::size_t rivals = 10;

void must(fibers::channel_op_status status) {
  check(status == fibers::channel_op_status::success, "an operation failed");
}

template <class Function>
fibers::fiber start(Function function) {
  return {std::allocator_arg, fibers::fixedsize_stack(stack_size), function};
}

// run_fibers() runs each function in a fiber.
template <class... Functions>
Spent run_fibers(Functions... functions) {
  return measure([&] {
    fibers::fiber all[] = {start(functions)...};
    for (fibers::fiber& each : all) each.join();
  });
}

Spent channel(std::size_t count) {
  fibers::unbuffered_channel<std::size_t> ping;
  fibers::unbuffered_channel<std::size_t> pong;
  return run_fibers(
      [&] {
        for (std::size_t i = 0; i < count; ++i) {
          must(ping.push(i));
          check(pong.value_pop() == i + 1, "a wrong answer");
        }
        ping.close();
      },
      [&] {
        for (const std::size_t value : ping) must(pong.push(value + 1));
      });
}

Spent buffered(std::size_t count) {
  fibers::buffered_channel<std::size_t> items{room};
  std::size_t received = 0;
  const Spent spent = run_fibers(
      [&] {
        for (std::size_t i = 0; i < count; ++i) must(items.push(i));
        items.close();
      },
      [&] {
        for (const std::size_t item : items) check(item == received++, "a wrong item");
      });
  check(received == count, "items were lost");
  return spent;
}

Spent mutex(std::size_t count) {
  fibers::mutex lock;
  std::size_t total = 0;
  const Spent spent = run_fibers([&] {
    for (std::size_t i = 0; i < count; ++i) {
      const std::scoped_lock held{lock};
      ++total;
    }
  });
  check(total == count, "a wrong total");
  return spent;
}

Spent contend(std::size_t count, bool yields) {
  fibers::mutex lock;
  std::size_t total = 0;
  const auto compete = [&] {
    for (std::size_t i = 0; i < count / rivals; ++i) {
      const std::scoped_lock held{lock};
      ++total;
      if (yields) boost::this_fiber::yield();
    }
  };
  const Spent spent = measure([&] {
    std::vector<fibers::fiber> all;
    for (std::size_t rival = 0; rival < rivals; ++rival) all.push_back(start(compete));
    for (fibers::fiber& each : all) each.join();
  });
  check(total == count / rivals * rivals, "a wrong total");
  return spent;
}

Spent contended(std::size_t count) { return contend(count, true); }
Spent contended_no_yield(std::size_t count) { return contend(count, false); }

}  // namespace

int main(int argc, char** argv) {
  sync_bench::run(argc, argv,
                  {{"channel", channel},
                   {"buffered", buffered},
                   {"mutex", mutex},
                   {"contended", contended},
                   {"contended_no_yield", contended_no_yield}});
}
