// What tests of acceptors share.
#pragma once

#include <netinet/in.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include <evcoro/net/tcp_acceptor.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>

namespace support {

inline evcoro::Address loopback() { return own_address(); }

// echo() serves a connection until the client ends it.
inline void echo(evcoro::Socket& socket) {
  while (true) {
    const Received in = receive(socket);
    if (in.text.empty() || !socket.send(in.text, long_time)) return;
  }
}

// arrived() is what has arrived for client so far, up to most bytes. It waits for nothing.
inline std::string arrived(const RawSocket& client, std::size_t most = 4096) {
  std::string text(most, '\0');
  const ssize_t count = ::recv(client.get(), text.data(), text.size(), MSG_DONTWAIT);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

// has_ended() says whether the server has closed the connection, once client has read all.
inline bool has_ended(const RawSocket& client) {
  char byte;
  const ssize_t count = ::recv(client.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return count == 0 || (count < 0 && errno != EAGAIN);
}

// reply() lets the loop run until size bytes have arrived, or the connection has ended.
inline std::string reply(const RawSocket& client, std::size_t size) {
  std::string all;
  const bool in_time = eventually([&] {
    all += arrived(client, size - all.size());
    return all.size() == size || has_ended(client);
  });
  return in_time ? all : "nothing in time, but: " + all;
}

// is_served() exchanges a message with an echo server.
inline bool is_served(const RawSocket& client) {
  client.send("ping");
  return reply(client, 4) == "ping";
}

// connection_stacks() are the options of a pool for connections, beside that of the test's own
// threads.
inline evcoro::stacks::StackPool::Options connection_stacks(std::size_t capacity) {
  return {.capacity = capacity, .stack_size = test_stack_size};
}

}  // namespace support
