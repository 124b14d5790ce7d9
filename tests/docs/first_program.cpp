// The first program of README.md.
// [first_program]
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <evcoro/loop.hpp>
#include <evcoro/net/tcp_acceptor.hpp>

using namespace std::chrono_literals;

void echo(evcoro::Socket& socket) {
  std::array<std::byte, 1024> buffer;
  while (const evcoro::IoResult in = socket.recv(buffer, 3s)) {
    if (in.count == 0) break;  // the client has closed
    if (!socket.send(std::span{buffer}.first(in.count), 3s)) break;
  }
}

int main(int argc, char** argv) {
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 9999);
  evcoro::Loop loop{{.capacity = 100}};  // 100 stacks: at most 100 connections
  const evcoro::TcpAcceptor acceptor{loop, evcoro::Address::any(AF_INET, port), echo};
  std::printf("listening on %s\n", acceptor.local_address().to_string().c_str());
  std::fflush(stdout);
  loop.run();
}
// [/first_program]
