#include <corothread/coroutine.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <stacks/report.hpp>
#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/process.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;

namespace {

struct Fixture {
  StackPool pool{{.capacity = 4, .stack_size = 128 * 1024}};
  std::vector<std::string> events;

  // Adds its name to events when it is destroyed.
  struct Traced {
    ~Traced() { events.emplace_back(name); }
    std::vector<std::string>& events;
    const char* name;
  };
};

using Events = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(Fixture, "killing a suspended coroutine unwinds it") {
  Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                const Traced outer{events, "outer"};
                                const Traced inner{events, "inner"};
                                yield();
                                events.emplace_back("resumed");
                              }};
  coroutine.start();
  coroutine.kill();
  REQUIRE(events == Events{"inner", "outer"});
  REQUIRE(coroutine.state() == CoroutineState::ended);
  coroutine.kill();  // without effect
  REQUIRE_THROWS_AS(coroutine.resume(), std::logic_error);
}

TEST_CASE_METHOD(Fixture, "killing a coroutine that was never started runs nothing of it") {
  Coroutine<void()> coroutine{pool, [&](auto&) { events.emplace_back("started"); }};
  coroutine.kill();
  REQUIRE(coroutine.state() == CoroutineState::ended);
  REQUIRE(events.empty());
  REQUIRE_THROWS_AS(coroutine.start(), std::logic_error);
}

TEST_CASE_METHOD(Fixture, "destruction kills, frees the captures, and returns the stack") {
  {
    Coroutine<void()> started{pool, [&](auto& yield) {
                                const Traced local{events, "local"};
                                yield();
                              }};
    started.start();
    const Coroutine<void()> initial{
        pool, [kept = std::unique_ptr<Traced>{new Traced{events, "captured"}}](auto&) {}};
    REQUIRE(pool.in_use() == 2);
  }
  REQUIRE(events == Events{"captured", "local"});
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(Fixture, "catching std::exception doesn't stop a kill") {
  Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                try {
                                  yield();
                                } catch (const std::exception&) {
                                  events.emplace_back("caught");
                                }
                                events.emplace_back("went on");
                              }};
  coroutine.start();
  coroutine.kill();
  REQUIRE(events.empty());
}

TEST_CASE_METHOD(Fixture, "a body that swallows the kill is killed again at its next yield") {
  Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                for (int i = 0; i < 3; ++i) {
                                  try {
                                    yield();
                                  } catch (...) {
                                    events.emplace_back("swallowed");
                                  }
                                }
                              }};
  coroutine.start();
  coroutine.kill();
  REQUIRE(events == Events{"swallowed", "swallowed", "swallowed"});
  REQUIRE(coroutine.state() == CoroutineState::ended);
}

TEST_CASE_METHOD(Fixture, "an exception thrown while unwinding comes out of kill") {
  Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                try {
                                  yield();
                                } catch (...) {
                                  throw std::runtime_error("while unwinding");
                                }
                              }};
  coroutine.start();
  REQUIRE_THROWS_WITH(coroutine.kill(), "while unwinding");
  REQUIRE(coroutine.state() == CoroutineState::ended);
}

TEST_CASE("an exception thrown while a destructor kills is reported and dropped") {
  const auto ended = support::in_child([] {
    StackPool pool{{.capacity = 1, .stack_size = 128 * 1024}};
    {
      Coroutine<void()> coroutine{pool,
                                  [](auto& yield) {
                                    try {
                                      yield();
                                    } catch (...) {
                                      throw std::runtime_error("while unwinding");
                                    }
                                  },
                                  {.name = "grumbler"}};
      coroutine.start();
    }
    if (pool.in_use() == 0) evcoro::stacks::report("the stack is back\n");
  });
  REQUIRE_THAT(ended.output, support::contains("an exception left coroutine 'grumbler' (id "));
  REQUIRE_THAT(ended.output, support::contains("the stack is back"));
  REQUIRE(ended.status == 0);
}

TEST_CASE_METHOD(Fixture, "killing a coroutine kills those that live on its stack") {
  Coroutine<void()> outer{pool, [&](auto& yield) {
                            Coroutine<void()> inner{pool, [&](auto& inner_yield) {
                                                      const Traced local{events, "inner"};
                                                      inner_yield();
                                                    }};
                            const Traced local{events, "outer"};
                            inner.start();
                            yield();
                          }};
  outer.start();
  REQUIRE(pool.in_use() == 2);
  outer.kill();
  REQUIRE(events == Events{"outer", "inner"});
  REQUIRE(pool.in_use() == 1);
}

TEST_CASE_METHOD(Fixture, "a coroutine may be killed by another while an exception unwinds it") {
  std::optional<Coroutine<void()>> victim;
  victim.emplace(pool, [&](auto& yield) {
    const Traced local{events, "victim"};
    yield();
  });
  victim->start();
  struct KillsInDestructor {
    ~KillsInDestructor() { victim.reset(); }
    std::optional<Coroutine<void()>>& victim;
  };
  Coroutine<void()> killer{pool, [&](auto&) {
                             const KillsInDestructor local{victim};
                             throw std::runtime_error("killer");
                           }};
  REQUIRE_THROWS_WITH(killer.start(), "killer");
  REQUIRE(events == Events{"victim"});
}
