// Who waits for a Resolver, and what goes meanwhile.
#include <evcoro/net/resolver.hpp>

#include <optional>

#include <support/application.hpp>
#include <support/every_park.hpp>
#include <support/resolver_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::ResolverFixture;
using support::text;

TEST_CASE_METHOD(ResolverFixture, "cancelled at each park: resolve, and its question goes on") {
  server.set("here.test", {.addresses = {"192.0.2.1", "2001:db8::1"}});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      resolver.forget();
      const auto found = resolver.resolve("here.test", 80, AF_UNSPEC, never);
      CHECK((found.error() == std::errc::operation_canceled) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      const auto again = resolver.resolve("here.test", 80, AF_UNSPEC, long_time);
      CHECK(again);
    });
    CHECK(parks >= 1);
  });
}

TEST_CASE_METHOD(ResolverFixture, "a deadline ends the wait, and the answer is kept") {
  server.set("here.test", {.addresses = {"192.0.2.1"}});
  server.hold();
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const auto late = resolver.resolve("here.test", 80, AF_INET, 5ms).error();
    REQUIRE(late == std::make_error_code(std::errc::timed_out));
    server.release();
    REQUIRE(support::eventually([&] { return resolver.cached() == 1; }));
    REQUIRE(resolver.resolve("here.test", 80, AF_INET, no_wait));
    REQUIRE(server.questions("here.test") == 1);
  });
}

TEST_CASE_METHOD(ResolverFixture, "where a Resolver can be used") {
  std::optional<Resolver> resolver{std::in_place, *loop, options()};
  REQUIRE(resolver->resolve("here.test", 80).error() == Errc::not_in_a_thread);
  in_thread([&] {
    Loop other{{.capacity = 1, .stack_size = support::test_stack_size}};
    Resolver foreign{other, options()};
    REQUIRE(foreign.resolve("here.test", 80).error() == Errc::wrong_loop);
    Resolver& own = Resolver::of(*loop);
    REQUIRE(&own == &Resolver::of(*loop));
    REQUIRE(text(own.resolve("127.0.0.1", 80)) == "127.0.0.1:80");
    REQUIRE(support::in_child([&] {
              const auto error = resolver->resolve("here.test", 80).error();
              std::puts(error == Errc::parents_loop ? "named" : "not named");
              resolver.reset();
            }).output == "named\n");
  });
  REQUIRE_THROWS_AS((Resolver{*loop, {.servers = "nobody"}}), std::system_error);
  loop.reset();
  REQUIRE(resolver->resolve("here.test", 80).error() == Errc::no_loop);
}

TEST_CASE_METHOD(ResolverFixture, "a Resolver may go while threads wait, and questions are asked") {
  server.set("silent.test", {.is_silent = true});
  in_thread([&] {
    std::optional<Resolver> resolver{std::in_place, *loop, options()};
    Thread waiter = loop->spawn([&] {
                          return resolver->resolve("silent.test", 80, AF_UNSPEC, long_time).error();
                        })
                        .value();
    REQUIRE(support::until_parked(waiter));
    resolver.reset();
    REQUIRE(waiter.join().value() == std::errc::operation_canceled);
    resolver.emplace(*loop, options());
    (void)resolver->resolve("silent.test", 80, AF_UNSPEC, 1ms);
    resolver.reset();
    (void)Resolver::of(*loop);
  });
  Resolver resolver{*loop, options()};
  in_thread([&] { (void)resolver.resolve("silent.test", 80, AF_UNSPEC, 1ms); });
  loop.reset();  // before the resolver, and with a question under way
}

TEST_CASE_METHOD(ResolverFixture, "names are resolved on a small stack") {
  server.set("here.test", {.addresses = {"192.0.2.1", "2001:db8::1"}});
  write(hosts, "192.0.2.2 box\n");
  stacks::StackPool small{{.capacity = 1, .stack_size = 16 * 1024}};
  in_thread([&] {
    Resolver resolver{*loop, options()};
    std::size_t found = 0;
    loop->spawn({.stacks = &small},
                [&] {
                  for (const char* const name : {"here.test", "box", "nobody.test"}) {
                    const auto addresses = resolver.resolve(name, "80", AF_UNSPEC, long_time);
                    if (addresses) found += addresses->size();
                  }
                })
        .value()
        .join()
        .value();
    REQUIRE(found == 3);
  });
}

TEST_CASE_METHOD(support::Application,
                 "a question keeps an application's base only while it is waited for") {
  support::DnsServer server;
  server.set("silent.test", {.is_silent = true});
  Resolver resolver{*loop, {.servers = server.name(), .server_timeout = long_time, .hosts = ""}};
  std::error_code error;
  spawn([&] { error = resolver.resolve("silent.test", 80, AF_INET, 5ms).error(); });
  dispatch();
  REQUIRE(error == std::errc::timed_out);
}
