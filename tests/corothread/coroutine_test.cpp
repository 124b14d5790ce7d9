#include <corothread/coroutine.hpp>

#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <support/catch.hpp>
#include <support/contains.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;

namespace {

struct Fixture {
  StackPool pool{{.capacity = 4, .stack_size = 128 * 1024}};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "values travel both ways") {
  Coroutine<int(int)> doubler{pool, [](auto& yield, int value) {
                                while (true) value = yield(2 * value);
                              }};
  REQUIRE(doubler.start(1) == 2);
  REQUIRE(doubler.resume(21) == 42);
}

TEST_CASE_METHOD(Fixture, "values travel out alone") {
  Coroutine<std::string()> words{pool, [](auto& yield) {
                                   yield("one");
                                   yield(std::string{"two"});
                                 }};
  REQUIRE(words.start() == "one");
  REQUIRE(words.resume() == "two");
  REQUIRE(words.resume() == std::nullopt);
}

TEST_CASE_METHOD(Fixture, "values travel in alone") {
  std::vector<std::string> got;
  Coroutine<void(std::string)> sink{pool, [&](auto& yield, std::string word) {
                                      while (word != "end") {
                                        got.push_back(word);
                                        word = yield();
                                      }
                                    }};
  REQUIRE(sink.start("one"));
  REQUIRE(sink.resume("two"));
  REQUIRE_FALSE(sink.resume("end"));
  REQUIRE(got == std::vector<std::string>{"one", "two"});
}

TEST_CASE_METHOD(Fixture, "no value travels at all") {
  int steps = 0;
  Coroutine<void()> stepper{pool, [&](auto& yield) {
                              ++steps;
                              yield();
                              ++steps;
                            }};
  REQUIRE(steps == 0);
  REQUIRE(stepper.start());
  REQUIRE(steps == 1);
  REQUIRE_FALSE(stepper.resume());
  REQUIRE(steps == 2);
}

TEST_CASE_METHOD(Fixture, "move-only values travel both ways") {
  using Box = std::unique_ptr<int>;
  Coroutine<Box(Box)> adder{pool, [](auto& yield, Box box) {
                              while (*box < 10) {
                                ++*box;
                                box = yield(std::move(box));
                              }
                              return box;
                            }};
  auto box = adder.start(std::make_unique<int>(8));
  REQUIRE(**box == 9);
  box = adder.resume(std::move(*box));
  REQUIRE(**box == 10);
  box = adder.resume(std::move(*box));
  REQUIRE(**box == 10);
  REQUIRE(adder.state() == CoroutineState::ended);
}

TEST_CASE_METHOD(Fixture, "a move-only callable is moved to the stack") {
  Coroutine<int()> coroutine{pool,
                             [value = std::make_unique<int>(5)](auto& yield) { yield(*value); }};
  REQUIRE(coroutine.start() == 5);
}

TEST_CASE_METHOD(Fixture, "what the function returns is the last value") {
  Coroutine<int()> countdown{pool, [](auto& yield) {
                               yield(2);
                               yield(1);
                               return 0;
                             }};
  REQUIRE(countdown.start() == 2);
  REQUIRE(countdown.resume() == 1);
  REQUIRE(countdown.state() == CoroutineState::suspended);
  REQUIRE(countdown.resume() == 0);
  REQUIRE(countdown.state() == CoroutineState::ended);
}

TEST_CASE_METHOD(Fixture, "a coroutine goes through its states") {
  const CoroutineState* inner_state = nullptr;
  std::optional<Coroutine<void()>> coroutine;
  CoroutineState seen = CoroutineState::ended;
  coroutine.emplace(pool, [&](auto& yield) {
    seen = coroutine->state();
    yield();
  });
  static_cast<void>(inner_state);
  REQUIRE(coroutine->state() == CoroutineState::initial);
  coroutine->start();
  REQUIRE(seen == CoroutineState::running);
  REQUIRE(coroutine->state() == CoroutineState::suspended);
  coroutine->resume();
  REQUIRE(coroutine->state() == CoroutineState::ended);
}

TEST_CASE_METHOD(Fixture, "exceptions come out of the start or resume that ran into them") {
  Coroutine<void()> at_once{pool, [](auto&) { throw std::runtime_error("at once"); }};
  REQUIRE_THROWS_WITH(at_once.start(), "at once");
  REQUIRE(at_once.state() == CoroutineState::ended);

  Coroutine<int()> later{pool, [](auto& yield) {
                           yield(1);
                           throw 17;
                         }};
  REQUIRE(later.start() == 1);
  REQUIRE_THROWS_AS(later.resume(), int);
  REQUIRE(later.state() == CoroutineState::ended);
}

TEST_CASE_METHOD(Fixture, "a coroutine may resume others, and they others") {
  Coroutine<int()> inner{pool, [](auto& yield) {
                           for (int i = 1;; ++i) yield(i);
                         }};
  Coroutine<int()> outer{pool, [&](auto& yield) {
                           yield(10 * *inner.start());
                           while (true) yield(10 * *inner.resume());
                         }};
  REQUIRE(outer.start() == 10);
  REQUIRE(outer.resume() == 20);
  REQUIRE(inner.resume() == 3);  // by another resumer
  REQUIRE(outer.resume() == 40);
}

TEST_CASE_METHOD(Fixture, "an exception of an inner coroutine passes through the outer") {
  Coroutine<void()> inner{pool, [](auto&) { throw std::runtime_error("inner"); }};
  Coroutine<void()> outer{pool, [&](auto&) { inner.start(); }};
  REQUIRE_THROWS_WITH(outer.start(), "inner");
}

TEST_CASE("a coroutine that finds no stack throws EAGAIN") {
  StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
  const auto body = [](auto& yield) { yield(); };
  std::optional<Coroutine<void()>> first{std::in_place, pool, body};
  try {
    Coroutine<void()> second{pool, body};
    FAIL("found a stack");
  } catch (const std::system_error& error) {
    REQUIRE(error.code() == std::errc::resource_unavailable_try_again);
    REQUIRE_THAT(error.what(),
                 support::contains("no stack for a coroutine: all stacks of the pool are taken"));
  }
  first.reset();
  REQUIRE(Coroutine<void()>{pool, body}.start());
}

TEST_CASE("a callable that is too large for its stack is E2BIG, and takes none") {
  StackPool pool{{.capacity = 1, .stack_size = 4096}};
  const std::array<char, 3000> large{};
  try {
    Coroutine<void()> coroutine{pool, [large](auto&) { static_cast<void>(large); }};
    FAIL("it fits");
  } catch (const std::system_error& error) {
    REQUIRE(error.code() == std::errc::argument_list_too_long);
    REQUIRE_THAT(error.what(), support::contains("capture less"));
  }
  REQUIRE(pool.in_use() == 0);
  REQUIRE(pool.statistics().taken == 0);
}

TEST_CASE("a callable whose copy throws leaves no stack behind") {
  struct ThrowsWhenCopied {
    ThrowsWhenCopied() = default;
    ThrowsWhenCopied(const ThrowsWhenCopied&) { throw std::runtime_error("no copy"); }
    void operator()(Yield<void()>&) const {}
  };
  StackPool pool{{.capacity = 1}};
  const ThrowsWhenCopied body;
  REQUIRE_THROWS_WITH((Coroutine<void()>{pool, body}), "no copy");
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(Fixture, "a handle that is moved from may be assigned and destroyed") {
  int ended = 0;
  struct CountsItsEnd {
    ~CountsItsEnd() { ++ended; }
    int& ended;
  };
  const auto body = [&](auto& yield) {
    const CountsItsEnd counter{ended};
    yield(1);
    yield(2);
  };
  Coroutine<int()> first{pool, body};
  REQUIRE(first.start() == 1);
  Coroutine<int()> second{std::move(first)};
  REQUIRE(second.resume() == 2);
  first = Coroutine<int()>{pool, body};
  REQUIRE(first.start() == 1);
  first = std::move(second);  // kills what it had
  REQUIRE(ended == 1);
  REQUIRE(pool.in_use() == 1);
  REQUIRE(first.resume() == std::nullopt);
  REQUIRE(ended == 2);
  Coroutine<int()>& same = first;
  first = std::move(same);
  REQUIRE(first.state() == CoroutineState::ended);
}

TEST_CASE("a body may move the handle of its own coroutine") {
  StackPool pool{{.capacity = 4, .stack_size = 128 * 1024}};
  using Counter = Coroutine<int()>;
  std::vector<Counter> all;
  all.reserve(1);
  all.emplace_back(pool, [&](auto& yield) {
    all.emplace_back(pool, [](auto&) { return 3; });  // moves all that are there
    yield(1);
    return 2;
  });
  REQUIRE(all[0].start() == 1);
  REQUIRE(all[0].resume() == 2);
  REQUIRE(all[1].start() == 3);
}
