// Chapter 1: a coroutine is a function that stops in the middle, and goes on later.
#include <cstdio>

#include <corothread/coroutine.hpp>
#include <stacks/stack_pool.hpp>

using evcoro::corothread::Coroutine;
using evcoro::stacks::StackPool;

int main() {
  // [coroutine]
  StackPool pool{{.capacity = 1}};

  Coroutine<void()> tea(pool, [](auto& yield) {
    std::puts("tea:  boil the water");
    yield();
    std::puts("tea:  pour it on the leaves");
    yield();
    std::puts("tea:  pour it into a cup");
  });
  // [/coroutine]

  // [resume]
  std::puts("main: start");
  tea.start();
  std::puts("main: read a page");
  tea.resume();
  std::puts("main: read another");
  const bool has_yielded = tea.resume();
  std::printf("main: the tea %s\n", has_yielded ? "isn't done yet" : "is done");
  // [/resume]
}
