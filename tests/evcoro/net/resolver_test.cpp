#include <evcoro/net/resolver.hpp>

#include <support/own_network.hpp>
#include <support/resolver_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::ResolverFixture;
using support::text;

namespace {

// Looks for services(5) before there is an OS thread that a skipped test would leave behind.
struct Services {
  Services() {
    if (!std::ifstream{"/etc/services"}) support::skip("there is no /etc/services");
  }
};
class ServicesFixture : Services, public ResolverFixture {};

}  // namespace

TEST_CASE_METHOD(ResolverFixture, "a name is asked for once, of both families or of one") {
  server.set("here.test", {.addresses = {"192.0.2.1", "192.0.2.2", "2001:db8::1"}});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const auto both = resolver.resolve("here.test", 80);
    REQUIRE(both);
    REQUIRE(both->size() == 3);
    REQUIRE(server.questions("here.test") == 2);
    const std::string v4 = text(resolver.resolve("HERE.Test", 81, AF_INET, no_wait));
    REQUIRE((v4 == "192.0.2.1:81 192.0.2.2:81" || v4 == "192.0.2.2:81 192.0.2.1:81"));
    REQUIRE(text(resolver.resolve("here.test", 82, AF_INET6, no_wait)) == "[2001:db8::1]:82");
    REQUIRE(server.questions("here.test") == 2);
    REQUIRE(resolver.cached() == 2);
    resolver.forget();
    REQUIRE(resolver.cached() == 0);
    REQUIRE(resolver.resolve("here.test", 80, AF_INET, no_wait).error() == std::errc::timed_out);
    REQUIRE(resolver.resolve("here.test", 80, AF_INET));
  });
}

TEST_CASE_METHOD(ResolverFixture, "numeric addresses, services, and what is no name") {
  in_thread([&] {
    Resolver resolver{*loop, options()};
    REQUIRE(text(resolver.resolve("127.0.0.1", 80, AF_UNSPEC, no_wait)) == "127.0.0.1:80");
    REQUIRE(text(resolver.resolve("::1", 80, AF_INET6, no_wait)) == "[::1]:80");
    REQUIRE(resolver.resolve("::1", 80, AF_INET).error() == ResolveErrc::no_data);
    REQUIRE(text(resolver.resolve("127.0.0.1", "8080")) == "127.0.0.1:8080");
    REQUIRE(resolver.resolve("127.0.0.1", "65536").error() == ResolveErrc::bad_service);
    REQUIRE(resolver.resolve("127.0.0.1", "80x").error() == ResolveErrc::bad_service);
    REQUIRE(resolver.resolve("127.0.0.1", "").error() == ResolveErrc::bad_service);
    const std::string label(63, 'a');
    const std::string longest = label + '.' + label + '.' + label + '.' + std::string(61, 'a');
    REQUIRE(resolver.resolve(longest, 80).error() == ResolveErrc::not_found);
    REQUIRE(resolver.resolve(longest + ".", 80).error() == ResolveErrc::not_found);
    for (const std::string& bad :
         {std::string{}, std::string{"."}, std::string{"a..b"}, std::string{".a"},
          std::string{"a\0b", 3}, std::string{"a b"}, std::string{"a\\b"}, std::string{"\xc3\xa4"},
          std::string(64, 'a'), longest + "a", std::string(100'000, 'a'),
          std::string{"127.0.0.1:80"}, std::string{"unix:/x"} + std::string(64, 'x')}) {
      const auto error = resolver.resolve(bad, 80, AF_INET, long_time).error();
      CHECK((error == ResolveErrc::bad_name || (bad == "127.0.0.1:80" && error)));
    }
    REQUIRE(resolver.resolve("here.test", 80, AF_UNIX).error() ==
            std::errc::address_family_not_supported);
    REQUIRE(make_error_code(ResolveErrc::bad_name) == std::errc::invalid_argument);
  });
}

TEST_CASE_METHOD(ResolverFixture, "what name servers say is named") {
  server.set("fails.test", {.code = 2});
  server.set("strange.test", {.code = 4});
  server.set("refused.test", {.code = 5});
  server.set("four.test", {.addresses = {"192.0.2.1"}});
  server.set("cut.test", {.addresses = {"192.0.2.1"}, .is_cut = true});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const auto error = [&](const char* name, int family = AF_INET) {
      const auto found = resolver.resolve(name, 80, family, long_time).error();
      INFO(name << ": " << found.message());
      CHECK(!found.message().empty());
      return found;
    };
    CHECK(error("nobody.test") == ResolveErrc::not_found);
    CHECK(error("nobody.test", AF_UNSPEC) == ResolveErrc::not_found);
    CHECK(error("four.test", AF_INET6) == ResolveErrc::no_data);
    CHECK(!error("four.test", AF_UNSPEC));
    CHECK(error("fails.test") == ResolveErrc::server_failure);
    CHECK(error("fails.test", AF_UNSPEC) == std::errc::resource_unavailable_try_again);
    CHECK(error("strange.test") == ResolveErrc::not_implemented);
    CHECK(error("refused.test") == ResolveErrc::refused);
    CHECK(error("cut.test") == ResolveErrc::malformed);
  });
}

TEST_CASE_METHOD(ServicesFixture, "a service has the port that services(5) says") {
  in_thread([&] {
    Resolver resolver{*loop, options()};
    CHECK(text(resolver.resolve("127.0.0.1", "https")) == "127.0.0.1:443");
    CHECK(text(resolver.resolve("127.0.0.1", "www")) == "127.0.0.1:80");  // another name of http
    CHECK(resolver.resolve("127.0.0.1", "tftp").error() == ResolveErrc::bad_service);  // UDP
    CHECK(resolver.resolve("127.0.0.1", "80/tcp").error() == ResolveErrc::bad_service);
  });
}

TEST_CASE_METHOD(ResolverFixture, "what doesn't fit into a datagram comes by TCP") {
  support::DnsReply much{.by_tcp = true};
  for (int i = 0; i < 3000; ++i) {
    much.addresses.push_back("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  }
  server.set("much.test", much);
  server.set("fails.test", {.code = 2, .by_tcp = true});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const auto found = resolver.resolve("much.test", 80, AF_INET, long_time);
    REQUIRE(found);
    REQUIRE(found->size() == 3000);
    REQUIRE(server.questions("much.test") == 1);
    REQUIRE(server.questions("much.test", true) == 1);
    const auto error = resolver.resolve("fails.test", 80, AF_INET, long_time).error();
    REQUIRE(error == ResolveErrc::server_failure);
  });
}

TEST_CASE_METHOD(ResolverFixture, "replies that are too long or another's are survived") {
  server.set("long.test", {.addresses = {"192.0.2.1"}, .padding = std::string(60'000, 'x')});
  server.set("noise.test", {.addresses = {"192.0.2.1"}, .is_noise = true});
  server.set("good.test", {.addresses = {"192.0.2.1"}});
  in_thread([&] {
    ResolverOptions impatient = options();
    impatient.server_timeout = 50ms;
    Resolver resolver{*loop, impatient};
    (void)resolver.resolve("long.test", 80, AF_INET, long_time);
    const auto error = resolver.resolve("noise.test", 80, AF_INET, long_time).error();
    REQUIRE(error == ResolveErrc::timed_out);
    Resolver patient{*loop, options()};
    REQUIRE(text(patient.resolve("good.test", 80, AF_INET, long_time)) == "192.0.2.1:80");
  });
}

TEST_CASE_METHOD(ResolverFixture, "a name server that is silent is asked again, and the next one") {
  server.set("silent.test", {.is_silent = true});
  server.set("here.test", {.addresses = {"192.0.2.1"}});
  in_thread([&] {
    ResolverOptions impatient = options();
    impatient.server_timeout = 20ms;
    impatient.tries = 2;
    Resolver resolver{*loop, impatient};
    const auto error = resolver.resolve("silent.test", 80, AF_INET, long_time).error();
    REQUIRE(error == ResolveErrc::timed_out);
    REQUIRE(error == std::errc::timed_out);
    REQUIRE(server.questions("silent.test") == 2);
    support::DnsServer failing;
    failing.set("here.test", {.code = 2});
    ResolverOptions two = options();
    two.servers = failing.name() + "," + server.name();
    Resolver second{*loop, two};
    REQUIRE(text(second.resolve("here.test", 80, AF_INET, long_time)) == "192.0.2.1:80");
    REQUIRE(failing.questions("here.test") == 1);
    ResolverOptions nobody = options();
    nobody.servers = support::Listener{}.address().to_string();
    Resolver third{*loop, nobody};
    REQUIRE(third.resolve("here.test", 80, AF_INET, long_time).error() == ResolveErrc::no_server);
  });
}

TEST_CASE_METHOD(ResolverFixture, "resolv.conf has search domains, and a dot does without") {
  write(resolv_conf, "search one.test two.test\noptions ndots:1\n");
  server.set("box.two.test", {.addresses = {"192.0.2.2"}});
  server.set("alias.test", {.addresses = {"192.0.2.3"}, .alias_of = "real.test"});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    REQUIRE(text(resolver.resolve("box", 80, AF_INET, long_time)) == "192.0.2.2:80");
    REQUIRE(server.questions("box.one.test") == 1);
    REQUIRE(resolver.resolve("box.", 80, AF_INET, long_time).error() == ResolveErrc::not_found);
    REQUIRE(text(resolver.resolve("alias.test", 80, AF_INET, long_time)) == "192.0.2.3:80");
  });
}

// The fixture's server would be in another network.
TEST_CASE_METHOD(support::LoopFixture, "name servers are those of resolv.conf, if none are given") {
  const support::OwnNetwork network;
  support::DnsServer here{53};
  here.set("here.test", {.addresses = {"192.0.2.7"}, .ttl = 0});
  const std::string path = "/tmp/evcoro-resolv-" + std::to_string(::getpid());
  const auto resolve_by = [&](const char* lines) {
    ResolverFixture::write(path, lines);
    ResolverOptions of_file;
    of_file.server_timeout = long_time;
    of_file.resolv_conf = path;
    of_file.hosts = "";
    Resolver resolver{*loop, of_file};
    return text(resolver.resolve("here.test", 80, AF_INET, long_time));
  };
  in_thread([&] {
    REQUIRE(resolve_by("nameserver 127.0.0.1\n") == "192.0.2.7:80");
    REQUIRE(here.questions("here.test") == 1);
    // Nobody is at the first address.
    REQUIRE(resolve_by("nameserver 127.0.0.2\nnameserver 127.0.0.1\n") == "192.0.2.7:80");
    REQUIRE(here.questions("here.test") == 2);
  });
  std::remove(path.c_str());
}
