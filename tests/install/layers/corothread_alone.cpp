// Runs a coroutine without any loop.
#include <stacks/version.h>
#include <corothread/generator.hpp>
#include <cstdio>
#include <stacks/stack_pool.hpp>

int main() {
  evcoro::stacks::StackPool pool{{.capacity = 2}};
  evcoro::corothread::Generator<int> numbers{pool, [](auto& yield) {
                                               for (int i = 1; i <= 3; ++i) yield(i);
                                             }};
  int sum = 0;
  for (const int number : numbers) sum += number;
  if (sum != 6) return 1;
  std::puts("corothread " EVCORO_VERSION_STRING " works");
}
