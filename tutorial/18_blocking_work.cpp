// Chapter 18: what would block the loop is done by other OS threads.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <evcoro/file.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/offload.hpp>
#include <evcoro/thread.hpp>

using evcoro::Loop;
using evcoro::offload;
using evcoro::QueuePolicy;
using evcoro::Thread;
using evcoro::WorkerPool;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// [work]
// Stands for all that blocks an OS thread: a library that waits, a long computation.
int add_slowly(int a, int b) {
  std::this_thread::sleep_for(50ms);
  if (b == 0) throw std::invalid_argument("nothing to add");
  return a + b;
}
// [/work]

// [offload]
void add() {
  int ticks = 0;
  const Thread ticker = Loop::current()
                            ->spawn([&] {
                              while (!this_thread::sleep_for(1ms)) ++ticks;
                            })
                            .value();
  const int sum = offload([] { return add_slowly(2, 3); }).value();
  std::printf("sum: %d; did others run meanwhile? %s\n", sum, ticks > 0 ? "yes" : "no");
}
// [/offload]

// [exception]
void add_badly() try {
  const auto sum = offload([] { return add_slowly(2, 0); });
  std::printf("sum: %d\n", sum.value());
} catch (const std::invalid_argument& error) {
  std::printf("no sum: %s\n", error.what());
}
// [/exception]

// [deadline]
void give_up() {
  const auto text = std::make_shared<std::string>("still here");
  const auto job = [text] {  // a reference could dangle
    add_slowly(2, 3);
    return *text + " when nobody waits";
  };
  const auto result = offload(job, 5ms);
  std::printf("job: %s\n", result ? result->c_str() : "given up");
}
// [/deadline]

// [pool]
void use_a_small_pool() {
  WorkerPool pool{{.max_workers = 1, .queue_limit = 0}};
  const auto slowly = [&] { return offload(pool, [] { return add_slowly(1, 1); }).value(); };
  Thread first = Loop::current()->spawn(slowly).value();
  this_thread::yield();  // so that it is first
  Thread second = Loop::current()->spawn(slowly).value();
  const auto third = offload(pool, QueuePolicy::fail, [] { return add_slowly(1, 1); });
  if (third.error() == evcoro::Errc::queue_full) std::puts("third: the pool is busy");
  std::printf("first: %d\n", first.join().value());
  std::printf("second: %d\n", second.join().value());
}
// [/pool]

// [file]
void use_files(const std::string& path) {
  if (const auto error = evcoro::write_file(path, "to be or not\n", 3s))
    throw std::system_error(error);
  evcoro::File file = evcoro::File::open(path, O_RDWR, 3s).value();
  if (const auto out = file.pwrite(" to be\n", file.size().value() - 1, 3s); out.error)
    throw std::system_error(out.error);
  std::printf("file: %s", evcoro::read_file(path, 1000, 3s).value().c_str());
}
// [/file]

}  // namespace

// [main]
int main() try {
  Loop loop{{.capacity = 10}};
  const auto all = [] {
    add();
    add_badly();
    give_up();
    use_a_small_pool();
    const std::string path = "/tmp/evcoro_18_" + std::to_string(::getpid());
    use_files(path);
    std::remove(path.c_str());
  };
  Thread thread = loop.spawn({.name = "all"}, all).value();
  loop.run();
  thread.join().value();
} catch (const std::exception& error) {
  std::fprintf(stderr, "18_blocking_work: %s\n", error.what());
  return 1;
}
// [/main]
