// Fibers of Boost.Fiber, all parked on a condition variable. Their stacks have no guards: those
// that Boost can set up take two mappings each, of which Linux lets a process have 65,530.
#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/fixedsize_stack.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/bench/memory/parked_main.hpp"

namespace {

namespace fibers = boost::fibers;

class Gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    opened_.wait(lock, [this] { return open_; });
  }

  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

  std::size_t waiting() const { return waiting_; }

 private:
  fibers::mutex mutex_;
  fibers::condition_variable opened_;
  bool open_ = false;
  std::size_t waiting_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = parked::start(argc, argv);
  const auto begin = parked::Clock::now();
  Gate gate;
  std::vector<fibers::fiber> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    all.emplace_back(std::allocator_arg, fibers::fixedsize_stack(parked::stack_size),
                     [&gate] { gate.wait(); });
  }
  while (gate.waiting() < count) boost::this_fiber::yield();
  parked::hold(parked::Clock::now() - begin);
  gate.open();
  for (fibers::fiber& each : all) each.join();
}
