#include <stacks/stack_pool.hpp>

#include <csignal>
#include <optional>
#include <set>
#include <system_error>
#include <vector>

#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/memory.hpp>
#include <support/process.hpp>

using namespace evcoro::stacks;
using Allocation = StackPool::Allocation;
using support::contains;

namespace {

std::vector<Stack*> take_all(StackPool& pool) {
  std::vector<Stack*> stacks;
  std::error_code error;
  while (Stack* const stack = pool.take(error)) stacks.push_back(stack);
  return stacks;
}

void give_back_all(StackPool& pool, const std::vector<Stack*>& stacks) {
  for (Stack* const stack : stacks) pool.give_back(*stack);
}

void require_invalid(const StackPool::Options& options, const char* setting) {
  INFO(setting);
  try {
    const StackPool pool{options};
    FAIL("accepted");
  } catch (const std::system_error& error) {
    REQUIRE(error.code() == std::errc::invalid_argument);
    REQUIRE_THAT(error.what(), contains(setting));
  }
}

}  // namespace

TEST_CASE("a pool hands out as many stacks as its capacity, then EAGAIN") {
  const auto allocation = GENERATE(Allocation::preallocate, Allocation::on_demand);
  StackPool pool{{.capacity = 2, .allocation = allocation}};
  std::error_code error;
  auto* const first = pool.take(error);
  auto* const second = pool.take(error);
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  REQUIRE(first != second);
  REQUIRE(pool.take(error) == nullptr);
  REQUIRE(error == evcoro::stacks::StackError::all_taken);
  REQUIRE(error == std::errc::resource_unavailable_try_again);
  REQUIRE(error.message().find("raise the pool's capacity") != std::string::npos);
  pool.give_back(*first);
  REQUIRE(pool.take(error) == first);
  pool.give_back(*first);
  pool.give_back(*second);
}

TEST_CASE("stacks on demand are mapped when they are first needed, and then kept") {
  StackPool pool{{.capacity = 3, .allocation = Allocation::on_demand}};
  REQUIRE(pool.statistics().mapped == 0);
  std::error_code error;
  Stack* const first = pool.take(error);
  REQUIRE(pool.statistics().mapped == 1);
  pool.give_back(*first);
  REQUIRE(pool.take(error) == first);
  REQUIRE(pool.statistics().mapped == 1);
  Stack* const second = pool.take(error);
  REQUIRE(pool.statistics().mapped == 2);
  give_back_all(pool, {first, second});
  REQUIRE(pool.statistics().mapped == 2);
}

TEST_CASE("a pool on demand may have no cap") {
  StackPool pool{{.capacity = StackPool::unlimited, .allocation = Allocation::on_demand}};
  REQUIRE(pool.available() == StackPool::unlimited);
  std::vector<Stack*> stacks;
  std::error_code error;
  for (int i = 0; i < 300; ++i) stacks.push_back(pool.take(error));
  REQUIRE(std::set<Stack*>(stacks.begin(), stacks.end()).count(nullptr) == 0);
  REQUIRE(std::set<Stack*>(stacks.begin(), stacks.end()).size() == 300);
  REQUIRE(pool.available() == StackPool::unlimited);
  give_back_all(pool, stacks);
}

TEST_CASE("a stack's size is rounded up to whole pages") {
  const std::size_t page = support::page_size();
  REQUIRE(StackPool{{.capacity = 1, .stack_size = 1}}.stack_size() == page);
  REQUIRE(StackPool{{.capacity = 1, .stack_size = page}}.stack_size() == page);
  REQUIRE(StackPool{{.capacity = 1, .stack_size = page + 1}}.stack_size() == 2 * page);
}

TEST_CASE("options that make no sense are refused by name") {
  require_invalid({.capacity = 0}, "capacity is 0");
  require_invalid({.stack_size = 0}, "stack_size is 0");
  require_invalid({.stack_size = SIZE_MAX}, "stack_size");
  require_invalid({.stack_size = SIZE_MAX, .allocation = Allocation::on_demand}, "stack_size");
  require_invalid({.capacity = SIZE_MAX / 2}, "capacity times stack_size");
  require_invalid({.capacity = StackPool::unlimited}, "on_demand");
}

TEST_CASE("memory that doesn't exist is ENOMEM, with the number and size asked for") {
  if (support::running_on_valgrind())
    support::skip("Valgrind says EINVAL where the kernel doesn't");
  try {
    const StackPool pool{{.capacity = std::size_t{1} << 32U, .stack_size = std::size_t{1} << 24U}};
    FAIL("accepted");
  } catch (const std::system_error& error) {
    REQUIRE(error.code() == std::errc::not_enough_memory);
    REQUIRE_THAT(error.what(), contains("4294967296 stacks of 16777216 bytes"));
  }
}

TEST_CASE("the stack that was used last is the next to be used") {
  StackPool pool{{.capacity = 3}};
  const auto stacks = take_all(pool);
  REQUIRE(stacks.size() == 3);
  for (const int i : {1, 0, 2}) pool.give_back(*stacks[static_cast<std::size_t>(i)]);
  REQUIRE(take_all(pool) == std::vector{stacks[2], stacks[0], stacks[1]});
  give_back_all(pool, stacks);
}

TEST_CASE("a pool knows how many stacks are free, in use, and were at most") {
  StackPool pool{{.capacity = 3}};
  REQUIRE(pool.available() == 3);
  REQUIRE(pool.in_use() == 0);
  auto stacks = take_all(pool);
  REQUIRE(pool.available() == 0);
  REQUIRE(pool.in_use() == 3);
  give_back_all(pool, stacks);
  REQUIRE(pool.available() == 3);

  std::error_code error;
  pool.give_back(*pool.take(error));
  const auto statistics = pool.statistics();
  REQUIRE(statistics.capacity == 3);
  REQUIRE(statistics.mapped == 3);
  REQUIRE(statistics.in_use == 0);
  REQUIRE(statistics.peak_in_use == 3);
  REQUIRE(statistics.taken == 4);
  REQUIRE(statistics.refused == 1);
  REQUIRE(statistics.trimmed == 0);
}

TEST_CASE("a pool names the setting that makes its stacks larger") {
  REQUIRE(StackPool{{}}.size_setting() == "StackPool::Options::stack_size");
  REQUIRE(StackPool{{.size_setting = "--pages"}}.size_setting() == "--pages");
}

TEST_CASE("giving back a stack of another pool is a misuse") {
  const auto ended = support::in_child([] {
    StackPool pool{{.capacity = 1}};
    StackPool other{{.capacity = 1}};
    std::error_code error;
    pool.give_back(*other.take(error));
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("evcoro: misuse: StackPool::give_back"));
}

TEST_CASE("giving back a stack twice is a misuse") {
  const auto ended = support::in_child([] {
    StackPool pool{{.capacity = 1}};
    std::error_code error;
    Stack* const stack = pool.take(error);
    pool.give_back(*stack);
    pool.give_back(*stack);
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("evcoro: misuse: StackPool::give_back"));
}

TEST_CASE("destroying a pool while stacks are taken is a misuse") {
  const auto ended = support::in_child([] {
    StackPool pool{{.capacity = 1}};
    std::error_code error;
    pool.take(error);
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("evcoro: misuse: a StackPool was destroyed"));
}

TEST_CASE("a pool with taken stacks can go in a child process") {
  std::optional<StackPool> pool{std::in_place, StackPool::Options{.capacity = 1}};
  std::error_code error;
  Stack* const stack = pool->take(error);
  const auto ended = support::in_child([&] { pool.reset(); });
  REQUIRE(ended.status == 0);
  REQUIRE(ended.signal == 0);
  pool->give_back(*stack);
}

TEST_CASE("a stack that is made ready is there for take") {
  StackPool pool{{.capacity = 1, .allocation = StackPool::Allocation::on_demand}};
  REQUIRE(!pool.make_ready());
  REQUIRE(pool.statistics().mapped == 1);
  REQUIRE(!pool.make_ready());
  REQUIRE(pool.statistics().mapped == 1);
  std::error_code error;
  Stack* const stack = pool.take(error);
  REQUIRE(stack != nullptr);
  REQUIRE(pool.make_ready() == std::errc::resource_unavailable_try_again);
  pool.give_back(*stack);
}

namespace {

struct Told final : evcoro::stacks::StackWaiter {
  explicit Told(std::size_t its_share = 0) : own(its_share) {}
  void stack_free() noexcept override { ++times; }
  std::size_t share() const noexcept override { return own; }
  std::size_t own;
  int times = 0;
};

}  // namespace

TEST_CASE("stacks that are promised are for nobody else") {
  const auto allocation = GENERATE(Allocation::preallocate, Allocation::on_demand);
  StackPool pool{{.capacity = 3, .allocation = allocation}};
  REQUIRE(pool.promise(2));
  REQUIRE(!pool.promise(2));
  REQUIRE(pool.available() == 1);
  REQUIRE(pool.available(2) == 3);
  const std::vector<Stack*> others = take_all(pool);
  REQUIRE(others.size() == 1);
  REQUIRE(pool.make_ready() == evcoro::stacks::StackError::all_taken);
  REQUIRE(!pool.make_ready(2));
  pool.restore(1);
  std::error_code error;
  Stack* const own = pool.take(error);
  REQUIRE(own != nullptr);
  REQUIRE(pool.take(error) == nullptr);
  REQUIRE(error == evcoro::stacks::StackError::all_taken);
  REQUIRE(!pool.promise(2));  // one is in use, but of those that are promised
  pool.set_aside(1);
  pool.give_back(*own);
  REQUIRE(take_all(pool).empty());
  pool.restore(2);
  pool.withdraw(2);
  give_back_all(pool, others);
  REQUIRE(pool.promise(3));
  pool.restore(3);
}

TEST_CASE("who waits is told of a stack that he may have") {
  StackPool pool{{.capacity = 2}};
  REQUIRE(pool.promise(1));
  const std::vector<Stack*> others = take_all(pool);
  Told anybody;
  Told owner{1};
  pool.wait(anybody);
  pool.wait(owner);
  pool.pass_on();  // what is set aside is free
  REQUIRE(owner.times == 1);
  REQUIRE(anybody.times == 0);
  pool.pass_on();
  REQUIRE(anybody.times == 0);
  give_back_all(pool, others);
  REQUIRE(anybody.times == 1);
  pool.restore(1);
}

TEST_CASE("who has freed several stacks tells as many") {
  StackPool pool{{.capacity = 2}};
  REQUIRE(pool.promise(2));
  Told waiters[3];
  for (Told& each : waiters) pool.wait(each);
  pool.restore(2);
  pool.withdraw(2);
  pool.pass_on(2);
  REQUIRE(waiters[0].times == 1);
  REQUIRE(waiters[1].times == 1);
  REQUIRE(waiters[2].times == 0);
}

TEST_CASE("a pool on demand may get another capacity") {
  StackPool pool{{.capacity = 2, .allocation = Allocation::on_demand}};
  std::vector<Stack*> stacks = take_all(pool);
  REQUIRE(stacks.size() == 2);
  REQUIRE(!pool.set_capacity(4));
  REQUIRE(pool.available() == 2);
  REQUIRE(pool.statistics().capacity == 4);
  const std::vector<Stack*> more = take_all(pool);
  REQUIRE(more.size() == 2);
  give_back_all(pool, more);
  give_back_all(pool, stacks);
  REQUIRE(!pool.set_capacity(StackPool::unlimited));
  REQUIRE(pool.available() == StackPool::unlimited);
  REQUIRE(!pool.set_capacity(1));
  REQUIRE(pool.available() == 1);
  stacks = take_all(pool);
  REQUIRE(stacks.size() == 1);
  give_back_all(pool, stacks);
}

TEST_CASE("stacks that are taken when a pool shrinks are not replaced until enough are back") {
  StackPool pool{{.capacity = 5, .allocation = Allocation::on_demand}};
  const std::vector<Stack*> stacks = take_all(pool);
  pool.give_back(*stacks[4]);
  REQUIRE(!pool.set_capacity(2));
  REQUIRE(pool.in_use() == 4);
  for (const std::size_t i : {0, 1}) {
    REQUIRE(pool.available() == 0);
    REQUIRE(take_all(pool).empty());
    pool.give_back(*stacks[i]);
  }
  REQUIRE(take_all(pool).empty());
  pool.give_back(*stacks[2]);
  REQUIRE(pool.available() == 1);
  REQUIRE(take_all(pool) == std::vector{stacks[2]});
  give_back_all(pool, {stacks[2], stacks[3]});
  REQUIRE(take_all(pool) == std::vector{stacks[3], stacks[2]});
  give_back_all(pool, {stacks[2], stacks[3]});
}

TEST_CASE("a pool that grows while it still has too many stacks loses as many fewer") {
  StackPool pool{{.capacity = 4, .allocation = Allocation::on_demand}};
  const std::vector<Stack*> stacks = take_all(pool);
  REQUIRE(!pool.set_capacity(1));
  REQUIRE(!pool.set_capacity(3));
  pool.give_back(*stacks[0]);
  REQUIRE(take_all(pool).empty());
  pool.give_back(*stacks[1]);
  REQUIRE(take_all(pool) == std::vector{stacks[1]});
  give_back_all(pool, {stacks[1], stacks[2], stacks[3]});
  REQUIRE(pool.available() == 3);
}

TEST_CASE("stacks beyond the capacity have no memory, and are used again when it grows") {
  StackPool pool{{.capacity = 3, .allocation = Allocation::on_demand}};
  const std::vector<Stack*> stacks = take_all(pool);
  for (Stack* const each : stacks) each->start[-1] = std::byte{1};
  pool.give_back(*stacks[0]);
  pool.give_back(*stacks[1]);
  REQUIRE(!pool.set_capacity(2));
  REQUIRE(StackPool::watermark(*stacks[0]) == 0);  // the colder one
  REQUIRE(StackPool::watermark(*stacks[1]) == 1);
  REQUIRE(!pool.set_capacity(1));
  REQUIRE(StackPool::watermark(*stacks[1]) == 0);
  pool.give_back(*stacks[2]);
  REQUIRE(StackPool::watermark(*stacks[2]) == 1);
  REQUIRE(!pool.set_capacity(3));
  const std::vector<Stack*> again = take_all(pool);
  REQUIRE(again == std::vector{stacks[2], stacks[1], stacks[0]});
  REQUIRE(pool.statistics().mapped == 3);
  give_back_all(pool, again);
}

TEST_CASE("a pool that grows tells as many waiters as it has stacks more") {
  StackPool pool{{.capacity = 1, .allocation = Allocation::on_demand}};
  const std::vector<Stack*> stacks = take_all(pool);
  Told waiters[3];
  for (Told& each : waiters) pool.wait(each);
  REQUIRE(!pool.set_capacity(3));
  REQUIRE(waiters[0].times == 1);
  REQUIRE(waiters[1].times == 1);
  REQUIRE(waiters[2].times == 0);
  REQUIRE(!pool.set_capacity(1));
  give_back_all(pool, stacks);
  REQUIRE(waiters[2].times == 1);
}

TEST_CASE("a capacity that a pool can't get changes nothing") {
  StackPool fixed{{.capacity = 2}};
  REQUIRE(fixed.set_capacity(3) == std::errc::operation_not_supported);
  REQUIRE(fixed.available() == 2);
  StackPool pool{{.capacity = 3, .allocation = Allocation::on_demand}};
  REQUIRE(pool.set_capacity(0) == std::errc::invalid_argument);
  REQUIRE(pool.promise(2));
  REQUIRE(pool.set_capacity(1) == std::errc::device_or_resource_busy);
  REQUIRE(pool.available(2) == 3);
  REQUIRE(!pool.set_capacity(2));
  REQUIRE(pool.available() == 0);
  REQUIRE(pool.available(2) == 2);
  pool.restore(2);
  pool.withdraw(2);
}
