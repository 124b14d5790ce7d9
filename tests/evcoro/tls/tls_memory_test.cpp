// What TLS takes of memory; and TLS without memory: OpenSSL's allocations fail one after the other.
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

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

TEST_CASE_METHOD(support::LoopFixture, "an idle connection has no buffers after its handshake") {
  if (support::under_sanitizer() || support::running_on_valgrind()) {
    support::skip("memory is counted in another way");
  }
  const support::Authority authority;
  const TlsContext server{TlsServerOptions{.certificates = {authority.sign({"a.test"})}}};
  const TlsContext client{TlsClientOptions{.authorities = authority.pem()}};
  in_thread([&] {
    std::vector<std::unique_ptr<TlsPair>> pairs;
    std::size_t before = 0;
    constexpr std::size_t count = 20;
    for (std::size_t i = 0; i <= count; ++i) {
      pairs.push_back(std::make_unique<TlsPair>(*loop, server, client, "a.test"));
      REQUIRE(!pairs.back()->handshake());
      if (i == 0) before = ::mallinfo2().uordblks;
    }
    const std::size_t each = (::mallinfo2().uordblks - before) / (2 * count);
    CHECK(each > 4 * 1024);
    CHECK(each < 20 * 1024);  // a buffer for a record would be 17 KiB more
  });
}
