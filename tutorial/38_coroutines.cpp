// Chapter 38: the service with a coroutine thread for each connection. See 38_service.hpp.
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>

#include <evcoro/loop.hpp>
#include <evcoro/net/tcp_acceptor.hpp>

#include "38_service.hpp"

namespace {

// [talk]
void talk(evcoro::Socket& socket) {
  Conversation conversation;
  std::array<std::byte, 1024> buffer;
  while (!conversation.is_over()) {
    const evcoro::IoResult in = socket.recv(buffer, idle);
    if (in.error || in.count == 0) return;
    conversation.take({reinterpret_cast<const char*>(buffer.data()), in.count});
    const auto output = std::as_bytes(std::span{conversation.output()});
    if (!output.empty() && !socket.send(output, idle)) return;
    conversation.sent(output.size());
  }
}
// [/talk]

}  // namespace

// [main]
int main(int argc, char** argv) try {
  const Options options = parse_options(argc, argv);
  allow_descriptors();
  evcoro::Loop loop{{.capacity = options.connections}};
  const evcoro::TcpAcceptor acceptor{loop, options.address, talk};
  announce(acceptor.local_address());
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "38_coroutines: %s\n", error.what());
  return 1;
}
// [/main]
