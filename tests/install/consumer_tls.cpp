// Uses the TLS layer, and says of which version it is.
#include <stacks/version.h>
#include <cstdio>
#include <evcoro/loop.hpp>
#include <evcoro/tls/socket.hpp>

using namespace std::chrono_literals;

int main() {
  const evcoro::TlsCertificate own = evcoro::make_self_signed({"localhost"});
  const evcoro::TlsContext server{evcoro::TlsServerOptions{.certificates = {own}}};
  const evcoro::TlsContext client{evcoro::TlsClientOptions{.authorities = own.chain}};
  evcoro::Loop loop{{.capacity = 4}};
  auto [one, other] = evcoro::socketpair(loop).value();
  evcoro::TlsSocket serving{std::move(one), server};
  evcoro::TlsSocket asking{std::move(other), client, "localhost"};
  auto thread = loop.spawn({.name = "client"}, [&] { return asking.send("hello", 3s).count; });
  std::size_t received = 0;
  loop.spawn({.name = "server"},
             [&] {
               std::byte buffer[64];
               received = serving.recv(buffer, 3s).count;
             })
      .value()
      .detach();
  loop.run();
  const bool works = thread.value().join().value() == 5 && received == 5;
  std::puts(works ? "tls " EVCORO_VERSION_STRING " works" : "tls doesn't work");
  return works ? 0 : 1;
}
