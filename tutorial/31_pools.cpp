// Chapter 31: what is costly to make is used again: objects, and threads.
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <system_error>

#include <evcoro/coroutine_pool.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/object_pool.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/thread.hpp>

using evcoro::CoroutinePool;
using evcoro::Event;
using evcoro::Loop;
using evcoro::Scope;
using evcoro::Thread;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// [objects]
// Stands for what takes long to make: a connection to a database, a parser with its tables.
struct Connection {
  explicit Connection(int its_number) : number(its_number) {
    std::printf("  connection %d is made\n", number);
  }
  ~Connection() { std::printf("  connection %d is closed\n", number); }
  const int number;
};

using Connections = evcoro::ObjectPool<Connection>;

void ask(Connections& connections, const char* who, bool fails) {
  evcoro::Pooled<Connection> mine = connections.take();
  this_thread::sleep_for(1ms);  // the database thinks
  std::printf("  %s used connection %d\n", who, mine->number);
  if (fails) mine.discard();
}  // otherwise it goes back

void use_objects() {
  int made = 0;
  Connections connections{[&] { return std::make_unique<Connection>(++made); },
                          {.capacity_per_loop = 8}};
  {
    Scope scope;
    scope.spawn([&] { ask(connections, "ann", false); }).value();
    scope.spawn([&] { ask(connections, "bob", true); }).value();
  }
  ask(connections, "cid", false);
  std::printf("  idle: %zu\n", connections.idle(*Loop::current()));
}
// [/objects]

// [deleter]
struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Files = evcoro::ObjectPool<std::FILE, Close>;

void use_files() {
  Files files{[] { return Files::Object{std::tmpfile()}; }};
  for (int i = 0; i < 3; ++i) {
    const auto scratch = files.take();
    std::fputs("x", scratch.get());
    std::printf("  %ld bytes written\n", std::ftell(scratch.get()));
  }
}
// [/deleter]

// [coroutines]
void print(const char* when, const CoroutinePool& pool) {
  std::printf("  %s: %zu of %zu are free\n", when, pool.available(), pool.size());
}

void use_workers(Loop& loop) {
  CoroutinePool pool{loop, {.size = 2, .name = "renderer"}};
  Event paper{Event::Reset::manual};
  const auto render = [&](int page) { return paper.wait(10s) ? 0 : page; };
  print("at first", pool);
  Thread first = pool.spawn([&] { return render(1); }).value();
  Thread second = pool.spawn([&] { return render(2); }).value();
  print("with two at work", pool);
  const auto late = pool.spawn([&] { return render(3); }, 10ms);
  std::printf("  a third: %s\n", late.error().message().c_str());

  pool.resize(3);
  Thread third = pool.spawn([&] { return render(3); }, 10ms).value();
  print("with one more", pool);
  paper.set();
  const int pages = first.join().value() + second.join().value() + third.join().value();
  std::printf("  pages: %d\n", pages);
  print("at last", pool);
}
// [/coroutines]

// [many]
void use_few_for_many(Loop& loop) {
  CoroutinePool pool{loop, {.size = 2}};
  int sum = 0;
  for (int i = 1; i <= 100; ++i) {
    const auto add = [&sum, i] {
      this_thread::yield();
      sum += i;
    };
    pool.spawn(add, 10s).value().detach();  // waits for one that is free
  }
  if (!pool.wait_idle(10s)) std::printf("  sum: %d\n", sum);
}
// [/many]

}  // namespace

// [main]
int main() try {
  Loop loop{{.capacity = 10}};
  const auto all = [&] {
    std::puts("connections:");
    use_objects();
    std::puts("files:");
    use_files();
    std::puts("workers:");
    use_workers(loop);
    std::puts("a hundred jobs for two:");
    use_few_for_many(loop);
  };
  loop.spawn({.name = "all"}, all).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "31_pools: %s\n", error.what());
  return 1;
}
// [/main]
