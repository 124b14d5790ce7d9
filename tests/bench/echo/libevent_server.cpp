// The echo server as libevent's callbacks make it: one persistent read event per connection, a
// write event only while a send would block, and with --timeouts a common timeout on each of them.
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>

#include <cerrno>
#include <vector>

#include "tests/bench/echo/server_main.h"

namespace {

class LibeventServer;

struct Connection {
  LibeventServer* server;
  int fd;
  event readable;
  event writable;
  std::vector<char> rest;  // echoed only in part so far; empty but for slow readers
};

class LibeventServer {
 public:
  LibeventServer(int listener, const EchoOptions& options)
      : base_(event_base_new()), buffer_(options.buffer) {
    if (base_ == nullptr) echo_die("event_base_new");
    if (options.timeouts) {
      const timeval limit = {.tv_sec = ECHO_TIMEOUT_SECONDS, .tv_usec = 0};
      timeout_ = event_base_init_common_timeout(base_, &limit);
    }
    if (evconnlistener_new(base_, on_accept, this, LEV_OPT_CLOSE_ON_EXEC, 0, listener) == nullptr) {
      echo_die("evconnlistener_new");
    }
  }

  [[noreturn]] void run() {
    event_base_dispatch(base_);
    echo_die("event_base_dispatch");
  }

 private:
  static void on_accept(evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* arg) {
    auto* server = static_cast<LibeventServer*>(arg);
    auto* connection = new Connection{server, fd, {}, {}, {}};
    event_assign(&connection->readable, server->base_, fd, EV_READ | EV_PERSIST, on_readable,
                 connection);
    event_assign(&connection->writable, server->base_, fd, EV_WRITE | EV_PERSIST, on_writable,
                 connection);
    event_add(&connection->readable, server->timeout_);
  }

  static void on_readable(evutil_socket_t, short what, void* arg) {
    auto& connection = *static_cast<Connection*>(arg);
    if ((what & EV_TIMEOUT) != 0) return drop(connection);
    connection.server->echo_once(connection);
  }

  static void on_writable(evutil_socket_t, short what, void* arg) {
    auto& connection = *static_cast<Connection*>(arg);
    if ((what & EV_TIMEOUT) != 0) return drop(connection);
    connection.server->send_rest(connection);
  }

  void echo_once(Connection& connection) {
    const ssize_t received = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (received <= 0) {
      if (received == 0 || errno != EAGAIN) drop(connection);
      return;
    }
    const ssize_t sent = send_some(connection, buffer_.data(), static_cast<std::size_t>(received));
    if (sent < 0 || sent == received) return;
    connection.rest.assign(buffer_.data() + sent, buffer_.data() + received);
    event_del(&connection.readable);
    event_add(&connection.writable, timeout_);
  }

  void send_rest(Connection& connection) {
    const ssize_t sent = send_some(connection, connection.rest.data(), connection.rest.size());
    if (sent < 0) return;
    connection.rest.erase(connection.rest.begin(), connection.rest.begin() + sent);
    if (!connection.rest.empty()) return;
    event_del(&connection.writable);
    event_add(&connection.readable, timeout_);
  }

  // Returns how much was sent, 0 when the socket is full, -1 when the connection is gone.
  static ssize_t send_some(Connection& connection, const char* data, std::size_t size) {
    const ssize_t sent = send(connection.fd, data, size, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EAGAIN) return 0;
    drop(connection);
    return -1;
  }

  static void drop(Connection& connection) {
    event_del(&connection.readable);
    event_del(&connection.writable);
    close(connection.fd);
    delete &connection;
  }

  event_base* base_;
  const timeval* timeout_ = nullptr;
  std::vector<char> buffer_;
};

}  // namespace

int main(int argc, char** argv) {
  const EchoOptions options = echo_init(argc, argv);
  const int listener = echo_listen_on_loopback();
  LibeventServer server(listener, options);
  echo_announce(echo_local_port(listener));
  server.run();
}
