#include <stacks/stack_pool.hpp>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/memory.hpp>
#include <support/process.hpp>

using namespace evcoro::stacks;
using Allocation = StackPool::Allocation;

namespace {

std::size_t resident(const Stack& stack) { return support::resident_pages(stack.limit, stack.end); }

std::vector<Stack*> take(StackPool& pool, std::size_t count) {
  std::vector<Stack*> stacks;
  std::error_code error;
  for (std::size_t i = 0; i < count; ++i) stacks.push_back(pool.take(error));
  return stacks;
}

void give_back_all(StackPool& pool, const std::vector<Stack*>& stacks) {
  for (Stack* const stack : stacks) pool.give_back(*stack);
}

// What /proc/self/smaps says of the mapping that address lies in.
std::string flags_of_mapping(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps{"/proc/self/smaps"};
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    if (std::sscanf(line.c_str(), "%zx-%zx ", &from, &to) == 2)
      found = from <= wanted && wanted < to;
    if (found && line.rfind("VmFlags:", 0) == 0) return line + " ";
  }
  return "";
}

}  // namespace

TEST_CASE("start addresses are aligned, coloured, and leave all that was asked for") {
  const auto allocation = GENERATE(Allocation::preallocate, Allocation::on_demand);
  StackPool pool{{.capacity = 16, .stack_size = 8192, .allocation = allocation}};
  const auto stacks = take(pool, 16);
  std::set<std::uintptr_t> offsets;
  for (const Stack* const stack : stacks) {
    const auto start = reinterpret_cast<std::uintptr_t>(stack->start);
    REQUIRE(start % 64 == 0);
    REQUIRE(stack->size() >= 8192);
    REQUIRE(stack->start <= stack->end);
    REQUIRE(stack->pool == &pool);
    offsets.insert(start % support::page_size());
  }
  REQUIRE(offsets.size() == 16);
  give_back_all(pool, stacks);
}

TEST_CASE("no two stacks overlap, guards included") {
  StackPool pool{{.capacity = 10, .stack_size = 4096}};
  const auto stacks = take(pool, 10);
  std::set<std::byte*> ends;
  for (const Stack* const stack : stacks) {
    const auto next = ends.lower_bound(stack->guard());
    REQUIRE((next == ends.end() || *next == stack->guard() || *next - guard_size >= stack->end));
    ends.insert(stack->end);
  }
  give_back_all(pool, stacks);
}

TEST_CASE("a pool touches no memory of its stacks") {
  const auto allocation = GENERATE(Allocation::preallocate, Allocation::on_demand);
  StackPool pool{{.capacity = 8, .stack_size = 64 * 1024, .allocation = allocation}};
  const auto stacks = take(pool, 8);
  for (const Stack* const stack : stacks) REQUIRE(resident(*stack) == 0);
  stacks[0]->start[-1] = std::byte{1};
  REQUIRE(resident(*stacks[0]) == 1);
  give_back_all(pool, stacks);
  for (std::size_t i = 1; i < stacks.size(); ++i) REQUIRE(resident(*stacks[i]) == 0);
}

TEST_CASE("a stack is never made of huge pages") {
  if (!std::ifstream{"/sys/kernel/mm/transparent_hugepage/enabled"}.good()) {
    support::skip("the kernel has no transparent huge pages");
  }
  if (support::under_emulator()) support::skip("the emulator doesn't pass the advice on");
  StackPool pool{{.capacity = 1, .stack_size = 8 << 20U}};
  const auto stacks = take(pool, 1);
  REQUIRE_THAT(flags_of_mapping(stacks[0]->start - 1), support::contains(" nh "));
  give_back_all(pool, stacks);
}

TEST_CASE("a forked process has its own copy of the stacks") {
  StackPool pool{{.capacity = 1}};
  const auto stacks = take(pool, 1);
  std::byte& value = stacks[0]->start[-1];
  value = std::byte{1};
  const auto ended = support::in_child([&] {
    std::printf("%d", static_cast<int>(value));
    value = std::byte{2};
    pool.give_back(*stacks[0]);
  });
  REQUIRE(ended.output == "1");
  REQUIRE(value == std::byte{1});
  give_back_all(pool, stacks);
}

TEST_CASE("trimming gives the memory of free stacks back, but of the warmest") {
  StackPool pool{{.capacity = 4}};
  const auto stacks = take(pool, 4);
  for (Stack* const stack : stacks) std::memset(stack->limit, 1, stack->size());
  for (const std::size_t i : {0U, 1U, 2U}) pool.give_back(*stacks[i]);  // 2 is the warmest
  REQUIRE(pool.trim(1) == 2);
  REQUIRE(resident(*stacks[0]) == 0);
  REQUIRE(resident(*stacks[1]) == 0);
  REQUIRE(resident(*stacks[2]) > 1);
  REQUIRE(resident(*stacks[3]) > 1);  // taken: not touched
  REQUIRE(pool.trim(1) == 0);         // nothing is left to give
  REQUIRE(pool.trim() == 1);
  REQUIRE(resident(*stacks[2]) == 0);
  REQUIRE(pool.statistics().trimmed == 3);

  std::error_code error;
  REQUIRE(pool.take(error) == stacks[2]);  // the order of use stays
  REQUIRE(stacks[2]->limit[0] == std::byte{0});
  pool.give_back(*stacks[2]);
  REQUIRE(pool.trim() == 1);  // since it was taken again
  pool.give_back(*stacks[3]);
}

TEST_CASE("the watermark is the deepest use since the stack was mapped or trimmed") {
  StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
  std::error_code error;
  Stack* const stack = pool.take(error);
  REQUIRE(StackPool::watermark(*stack) == 0);
  REQUIRE(resident(*stack) == 0);
  stack->start[-100] = std::byte{1};
  REQUIRE(StackPool::watermark(*stack) == 100);
  stack->start[-50000] = std::byte{1};
  REQUIRE(StackPool::watermark(*stack) == 50000);
  stack->start[-200] = std::byte{1};
  REQUIRE(StackPool::watermark(*stack) == 50000);
  const std::size_t before = resident(*stack);
  REQUIRE(before < 4);
  stack->limit[0] = std::byte{1};
  REQUIRE(StackPool::watermark(*stack) == stack->size());
  pool.give_back(*stack);
  pool.trim();
  REQUIRE(StackPool::watermark(*stack) == 0);
}
