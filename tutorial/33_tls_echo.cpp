// Chapter 33: echo under TLS.
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <evcoro/io/buffered_reader.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/tls/context.hpp>
#include <evcoro/tls/socket.hpp>

using evcoro::Address;
using evcoro::BufferedReader;
using evcoro::IoResult;
using evcoro::Socket;
using evcoro::TlsCertificate;
using evcoro::TlsClientOptions;
using evcoro::TlsContext;
using evcoro::TlsServerOptions;
using evcoro::TlsSocket;
using namespace std::chrono_literals;

namespace {

// [echo]
template <evcoro::Stream S>
void echo(S& stream) {
  std::array<std::byte, 512> buffer;
  while (const IoResult in = stream.recv(buffer, 10s)) {
    if (in.count == 0) break;  // the client has said that this was all
    if (!stream.send(std::span{buffer}.first(in.count), 10s)) break;
  }
}

void serve(Socket& socket, const TlsContext& context) {
  TlsSocket tls{std::move(socket), context};
  if (const std::error_code error = tls.handshake()) {
    std::printf("server: %s\n", error.message().c_str());
    return;
  }
  echo(tls);
}
// [/echo]

// [ask]
void ask(const Address& server, const TlsContext& context, const char* name) {
  TlsSocket tls{evcoro::connect(server, 10s).value(), context, name};
  if (const std::error_code error = tls.handshake(10s)) {
    std::printf("client: %s: %s\n", name, error.message().c_str());
    return;
  }
  std::printf("client: %s by %s%s\n", name, std::string{tls.version()}.c_str(),
              tls.is_resumed() ? ", resumed" : "");
  if (!tls.send("hello\n", 10s)) return;
  BufferedReader reader{tls};
  if (const auto line = reader.read_line(10s)) {
    std::printf("client: %.*s\n", static_cast<int>(line->size()), line->data());
  }
  static_cast<void>(tls.close_notify(10s));
}
// [/ask]

// [starttls]
void serve_both(Socket& socket, const TlsContext& context) {
  BufferedReader reader{socket};
  const auto line = reader.read_line(10s);
  if (!line || *line != "STARTTLS" || !socket.send("GO AHEAD\n", 10s)) return;
  TlsSocket tls{std::move(socket), context, {}, reader};
  echo(tls);
}

void ask_to_upgrade(const Address& server, const TlsContext& context) {
  Socket socket = evcoro::connect(server, 10s).value();
  BufferedReader reader{socket};
  if (!socket.send("STARTTLS\n", 10s) || reader.read_line(10s).value() != "GO AHEAD") return;
  TlsSocket tls{std::move(socket), context, "localhost", reader};
  if (!tls.send("a secret\n", 10s)) return;
  BufferedReader secrets{tls};
  if (const auto answer = secrets.read_line(10s)) {
    std::printf("client: %.*s\n", static_cast<int>(answer->size()), answer->data());
  }
}
// [/starttls]

}  // namespace

// [main]
int main() try {
  const TlsCertificate own = evcoro::make_self_signed({"localhost"});
  const TlsContext server{TlsServerOptions{.certificates = {own}}};
  const TlsContext client{TlsClientOptions{.authorities = own.chain}};
  const TlsContext stranger{TlsClientOptions{}};  // trusts the authorities of the system

  evcoro::Loop loop{{.capacity = 10}};
  evcoro::TcpAcceptor acceptor{loop, Address::loopback(AF_INET, 0),
                               [&](Socket& socket) { serve(socket, server); }};
  evcoro::TcpAcceptor both{loop, Address::loopback(AF_INET, 0),
                           [&](Socket& socket) { serve_both(socket, server); }};
  loop.spawn([&] {
        const Address address = acceptor.local_address();
        ask(address, client, "localhost");
        ask(address, client, "localhost");
        ask(address, client, "example.org");
        ask(address, stranger, "localhost");
        ask_to_upgrade(both.local_address(), client);
        loop.stop();
      })
      .value()
      .detach();
  loop.run();
  const TlsContext::Counters counters = server.counters();
  std::printf("handshakes: %d, %d of them resumed\n", static_cast<int>(counters.handshakes),
              static_cast<int>(counters.resumed));
} catch (const std::exception& error) {
  std::fprintf(stderr, "33_tls_echo: %s\n", error.what());
  return 1;
}
// [/main]
