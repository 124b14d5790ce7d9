// The connections of the client, and the loads that it puts on a server with them.
//
//   Connections connections{port, 100, 512};   // 100 of them, messages of 512 bytes
//   play_ping_pong(connections, 15'000);
//
// Every load returns when all that was sent has come back. Every byte is compared, and no two
// messages in a row are alike, on one connection or on neighbours.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/bench/load_client.hpp"
#include "tests/bench/rate_load.hpp"

struct Connection {
  // Progress is which message is under way and how much of it has passed.
  struct Progress {
    std::size_t message = 0;
    std::size_t bytes = 0;
  };

  std::size_t index = 0;
  int fd = -1;
  Progress sent;
  Progress received;
};

class Connections {
 public:
  Connections(std::uint16_t port, std::size_t count, std::size_t size);

  std::vector<Connection>& all() { return connections_; }
  std::size_t size() const { return size_; }  // of a message

  // send_some() sends what the socket takes of the message that is next. Returns whether that was
  // its end.
  bool send_some(Connection& connection);

  // send_message() sends a whole message. It can't but fit the socket's buffer.
  void send_message(Connection& connection) {
    if (!send_some(connection)) die("a message doesn't fit the socket's buffer");
  }

  // receive_some() takes what is there, up to the end of a message, and compares it. Returns
  // whether that was its end.
  bool receive_some(Connection& connection);

  // reopen() closes a connection that owes no answer and opens another in its place.
  void reopen(Connection& connection);

  // watch() says what poll() looks for, at first EPOLLIN.
  void watch(std::uint32_t events);

  // poll() calls handle(connection, events) for connections that are ready, and never sleeps.
  template <class Handle>
  void poll(Handle handle) {
    const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
    if (count < 0) die("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events_[static_cast<std::size_t>(i)];
      handle(*static_cast<Connection*>(event.data.ptr), event.events);
    }
  }

 private:
  void open(Connection& connection);
  const char* rest_of(const Connection& connection, const Connection::Progress& progress) const;
  bool advance(Connection::Progress& progress, std::size_t bytes) const;

  int epoll_;
  std::uint16_t port_;
  std::size_t opened_ = 0;
  std::size_t size_;
  std::vector<Connection> connections_;
  std::vector<char> pattern_;
  std::vector<char> reply_;
  std::array<epoll_event, 1024> events_;
};

// play_ping_pong() sends `requests` messages, on each connection the next one when the one before
// is answered.
void play_ping_pong(Connections& connections, std::size_t requests);

// connect_and_close() does the same, and closes a connection that was answered and opens another
// one before each message.
void connect_and_close(Connections& connections, std::size_t cycles);

// play_rounds() sends `requests` messages, one on each connection and then none until all have come
// back, so that no server finds the next message already there when it has answered one, however
// slow a tool makes it. A lone connection waits until the server's process `pid` sleeps.
void play_rounds(Connections& connections, std::size_t requests, pid_t pid);

// stream() sends `messages` messages on each connection, as fast as the socket takes them, and
// receives meanwhile, so that up to four are always under way there and back.
void stream(Connections& connections, std::size_t messages);

// send_at_rate() sends `requests` messages at random times, `rate` a second in the mean, no matter
// how the server keeps up: a message's latency counts from the time when it was due.
Latency send_at_rate(Connections& connections, std::size_t requests, double rate);
