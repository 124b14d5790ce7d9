#include <corothread/coroutine.hpp>

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/process.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;
using support::contains;
using support::message_of;

namespace {

struct Fixture {
  StackPool pool{{.capacity = 4, .stack_size = 128 * 1024}};
  std::optional<Coroutine<void()>> coroutine;

  template <class Body>
  void make(Body body) {
    coroutine.emplace(pool, body, Origin{.name = "culprit"});
  }
};

const auto yields_once = [](auto& yield) { yield(); };

}  // namespace

TEST_CASE_METHOD(Fixture, "resuming a coroutine that wasn't started throws, and names it") {
  make(yields_once);
  REQUIRE_THROWS_AS(coroutine->resume(), std::logic_error);
  const std::string message = message_of([&] { coroutine->resume(); });
  REQUIRE_THAT(message, contains("'culprit'"));
  REQUIRE_THAT(message, contains("(id " + std::to_string(coroutine->identity().id()) + ")"));
  REQUIRE_THAT(message, contains("hasn't been started: it can't be resumed"));
  REQUIRE(coroutine->start());  // as if nothing had happened
}

TEST_CASE_METHOD(Fixture, "a misuse of a coroutine without a name is told with its id alone") {
  Coroutine<void()> unnamed{pool, yields_once};
  REQUIRE(message_of([&] { unnamed.resume(); }) ==
          "coroutine (id " + std::to_string(unnamed.identity().id()) +
              ") hasn't been started: it can't be resumed");
}

TEST_CASE_METHOD(Fixture, "starting a coroutine twice throws") {
  make(yields_once);
  coroutine->start();
  REQUIRE_THROWS_AS(coroutine->start(), std::logic_error);
  REQUIRE_THAT(message_of([&] { coroutine->start(); }),
               contains("is suspended: it can't be started"));
  REQUIRE_FALSE(coroutine->resume());
  REQUIRE_THAT(message_of([&] { coroutine->start(); }), contains("has ended: it can't be started"));
}

TEST_CASE_METHOD(Fixture, "resuming a coroutine that has ended throws") {
  make([](auto&) {});
  REQUIRE_FALSE(coroutine->start());
  REQUIRE_THROWS_AS(coroutine->resume(), std::logic_error);
  REQUIRE_THAT(message_of([&] { coroutine->resume(); }),
               contains("has ended: it can't be resumed"));
}

TEST_CASE_METHOD(Fixture, "a refused resume leaves the values that travel alone") {
  Coroutine<int(int)> echo{pool, [&](auto& yield, int value) {
                             REQUIRE_THROWS_AS(echo.resume(99), std::logic_error);
                             while (true) value = yield(value);
                           }};
  REQUIRE_THROWS_AS(echo.resume(98), std::logic_error);
  REQUIRE(echo.start(1) == 1);
  REQUIRE_THROWS_AS(echo.start(97), std::logic_error);
  REQUIRE(echo.resume(2) == 2);
}

TEST_CASE_METHOD(Fixture, "a coroutine can't resume, start or kill itself") {
  std::string messages;
  make([&](auto& yield) {
    messages += message_of([&] { coroutine->resume(); }) + "\n";
    messages += message_of([&] { coroutine->start(); }) + "\n";
    messages += message_of([&] { coroutine->kill(); }) + "\n";
    yield();
  });
  REQUIRE(coroutine->start());
  REQUIRE_THAT(messages, contains("is running: it can't be resumed"));
  REQUIRE_THAT(messages, contains("is running: it can't be started"));
  REQUIRE_THAT(messages, contains("is running: it can't be killed"));
  REQUIRE_FALSE(coroutine->resume());
}

TEST_CASE_METHOD(Fixture, "a coroutine can't resume or kill the one that resumed it") {
  std::string messages;
  make([&](auto& yield) {
    Coroutine<void()> inner{pool, [&](auto&) {
                              messages += message_of([&] { coroutine->resume(); });
                              messages += message_of([&] { coroutine->kill(); });
                            }};
    inner.start();
    yield();
  });
  REQUIRE(coroutine->start());
  REQUIRE_THAT(messages, contains("is running: it can't be resumed"));
  REQUIRE_THAT(messages, contains("is running: it can't be killed"));
}

TEST_CASE_METHOD(Fixture, "yielding from outside throws") {
  Yield<void()>* leaked = nullptr;
  make([&](auto& yield) {
    leaked = &yield;
    yield();
    Coroutine<void()> inner{pool, [&](auto&) { yield(); }};  // not inner's yield
    REQUIRE_THAT(message_of([&] { inner.start(); }), contains("yielded from outside"));
    yield();
  });
  coroutine->start();
  REQUIRE_THROWS_AS((*leaked)(), std::logic_error);
  REQUIRE_THAT(message_of([&] { (*leaked)(); }), contains("'culprit'"));
  REQUIRE(coroutine->resume());
  REQUIRE_FALSE(coroutine->resume());
}

TEST_CASE_METHOD(Fixture, "another OS thread can neither start, resume, kill nor yield") {
  Yield<void()>* leaked = nullptr;
  make([&](auto& yield) {
    leaked = &yield;
    yield();
  });
  std::string messages;
  std::thread{[&] { messages += message_of([&] { coroutine->start(); }); }}.join();
  coroutine->start();
  std::thread{[&] {
    messages += message_of([&] { coroutine->resume(); });
    messages += message_of([&] { coroutine->kill(); });
    messages += message_of([&] { (*leaked)(); });
  }}.join();
  REQUIRE_THAT(messages, contains("can't be started by another OS thread"));
  REQUIRE_THAT(messages, contains("can't be resumed by another OS thread"));
  REQUIRE_THAT(messages, contains("can't be killed by another OS thread"));
  REQUIRE_THAT(messages, contains("yielded from outside"));
  REQUIRE_FALSE(coroutine->resume());  // as if nothing had happened
}

TEST_CASE("destroying a running coroutine is a misuse") {
  const auto ended = support::in_child([] {
    StackPool pool{{.capacity = 1, .stack_size = 128 * 1024}};
    std::optional<Coroutine<void()>> coroutine;
    coroutine.emplace(pool, [&](auto&) { coroutine.reset(); });
    coroutine->start();
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output,
               contains("evcoro: misuse: a Coroutine was destroyed while it was running"));
}

TEST_CASE("destroying a coroutine in another OS thread is a misuse") {
  const auto ended = support::in_child([] {
    StackPool pool{{.capacity = 1, .stack_size = 128 * 1024}};
    std::optional<Coroutine<void()>> coroutine{std::in_place, pool, yields_once};
    std::thread{[&] { coroutine.reset(); }}.join();
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output,
               contains("evcoro: misuse: a Coroutine was destroyed by another OS thread"));
}

TEST_CASE_METHOD(Fixture, "a coroutine whose OS thread is gone is refused by the next one") {
  const auto ended = support::in_child([&] {
    std::thread{[&] { make(yields_once); }}.join();
    std::thread{[&] {  // likely in the place of the first
      std::printf("%s\n", message_of([&] { coroutine->start(); }).c_str());
      std::fflush(stdout);
      ::_exit(0);
    }}
        .join();
  });
  REQUIRE_THAT(ended.output, contains("it can't be started by another OS thread"));
}

TEST_CASE("a yield or resume that is refused leaves what travels as it was") {
  StackPool pool{{.capacity = 2, .stack_size = 128 * 1024}};
  Yield<int(int)>* inside = nullptr;
  Coroutine<int(int)> coroutine{pool, [&](auto& yield, int value) {
                                  inside = &yield;
                                  while (true) value = yield(value + 1);
                                }};
  REQUIRE(coroutine.start(1) == 2);
  REQUIRE_THROWS_AS((*inside)(100), std::logic_error);
  REQUIRE_THROWS_AS(coroutine.start(200), std::logic_error);
  REQUIRE(coroutine.resume(3) == 4);
}
