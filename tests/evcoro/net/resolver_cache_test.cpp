#include <evcoro/net/resolver.hpp>

#include <support/failing_new.hpp>
#include <support/resolver_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::ResolverFixture;
using support::text;

TEST_CASE_METHOD(ResolverFixture, "threads that ask at once share one question") {
  server.set("here.test", {.addresses = {"192.0.2.1"}});
  server.hold();
  in_thread([&] {
    Resolver resolver{*loop, options()};
    std::vector<Thread<std::string>> threads;
    for (int i = 0; i < 20; ++i) {
      threads.push_back(loop->spawn([&, i] {
                              const char* const name = i % 2 == 0 ? "here.test" : "HERE.test";
                              return text(resolver.resolve(name, 80, AF_INET, long_time));
                            })
                            .value());
    }
    for (auto& each : threads) REQUIRE(support::until_parked(each));
    threads.front().request_stop();  // its leaving disturbs nobody
    const std::string canceled = std::make_error_code(std::errc::operation_canceled).message();
    REQUIRE(threads.front().join().value() == canceled);
    server.release();
    for (std::size_t i = 1; i < threads.size(); ++i) {
      REQUIRE(threads[i].join().value() == "192.0.2.1:80");
    }
    REQUIRE(server.questions("here.test") == 1);
    REQUIRE(resolver.cached() == 1);
  });
}

TEST_CASE_METHOD(ResolverFixture, "an answer holds as long as its TTL, of CNAMEs too") {
  server.set("brief.test", {.addresses = {"192.0.2.1"}, .ttl = 1});
  server.set("never.test", {.addresses = {"192.0.2.1"}, .ttl = 0});
  server.set("alias.test", {.addresses = {"192.0.2.1"}, .ttl = 1, .alias_of = "real.test"});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const auto ask = [&](const char* name, Timeout timeout) {
      return text(resolver.resolve(name, 80, AF_INET, timeout));
    };
    REQUIRE(ask("never.test", long_time) == "192.0.2.1:80");
    REQUIRE(resolver.cached() == 0);
    REQUIRE(ask("brief.test", long_time) == "192.0.2.1:80");
    REQUIRE(ask("alias.test", long_time) == "192.0.2.1:80");
    REQUIRE(resolver.cached() == 2);
    server.set("brief.test", {.addresses = {"192.0.2.9"}});
    REQUIRE(!this_thread::sleep_for(1010ms));
    REQUIRE(ask("brief.test", long_time) == "192.0.2.9:80");
    REQUIRE(ask("alias.test", long_time) == "192.0.2.1:80");
    REQUIRE(server.questions("alias.test") == 2);
  });
}

TEST_CASE_METHOD(ResolverFixture,
                 "options limit the TTL, and how long it is known that nothing is") {
  server.set("here.test", {.addresses = {"192.0.2.1"}, .ttl = 3600});
  server.set("fails.test", {.code = 2});
  in_thread([&] {
    ResolverOptions brief = options();
    brief.max_ttl = 10ms;
    Resolver resolver{*loop, brief};
    Resolver standard{*loop, options()};
    for (const char* const name : {"here.test", "nobody.test"}) {
      (void)resolver.resolve(name, 80, AF_INET, long_time);
      REQUIRE(!this_thread::sleep_for(11ms));
      (void)resolver.resolve(name, 80, AF_INET, long_time);
      REQUIRE(server.questions(name) == 2);
      (void)standard.resolve(name, 80, AF_INET, long_time);
      (void)standard.resolve(name, 80, AF_INET, no_wait);
      REQUIRE(server.questions(name) == 3);
    }
    REQUIRE(standard.resolve("nobody.test", 80, AF_INET, no_wait).error() ==
            ResolveErrc::not_found);
    (void)standard.resolve("fails.test", 80, AF_INET, long_time);
    (void)standard.resolve("fails.test", 80, AF_INET, long_time);
    REQUIRE(server.questions("fails.test") == 2);  // what may be better soon is not kept
  });
}

TEST_CASE_METHOD(ResolverFixture, "of more answers than are kept those used last stay") {
  for (const char* const name : {"a.test", "b.test", "c.test"}) {
    server.set(name, {.addresses = {"192.0.2.1"}});
  }
  in_thread([&] {
    ResolverOptions small = options();
    small.cache_size = 2;
    Resolver resolver{*loop, small};
    for (const char* const name : {"a.test", "b.test", "a.test", "c.test", "a.test", "b.test"}) {
      REQUIRE(resolver.resolve(name, 80, AF_INET, long_time));
      REQUIRE(resolver.cached() <= 2);
    }
    REQUIRE(server.questions("a.test") == 1);
    REQUIRE(server.questions("b.test") == 2);
    REQUIRE(server.questions("c.test") == 1);
    small.cache_size = 0;
    Resolver none{*loop, small};
    REQUIRE(none.resolve("a.test", 80, AF_INET, long_time));
    REQUIRE(none.resolve("a.test", 80, AF_INET, long_time));
    REQUIRE(none.cached() == 0);
    REQUIRE(server.questions("a.test") == 3);
  });
}

TEST_CASE_METHOD(ResolverFixture,
                 "the file of hosts comes first, and is read again when it changes") {
  write(hosts,
        "# a comment\n192.0.2.7\tbox Box.Test # another\n2001:db8::7 box\n192.0.2.8 box\n"
        "nonsense box\n192.0.2.9\n127.0.0.1:80 odd.test\n\n10.0.0.1 last.test");
  server.set("box", {.addresses = {"192.0.2.99"}});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const auto ask = [&](const char* name, int family = AF_INET) {
      return text(resolver.resolve(name, 80, family, long_time));
    };
    REQUIRE(ask("box") == "192.0.2.7:80 192.0.2.8:80");
    REQUIRE(ask("BOX.", AF_INET6) == "[2001:db8::7]:80");
    REQUIRE(ask("box.test") == "192.0.2.7:80");
    REQUIRE(ask("last.test") == "10.0.0.1:80");
    REQUIRE(resolver.resolve("box.test", 80, AF_INET6).error() == ResolveErrc::no_data);
    REQUIRE(resolver.resolve("odd.test", 80, AF_INET).error() == ResolveErrc::not_found);
    write(hosts, "192.0.2.10 box\n");
    REQUIRE(ask("box") == "192.0.2.10:80");
    std::remove(hosts.c_str());
    REQUIRE(ask("box") == "192.0.2.99:80");
    REQUIRE(server.questions("box") == 1);
    ResolverOptions unreadable = options();
    unreadable.hosts = "/";
    Resolver other{*loop, unreadable};
    REQUIRE(text(other.resolve("box", 80, AF_INET, long_time)) == "192.0.2.99:80");
  });
}

TEST_CASE_METHOD(ResolverFixture, "options that are long are long") {
  constexpr auto longest = std::chrono::milliseconds::max();
  server.set("here.test", {.addresses = {"192.0.2.1"}, .ttl = 3600});
  ResolverOptions forever = options();
  forever.max_ttl = forever.negative_ttl = forever.hosts_check_interval = longest;
  in_thread([&] {
    Resolver resolver{*loop, forever};
    for (int i = 0; i < 2; ++i) {
      REQUIRE(text(resolver.resolve("here.test", 80, AF_INET, long_time)) == "192.0.2.1:80");
      REQUIRE(resolver.resolve("not.test", 80, AF_INET, long_time).error() ==
              ResolveErrc::not_found);
    }
    REQUIRE(server.questions("here.test") == 1);
    REQUIRE(server.questions("not.test") == 1);
    write(hosts, "192.0.2.7 box.test\n");  // which nobody looks at again
    REQUIRE(resolver.resolve("box.test", 80, AF_INET, long_time).error() == ResolveErrc::not_found);
  });
}

TEST_CASE_METHOD(ResolverFixture, "a server may have 50 days, or more, for its answer") {
  constexpr auto fifty_days = std::chrono::milliseconds{(std::int64_t{1} << 32) + 1};
  server.set("here.test", {.addresses = {"192.0.2.1"}});
  for (const auto timeout : {fifty_days, std::chrono::milliseconds::max()}) {
    ResolverOptions patient = options();
    patient.server_timeout = timeout;
    server.hold();
    in_thread([&] {
      Resolver resolver{*loop, patient};
      Thread thread =
          loop->spawn([&] { return text(resolver.resolve("here.test", 80, AF_INET, long_time)); })
              .value();
      REQUIRE(support::until_parked(thread));
      REQUIRE(!this_thread::sleep_for(5ms));
      REQUIRE(!thread.has_ended());
      server.release();
      REQUIRE(thread.join().value() == "192.0.2.1:80");
    });
  }
}

namespace {

// Before there is an OS thread that a skipped test would leave behind.
struct FailingMemory {
  FailingMemory() { support::skip_without_failing_new(); }
};
class FailingFixture : FailingMemory, public ResolverFixture {};

}  // namespace

TEST_CASE_METHOD(FailingFixture, "without memory a name is not resolved, and later it is") {
  write(hosts, "192.0.2.7 box.test\n");
  server.set("here.test", {.addresses = {"192.0.2.1"}});
  ResolverOptions brief = options();
  brief.server_timeout = 200ms;  // a socket that isn't watched for want of memory is waited for
  in_thread([&] {
    for (const bool is_in_file : {true, false}) {
      const char* const name = is_in_file ? "box.test" : "here.test";
      const std::string address = is_in_file ? "192.0.2.7:80" : "192.0.2.1:80";
      const int failed = support::fail_each_new([&](support::FailingNew& failing) {
        Resolver resolver{*loop, brief};
        const auto ask = [&] { return resolver.resolve(name, 80, AF_INET, 10s); };
        const auto first = failing.run(ask);
        if (!failing.has_failed()) REQUIRE(text(*first) == address);
        REQUIRE(support::eventually([&] { return text(ask()) == address; }));
      });
      REQUIRE(failed >= 3);
    }
  });
}
