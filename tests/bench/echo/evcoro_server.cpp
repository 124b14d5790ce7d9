// The echo server as a coroutine thread per connection: plain blocking code, its buffer on its own
// stack, with --timeouts a deadline on each operation.
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>

#include <evcoro/loop.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/stack_pool.hpp>

#include "tests/bench/echo/server_main.hpp"

namespace {

void echo_until_closed(evcoro::Socket& socket, std::size_t buffer_size, evcoro::Timeout timeout) {
  std::array<std::byte, echo::max_buffer> memory;
  const std::span<std::byte> buffer(memory.data(), buffer_size);
  while (const evcoro::IoResult in = socket.recv(buffer, timeout)) {
    if (in.count == 0 || !socket.send(buffer.first(in.count), timeout)) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const echo::Options options = echo::parse_options(argc, argv);
  const evcoro::Timeout timeout =
      options.timeouts ? std::chrono::seconds(echo::timeout_seconds) : evcoro::Timeout();
  evcoro::stacks::StackPool pool{{.capacity = options.connections, .stack_size = 16 * 1024}};
  evcoro::Loop loop{pool};
  const evcoro::TcpAcceptor acceptor{
      loop, evcoro::Address::loopback(AF_INET, 0),
      [&](evcoro::Socket& socket) { echo_until_closed(socket, options.buffer, timeout); }};
  echo::announce(acceptor.local_address().port());
  loop.run();
}
