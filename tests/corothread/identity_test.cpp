#include <corothread/identity.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <corothread/coroutine.hpp>
#include <corothread/generator.hpp>
#include <support/catch.hpp>
#include <support/contains.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;

TEST_CASE("ids are never 0 and never repeat, in any OS thread") {
  constexpr int threads = 4;
  constexpr int ids_per_thread = 3000;  // more than an OS thread draws at once
  std::mutex mutex;
  std::set<std::uint64_t> ids;
  std::vector<std::thread> drawers;
  for (int i = 0; i < threads; ++i) {
    drawers.emplace_back([&] {
      std::vector<std::uint64_t> own;
      for (int j = 0; j < ids_per_thread; ++j) own.push_back(Identity{{}}.id());
      const std::lock_guard lock{mutex};
      ids.insert(own.begin(), own.end());
    });
  }
  for (std::thread& drawer : drawers) drawer.join();
  REQUIRE(ids.size() == threads * ids_per_thread);
  REQUIRE(ids.count(0) == 0);
}

TEST_CASE("a name is copied, and cut at 31 characters") {
  std::string name = "a name of exactly thirty-one ch";
  REQUIRE(name.size() == 31);
  const Identity fits{{.name = name}};
  const Identity cut{{.name = name + "aracters"}};
  const Identity none{{}};
  name.assign(31, 'x');
  REQUIRE(fits.name() == "a name of exactly thirty-one ch");
  REQUIRE(cut.name() == "a name of exactly thirty-one ch");
  REQUIRE(none.name().empty());
}

TEST_CASE("a coroutine knows its name, and where it was made") {
  StackPool pool{{.capacity = 3, .stack_size = 64 * 1024}};
  const auto body = [](auto& yield) { yield(); };
  // clang-format off
  const Coroutine<void()> plain{pool, body}; const std::uint32_t plain_line = __LINE__;
  const Coroutine<void()> named{pool, body, {.name = "named"}}; const std::uint32_t named_line = __LINE__;
  // clang-format on
  REQUIRE(plain.identity().line() == plain_line);
  REQUIRE(named.identity().line() == named_line);
  REQUIRE(named.identity().name() == "named");
  REQUIRE_THAT(std::string(named.identity().file()), support::contains("identity_test.cpp"));
  REQUIRE(plain.identity().id() != named.identity().id());
}

TEST_CASE("a coroutine's body can ask who it is") {
  StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
  Coroutine<std::uint64_t()> coroutine{
      pool, [](Yield<std::uint64_t()>& yield) { return yield.identity().id(); }};
  const std::uint64_t id = coroutine.identity().id();
  REQUIRE(coroutine.start() == id);
}
