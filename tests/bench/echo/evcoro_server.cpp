// The echo server as a coroutine thread per connection: plain blocking code, its buffer on its own
// stack, with --timeouts a deadline on each operation. With --loops=N the connections are spread
// over the loops of a group.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>

#include <evcoro/loop.hpp>
#include <evcoro/loop_group.hpp>
#include <evcoro/net/group_acceptor.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/stack_pool.hpp>

#include "tests/bench/echo/server_main.h"

namespace {

// Size is at least buffer_size.
template <std::size_t Size>
void echo_until_closed(evcoro::Socket& socket, std::size_t buffer_size, evcoro::Timeout timeout) {
  std::array<std::byte, Size> memory;
  const std::span<std::byte> buffer(memory.data(), buffer_size);
  while (const evcoro::IoResult in = socket.recv(buffer, timeout)) {
    if (in.count == 0 || !socket.send(buffer.first(in.count), timeout)) return;
  }
}

void serve_on_one(const evcoro::stacks::StackPool::Options& stacks, const auto& serve) {
  evcoro::stacks::StackPool pool{stacks};
  evcoro::Loop loop{pool};
  const evcoro::TcpAcceptor acceptor{loop, evcoro::Address::loopback(AF_INET, 0), serve};
  echo_announce(acceptor.local_address().port());
  loop.run();
}

void serve_on_several(std::size_t loops, const evcoro::stacks::StackPool::Options& stacks,
                      const auto& serve) {
  evcoro::LoopGroup group{{.loops = loops, .stacks = stacks}};
  const evcoro::GroupAcceptor acceptor{group, evcoro::Address::loopback(AF_INET, 0), serve};
  echo_announce(acceptor.local_address().port());
  pause();
}

}  // namespace

int main(int argc, char** argv) {
  const EchoOptions options = echo_init(argc, argv);
  const evcoro::Timeout timeout =
      options.timeouts ? std::chrono::seconds(ECHO_TIMEOUT_SECONDS) : evcoro::Timeout();
  const bool small = options.buffer <= ECHO_SMALL_BUFFER;
  const auto echo =
      small ? echo_until_closed<ECHO_SMALL_BUFFER> : echo_until_closed<ECHO_LARGE_BUFFER>;
  const auto serve = [&](evcoro::Socket& socket) { echo(socket, options.buffer, timeout); };
  const std::size_t frames = 8 * 1024;
  const evcoro::stacks::StackPool::Options stacks = {
      .capacity = options.connections,
      .stack_size = frames + (small ? ECHO_SMALL_BUFFER : ECHO_LARGE_BUFFER)};
  if (options.loops == 1) {
    serve_on_one(stacks, serve);
  } else {
    serve_on_several(options.loops, stacks, serve);
  }
}
