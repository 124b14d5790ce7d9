#include <stacks/stack_pool.hpp>

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/memory.hpp>
#include <support/process.hpp>

using namespace evcoro::stacks;
using Allocation = StackPool::Allocation;
using Guard = StackPool::Guard;
using support::contains;

namespace {

// The mappings that a pool of this many stacks costs. Its memory is one mapping, if the guards cost
// none.
std::size_t cost_in_mappings(std::size_t capacity, Allocation allocation, Guard guard) {
  const std::size_t before = support::mappings();
  StackPool pool{
      {.capacity = capacity, .stack_size = 4096, .allocation = allocation, .guard = guard}};
  std::vector<Stack*> stacks;
  std::error_code error;
  while (Stack* const stack = pool.take(error)) stacks.push_back(stack);
  const std::size_t cost = support::mappings() - before;
  for (Stack* const stack : stacks) pool.give_back(*stack);
  return cost;
}

bool has_guard_markers() {
  return cost_in_mappings(8, Allocation::preallocate, Guard::automatic) < 8;
}

std::size_t more_than_can_be_protected() { return support::max_mappings() / 2 + 1000; }

void skip_where_others_map() {
  if (support::under_sanitizer()) support::skip("a sanitizer can't do without further mappings");
  if (support::running_on_valgrind()) support::skip("Valgrind has a limit of mappings of its own");
  if (support::under_emulator()) support::skip("the emulator's mappings are under the limit, too");
}

void print(const std::error_code& error) {
  std::printf("%s %d: %s\n", error.category().name(), error.value(), error.message().c_str());
}

}  // namespace

TEST_CASE("touching any byte of a guard is a fault, and next to it none") {
  const auto guard = GENERATE(Guard::automatic, Guard::page_protect);
  const auto allocation = GENERATE(Allocation::preallocate, Allocation::on_demand);
  const auto depth = GENERATE(std::size_t{1}, std::size_t{4097}, guard_size);
  const auto ended = support::in_child([&] {
    StackPool pool{{.capacity = 3, .allocation = allocation, .guard = guard}};
    std::error_code error;
    for (int i = 0; i < 3; ++i) {
      const volatile std::byte* const limit = pool.take(error)->limit;
      volatile std::byte value = *limit;
      std::printf("usable ");
      std::fflush(stdout);
      if (i == 2) value = *(limit - depth);
      static_cast<void>(value);
    }
    std::printf("survived");
    std::fflush(stdout);
  });
  REQUIRE_THAT(ended.output, contains("usable usable usable"));
  REQUIRE_THAT(ended.output, !contains("survived"));
  REQUIRE(support::died_of_a_fault(ended));
}

TEST_CASE("guard markers cost no mappings") {
  if (!has_guard_markers()) support::skip("the kernel has no MADV_GUARD_INSTALL");
  const auto allocation = GENERATE(Allocation::preallocate, Allocation::on_demand);
  const std::size_t most = support::under_sanitizer() ? 1000 : 6;  // a sanitizer adds its own
  REQUIRE(cost_in_mappings(2000, allocation, Guard::automatic) <= most);
}

TEST_CASE("running into the limit of mappings is a clear error when preallocating") {
  skip_where_others_map();
  const auto ended = support::in_child([] {
    try {
      const StackPool pool{{.capacity = more_than_can_be_protected(),
                            .stack_size = 1,
                            .guard = Guard::page_protect}};
    } catch (const std::system_error& error) {
      if (error.code() == StackError::mapping_limit) std::printf("mapping limit: %s", error.what());
    }
    const StackPool smaller{{.capacity = 10, .guard = Guard::page_protect}};  // all is released
    std::printf("\ngoes on");
  });
  INFO(ended.output);
  REQUIRE_THAT(ended.output, contains("mapping limit: StackPool: "));
  REQUIRE_THAT(ended.output, contains("vm.max_map_count"));
  REQUIRE_THAT(ended.output, contains("goes on"));
  REQUIRE(ended.status == 0);
}

TEST_CASE("running into the limit of mappings is a clear error of take() on demand") {
  skip_where_others_map();
  const auto ended = support::in_child([] {
    std::vector<Stack*> stacks;
    stacks.reserve(more_than_can_be_protected());
    StackPool pool{{.capacity = StackPool::unlimited,
                    .stack_size = 1,
                    .allocation = Allocation::on_demand,
                    .guard = Guard::page_protect}};
    std::error_code error;
    while (Stack* const stack = pool.take(error)) stacks.push_back(stack);
    const std::error_code again = [&] {
      std::error_code second;
      pool.take(second);
      return second;
    }();
    const bool refused = pool.statistics().refused == 2 && again == error;
    pool.give_back(*stacks.back());
    const bool recovers = pool.take(error) == stacks.back();
    for (Stack* const stack : stacks) pool.give_back(*stack);
    print(again);
    if (refused && recovers && again == StackError::mapping_limit) std::printf("as it should");
  });
  INFO(ended.output);
  REQUIRE_THAT(ended.output, contains("evcoro.stacks 1: "));
  REQUIRE_THAT(ended.output, contains("vm.max_map_count"));
  REQUIRE_THAT(ended.output, contains("as it should"));
  REQUIRE(ended.status == 0);
}

TEST_CASE("the limit of mappings counts as a lack of memory") {
  const std::error_code error = StackError::mapping_limit;
  REQUIRE(error == std::errc::not_enough_memory);
  REQUIRE(error.category() == stack_category());
}

TEST_CASE("a limit of address space is ENOMEM") {
  if (support::under_sanitizer()) support::skip("a sanitizer's shadow exceeds any such limit");
  if (support::running_on_valgrind()) support::skip("Valgrind's own memory is under the limit too");
  if (support::under_emulator()) support::skip("the emulator's own memory is under the limit too");
  const auto allocation = GENERATE(Allocation::preallocate, Allocation::on_demand);
  const auto ended = support::in_child([&] {
    const rlimit limit{1U << 30U, 1U << 30U};
    ::setrlimit(RLIMIT_AS, &limit);
    std::error_code error;
    try {
      StackPool pool{{.capacity = 64, .stack_size = 64U << 20U, .allocation = allocation}};
      std::vector<Stack*> stacks;
      while (Stack* const stack = pool.take(error)) stacks.push_back(stack);
      for (Stack* const stack : stacks) pool.give_back(*stack);
    } catch (const std::system_error& exception) {
      error = exception.code();
    }
    print(error);
  });
  REQUIRE_THAT(ended.output, contains("generic " + std::to_string(ENOMEM)));
  REQUIRE(ended.status == 0);
}
