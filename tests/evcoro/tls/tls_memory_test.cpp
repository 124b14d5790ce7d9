// TLS without memory: OpenSSL's allocations fail one after the other.
#include <openssl/crypto.h>
#include <openssl/err.h>

#include <array>
#include <cstdlib>

#include <evcoro/tls/socket.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using support::long_time;
using support::TlsPair;

namespace {

long countdown = -1;  // to the allocation that fails; negative: none does

bool fails() { return countdown >= 0 && countdown-- == 0; }

void* allocate(std::size_t size, const char*, int) { return fails() ? nullptr : std::malloc(size); }

void* reallocate(void* memory, std::size_t size, const char*, int) {
  return fails() ? nullptr : std::realloc(memory, size);
}

void release(void* memory, const char*, int) { std::free(memory); }

}  // namespace

TEST_CASE("TLS without memory fails, and does nothing worse") {
  if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1) {
    support::skip("OpenSSL has allocated already");
  }
  support::LoopFixture fixture;
  const support::Authority authority;
  const TlsContext server{TlsServerOptions{.certificates = {authority.sign({"a.test"})}}};
  const TlsContext client{TlsClientOptions{.authorities = authority.pem()}};
  fixture.in_thread([&] {
    int failures = 0;
    const int step = support::running_on_valgrind() ? 97 : 3;
    for (long at = 0; at < 1500; at += step) {
      countdown = at;
      TlsPair pair{*fixture.loop, server, client, "a.test"};
      Thread serving = fixture.loop
                           ->spawn([&] {
                             std::array<std::byte, 8> buffer;
                             const IoResult in = pair.server.recv(buffer, long_time);
                             if (in.error) pair.server.close();
                             return in.count;
                           })
                           .value();
      const bool sent = pair.client.send("hello", long_time).count == 5;
      pair.client.close();
      failures += sent ? 0 : 1;
      const std::size_t received = serving.join().value();
      CHECK((received == 0 || received == 5));
      countdown = -1;
    }
    REQUIRE(failures > 0);
    TlsPair pair{*fixture.loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
  });
  ERR_clear_error();
}
