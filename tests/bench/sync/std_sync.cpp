// The cases of the suite sync with std::mutex, whose rivals are OS threads.
#include <cstddef>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/bench/sync/sync_main.hpp"

namespace {

using sync_bench::check;
using sync_bench::measure;
using sync_bench::Spent;

constexpr std::size_t rivals = 10;

Spent mutex(std::size_t count) {
  std::mutex lock;
  std::size_t total = 0;
  const Spent spent = measure([&] {
    for (std::size_t i = 0; i < count; ++i) {
      const std::scoped_lock held{lock};
      ++total;
    }
  });
  check(total == count, "a wrong total");
  return spent;
}

// The same in a process that has a second OS thread.
Spent mutex_threads(std::size_t count) {
  std::latch done{1};
  const std::jthread sleeper{[&] { done.wait(); }};
  const Spent spent = mutex(count);
  done.count_down();
  return spent;
}

Spent contend(std::size_t count, bool yields) {
  std::mutex lock;
  std::size_t total = 0;
  const auto compete = [&] {
    for (std::size_t i = 0; i < count / rivals; ++i) {
      const std::scoped_lock held{lock};
      ++total;
      if (yields) std::this_thread::yield();
    }
  };
  const Spent spent = measure([&] {
    std::vector<std::jthread> all;
    for (std::size_t rival = 0; rival < rivals; ++rival) all.emplace_back(compete);
  });
  check(total == count / rivals * rivals, "a wrong total");
  return spent;
}

Spent contended(std::size_t count) { return contend(count, true); }
Spent contended_no_yield(std::size_t count) { return contend(count, false); }

}  // namespace

int main(int argc, char** argv) {
  sync_bench::run(argc, argv,
                  {{"mutex", mutex},
                   {"mutex_threads", mutex_threads},
                   {"contended", contended},
                   {"contended_no_yield", contended_no_yield}});
}
