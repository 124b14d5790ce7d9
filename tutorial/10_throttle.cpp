// Chapter 10: two stacks, four clients: the pool decides how many are served at once.
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <span>
#include <string>

#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/stack_pool.hpp>

using evcoro::Address;
using evcoro::IoResult;
using evcoro::Loop;
using evcoro::Refusal;
using evcoro::Socket;
using evcoro::TcpAcceptor;
using evcoro::Timeout;
using evcoro::WhenFull;
using evcoro::stacks::StackPool;
using namespace std::chrono_literals;

namespace {

// [serve]
void welcome(Socket& socket) {
  if (!socket.send("welcome\n", 3s)) return;
  std::array<std::byte, 64> buffer;
  while (const IoResult in = socket.recv(buffer)) {
    if (in.count == 0) return;  // the client has left: its stack is free now
  }
}
// [/serve]

// [client]
// What the server says first.
std::string greeting(Socket& socket, Timeout timeout) {
  std::array<char, 64> text;
  const IoResult in = socket.recv(std::as_writable_bytes(std::span{text}), timeout);
  if (!in) return in.error.message() + "\n";
  return in.count == 0 ? "end of file\n" : std::string(text.data(), in.count);
}

// Ends the connection, and returns when the server has done so, too: then its stack is free.
void leave(Socket& socket) {
  socket.shutdown(Socket::Shutdown::write);
  std::array<std::byte, 1> nothing;
  static_cast<void>(socket.recv(nothing, 3s));
}
// [/client]

void print(const TcpAcceptor::Counters& counters) {
  std::printf("  active %zu, waiting %zu, accepted %llu, refused %llu\n", counters.active,
              counters.waiting, static_cast<unsigned long long>(counters.accepted),
              static_cast<unsigned long long>(counters.refused));
}

// [visit]
void visit(const TcpAcceptor& acceptor) {
  const Address server = acceptor.local_address();
  Socket first = evcoro::connect(server, 3s).value();
  std::printf("  first:  %s", greeting(first, 3s).c_str());
  Socket second = evcoro::connect(server, 3s).value();
  std::printf("  second: %s", greeting(second, 3s).c_str());
  Socket third = evcoro::connect(server, 3s).value();
  std::printf("  third:  %s", greeting(third, 100ms).c_str());
  print(acceptor.counters());

  leave(first);
  std::puts("  the first has left");
  std::printf("  third:  %s", greeting(third, 3s).c_str());
  Socket fourth = evcoro::connect(server, 3s).value();
  std::printf("  fourth: %s", greeting(fourth, 100ms).c_str());
  print(acceptor.counters());
}
// [/visit]

// [run]
void run(WhenFull when_full) {
  StackPool connections{{.capacity = 2}};  // the throttle
  Loop loop{{.capacity = 1}};              // a stack for the clients' thread
  TcpAcceptor::Options options{.when_full = when_full, .stacks = &connections};
  options.refuse = [](Refusal& refusal) { refusal.write("busy, try again later\n"); };
  TcpAcceptor acceptor{loop, Address::loopback(AF_INET, 0), welcome, options};
  const auto clients = [&acceptor] {
    visit(acceptor);
    acceptor.close();  // then the loop has nothing left to do, and ends
  };
  loop.spawn({.name = "clients"}, clients).value().detach();
  loop.run();
}
// [/run]

}  // namespace

int main() try {
  std::puts("pause:");
  run(WhenFull::pause);
  std::puts("reject:");
  run(WhenFull::reject);
} catch (const std::exception& error) {
  std::fprintf(stderr, "10_throttle: %s\n", error.what());
  return 1;
}
