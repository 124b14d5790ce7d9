// Chapter 7: an echo server, with a coroutine thread for each connection.
//
//   07_echo_server [ADDRESS]      127.0.0.1:9999 when none is given
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>

#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/result.hpp>
#include <stacks/overflow.hpp>

using evcoro::Address;
using evcoro::IoResult;
using evcoro::Result;
using evcoro::Socket;
using namespace std::chrono_literals;

namespace {

// [echo]
void echo(Socket& socket) {
  std::array<std::byte, 1024> buffer;
  std::size_t total = 0;
  IoResult io;
  while ((io = socket.recv(buffer, 30s)) && io.count > 0) {
    io = socket.send(std::span{buffer}.first(io.count), 30s);
    total += io.count;
    if (!io) break;
  }
  if (io) {
    std::printf("echoed %zu bytes\n", total);
  } else {
    std::printf("lost a client after %zu bytes: %s\n", total, io.error.message().c_str());
  }
}
// [/echo]

}  // namespace

// [main]
int main(int argc, char** argv) try {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // each line at once, also into a pipe
  evcoro::stacks::install_overflow_handler();

  const char* const text = argc > 1 ? argv[1] : "127.0.0.1:9999";
  const Result<Address> address = Address::parse(text);
  if (!address) throw std::invalid_argument(std::string("no IP address: ") + text);

  evcoro::Loop loop{{.capacity = 100}};
  const evcoro::TcpAcceptor acceptor{loop, *address, echo, {.name = "echo"}};
  std::printf("listening on %s\n", acceptor.local_address().to_string().c_str());
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "07_echo_server: %s\n", error.what());
  return 1;
}
// [/main]
