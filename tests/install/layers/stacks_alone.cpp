// Takes a stack, as memory, and gives it back.
#include <stacks/version.h>
#include <cstdio>
#include <cstring>
#include <stacks/stack_pool.hpp>

int main() {
  evcoro::stacks::StackPool pool{{.capacity = 2}};
  std::error_code error;
  evcoro::stacks::Stack* stack = pool.take(error);
  if (stack == nullptr) return 1;
  std::memset(stack->limit, 1, stack->size());
  pool.give_back(*stack);
  std::puts("stacks " EVCORO_VERSION_STRING " works");
}
