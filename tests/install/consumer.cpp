// Uses all three layers, and says of which version they are.
#include <stacks/version.h>
#include <chrono>
#include <corothread/generator.hpp>
#include <cstdio>
#include <evcoro/loop.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <stacks/stack_pool.hpp>

using namespace std::chrono_literals;

int main() {
  evcoro::stacks::StackPool pool{{.capacity = 4}};
  evcoro::Loop loop{pool};
  evcoro::TcpAcceptor acceptor{
      loop, evcoro::Address::loopback(AF_INET, 0),
      [](evcoro::Socket& socket) { static_cast<void>(socket.send("hello\n", 3s)); }};
  auto thread = loop.spawn({.name = "client"}, [&] {
    evcoro::corothread::Generator<int> greetings{pool, [](auto& yield) { yield(6); }};
    std::size_t received = 0;
    for (const int size : greetings) {
      auto socket = evcoro::connect(acceptor.local_address(), 3s).value();
      std::byte buffer[64];
      received = socket.recv_all(std::span{buffer}.first(static_cast<std::size_t>(size)), 3s).count;
    }
    acceptor.close();
    return received;
  });
  loop.run();
  const bool works = thread.value().join().value() == 6;
  std::puts(works ? "evcoro " EVCORO_VERSION_STRING " works" : "evcoro doesn't work");
  return works ? 0 : 1;
}
