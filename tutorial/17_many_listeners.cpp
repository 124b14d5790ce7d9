// Chapter 17: several listeners on one loop, and what each of them may take.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/socket_activation.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/net/token_bucket.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/stack_pool.hpp>

using evcoro::AcceptorOptions;
using evcoro::ActivatedSocket;
using evcoro::Address;
using evcoro::Clock;
using evcoro::IoResult;
using evcoro::Loop;
using evcoro::Rate;
using evcoro::Refusal;
using evcoro::Socket;
using evcoro::TcpAcceptor;
using evcoro::TokenBucket;
using evcoro::V6Only;
using evcoro::WhenFull;
using evcoro::stacks::StackPool;
using namespace std::chrono_literals;

namespace {

// [serve]
void welcome(Socket& socket) {
  if (!socket.send("welcome\n", 3s)) return;
  std::array<std::byte, 64> buffer;
  while (const IoResult in = socket.recv(buffer)) {
    if (in.count == 0) return;
  }
}
// [/serve]

// [refuse]
// Turns clients away, and tells them why.
AcceptorOptions rejecting(StackPool& stacks) {
  AcceptorOptions options;
  options.stacks = &stacks;
  options.when_full = WhenFull::reject;
  options.refuse = [](Refusal& refusal) {
    switch (refusal.reason()) {
      case Refusal::Reason::no_stack:
        refusal.write("no stack is free\n");
        break;
      case Refusal::Reason::rate:
        refusal.write("too many at once\n");
        break;
      case Refusal::Reason::max_connections:
      case Refusal::Reason::max_per_address:
        refusal.write("too many connections\n");
    }
  };
  return options;
}
// [/refuse]

void greet(const char* who, Socket& socket) {
  std::array<char, 64> text;
  const IoResult in = socket.recv(std::as_writable_bytes(std::span{text}), 3s);
  std::printf("  %s: %.*s", who, static_cast<int>(in.count), text.data());
}

// [shares]
// Three stacks: whatever the public does, one is for who looks after the server.
void share_a_pool(Loop& loop, StackPool& stacks) {
  AcceptorOptions admin_options = rejecting(stacks);
  admin_options.reserve = 1;
  const std::string path = "/tmp/evcoro-admin-" + std::to_string(::getpid());
  TcpAcceptor admin{loop, Address::unix_path(path).value(), welcome, admin_options};
  TcpAcceptor everybody{loop, Address::loopback(AF_INET, 0), welcome, rejecting(stacks)};

  std::array<Socket, 3> clients;
  for (Socket& each : clients) {
    each = evcoro::connect(everybody.local_address(), 3s).value();
    greet("a client", each);
  }
  Socket operator_socket = evcoro::connect(admin.local_address(), 3s).value();
  greet("the admin", operator_socket);

  for (Socket& each : clients) each.close();
  operator_socket.close();
  everybody.drain(3s);  // when their connections have ended, the stacks are free
  admin.drain(3s);
}
// [/shares]

// [rate]
// Two at once, and then one an hour.
void limit_the_rate(Loop& loop, StackPool& stacks) {
  AcceptorOptions options = rejecting(stacks);
  options.accept_rate = std::make_shared<TokenBucket>(Rate{.per_second = 1.0 / 3600, .burst = 2});
  TcpAcceptor acceptor{loop, Address::loopback(AF_INET, 0), welcome, options};
  for (int i = 0; i < 3; ++i) {
    Socket client = evcoro::connect(acceptor.local_address(), 3s).value();
    greet("a client", client);
  }
  acceptor.drain(3s);
}
// [/rate]

// [bandwidth]
// 100 kB/s for each connection, the first 1000 bytes at once.
void throttle_connections(Loop& loop, StackPool& stacks) {
  AcceptorOptions options = rejecting(stacks);
  options.send_rate = Rate{.per_second = 100e3, .burst = 1000};
  const auto send_much = [](Socket& socket) {
    static_cast<void>(socket.send(std::string(11'000, 'x'), 10s));
  };
  TcpAcceptor acceptor{loop, Address::loopback(AF_INET, 0), send_much, options};
  const auto begin = Clock::now();
  Socket client = evcoro::connect(acceptor.local_address(), 3s).value();
  std::array<std::byte, 11'000> buffer;
  const IoResult in = client.recv_all(buffer, 10s);
  const bool in_time = Clock::now() - begin >= 99ms;
  std::printf("  %zu bytes in %s\n", in.count, in_time ? "100 ms or more" : "less than 100 ms");
}
// [/bandwidth]

// [activated]
// The listener that systemd has opened for us under this name, or -1.
int find_activated(std::string_view name) {
  std::vector<ActivatedSocket> all = evcoro::take_activated_sockets().value();
  for (ActivatedSocket& each : all) {
    if (each.name == name) return each.release();
  }
  return -1;
}
// [/activated]

// [families]
// For IPv6 and IPv4, and for one connection of each address.
void listen_for_both_families(Loop& loop, StackPool& stacks, int activated) {
  AcceptorOptions options = rejecting(stacks);
  options.v6_only = V6Only::off;
  options.max_per_address = 1;
  const bool is_activated = activated >= 0;
  TcpAcceptor acceptor = is_activated
                             ? TcpAcceptor{loop, activated, welcome, options}
                             : TcpAcceptor{loop, Address::any(AF_INET6, 0), welcome, options};
  std::printf("  opened by %s\n", is_activated ? "a manager" : "this process");

  const std::uint16_t port = acceptor.local_address().port();
  Socket first = evcoro::connect(Address::loopback(AF_INET, port), 3s).value();
  greet("a client", first);
  Socket second = evcoro::connect(Address::loopback(AF_INET, port), 3s).value();
  greet("the same again", second);
  first.close();
  second.close();
  acceptor.drain(3s);
}
// [/families]

}  // namespace

// [main]
int main() try {
  const int activated = find_activated("public");  // first of all
  StackPool connections{{.capacity = 3}};
  Loop loop{{.capacity = 1, .stack_size = 64 * 1024}};
  const auto clients = [&] {
    std::puts("a pool that is shared:");
    share_a_pool(loop, connections);
    std::puts("a rate of new connections:");
    limit_the_rate(loop, connections);
    std::puts("a bandwidth:");
    throttle_connections(loop, connections);
    std::puts("both families:");
    listen_for_both_families(loop, connections, activated);
  };
  loop.spawn({.name = "clients"}, clients).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "17_many_listeners: %s\n", error.what());
  return 1;
}
// [/main]
