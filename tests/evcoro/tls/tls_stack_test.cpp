// The stacks that TLS takes, no more than the README says.
#include <evcoro/tls/socket.hpp>

#include <algorithm>
#include <array>

#include <stacks/stack_pool.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using stacks::StackPool;
using support::Authority;
using support::long_time;

namespace {

// What the README promises, in bytes.
constexpr std::size_t most_of_a_connection = 3 * 1024;
constexpr std::size_t most_with_openssl = 24 * 1024;
const std::size_t set_aside = TlsServerOptions{}.openssl_stack_size;

struct Kind {
  TlsVersion version = TlsVersion::tls13;
  bool is_rsa = false;
  std::size_t openssl_stack_size = set_aside;
};

// Both sides show a chain of three, of which the other one knows the last.
struct Parties {
  explicit Parties(Kind kind)
      : server{TlsServerOptions{
            .certificates = {middle.sign({.names = {"a.test"}, .is_rsa = kind.is_rsa})},
            .client_certificate = ClientCertificate::required,
            .client_authorities = authority.pem(),
            .lowest_version = kind.version,
            .highest_version = kind.version,
            .openssl_stack_size = kind.openssl_stack_size}},
        client{TlsClientOptions{
            .authorities = authority.pem(),
            .certificates = {middle.sign({.names = {"a client"}, .is_rsa = kind.is_rsa})},
            .lowest_version = kind.version,
            .highest_version = kind.version,
            .openssl_stack_size = kind.openssl_stack_size}} {}

  const Authority authority;
  const Authority middle = authority.intermediate("in the middle");
  const TlsContext server;
  const TlsContext client;
};

// A handshake, and something in each direction: all that the thread of a connection does here.
std::error_code talk(TlsSocket& tls) noexcept {
  std::array<std::byte, 16> data{std::byte{1}};
  if (const auto error = tls.handshake(long_time)) return error;
  if (const IoResult out = tls.send(data, long_time); out.error) return out.error;
  return tls.recv(data, long_time).error;
}

struct Depths {
  std::size_t server = 0;
  std::size_t client = 0;
};

class StackFixture : public support::LoopFixture {
 public:
  StackFixture() {
    if (support::under_sanitizer() || support::running_on_valgrind()) {
      support::skip("frames are larger there");
    }
    // The dynamic linker binds what is called the first time on the caller's stack: not TLS's.
    for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
      depths({.version = version, .is_rsa = version == TlsVersion::tls12});
    }
  }

  // depths() is the deepest use of the stacks of both sides, with a full handshake and one that
  // resumes its session.
  Depths depths(Kind kind) {
    const Parties parties{kind};
    Depths deepest;
    for (int i = 0; i < 2; ++i) {
      const Depths one = measure(parties);
      deepest = {std::max(deepest.server, one.server), std::max(deepest.client, one.client)};
    }
    CHECK(parties.server.counters().handshakes == 2);
    CHECK(parties.server.counters().resumed == 1);
    return deepest;
  }

  // Of each kind of handshake.
  Depths depths_of_all(std::size_t openssl_stack_size) {
    Depths deepest;
    for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
      for (const bool is_rsa : {false, true}) {
        const Depths one = depths({version, is_rsa, openssl_stack_size});
        deepest = {std::max(deepest.server, one.server), std::max(deepest.client, one.client)};
      }
    }
    return deepest;
  }

 private:
  Depths measure(const Parties& parties) {
    StackPool fresh{{.capacity = 2, .stack_size = 64 * 1024}};
    Depths used;
    in_thread([&] {
      support::TlsPair pair{*loop, parties.server, parties.client, "a.test"};
      auto serving = loop->spawn({.stacks = &fresh}, [&] { return talk(pair.server); }).value();
      auto asking = loop->spawn({.stacks = &fresh}, [&] { return talk(pair.client); }).value();
      REQUIRE(support::eventually([&] { return serving.has_ended() && asking.has_ended(); }));
      used = {.server = StackPool::watermark(serving.stack()),
              .client = StackPool::watermark(asking.stack())};
      REQUIRE(!serving.join().value());
      REQUIRE(!asking.join().value());
    });
    return used;
  }
};

}  // namespace

TEST_CASE_METHOD(StackFixture, "a connection under TLS leaves its own stack small") {
  const Depths own = depths_of_all(set_aside);
  CAPTURE(own.server, own.client);
  CHECK(std::max(own.server, own.client) < most_of_a_connection);
  CHECK(std::min(own.server, own.client) > 0);
}

TEST_CASE_METHOD(StackFixture, "OpenSSL takes far less of a stack than is set aside for it") {
  const Depths own = depths_of_all(set_aside);
  const Depths with_openssl = depths_of_all(0);
  CAPTURE(with_openssl.server, with_openssl.client);
  CHECK(std::max(with_openssl.server, with_openssl.client) < most_with_openssl);
  CHECK(most_with_openssl < set_aside / 2);
  CHECK(with_openssl.server > own.server);  // it has been there
  CHECK(with_openssl.client > own.client);
}
