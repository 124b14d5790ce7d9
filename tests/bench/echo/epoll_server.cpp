// The baseline of the echo suite: a hand-written, level-triggered epoll loop. One recv and one send
// per message, one buffer for all connections; what a send leaves over is kept by its connection,
// which then waits to write and reads nothing meanwhile.
#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "tests/bench/echo/server_main.h"

namespace {

struct Connection {
  int fd;
  std::vector<char> rest;  // echoed only in part so far; empty but for slow readers
};

class EpollServer {
 public:
  EpollServer(int listener, std::size_t buffer)
      : epoll_(echo_check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
        listener_{listener, {}},
        buffer_(buffer) {
    control(EPOLL_CTL_ADD, EPOLLIN, listener_);
  }

  [[noreturn]] void run() {
    static epoll_event events[1024];
    for (;;) {
      const int count = epoll_wait(epoll_, events, std::size(events), -1);
      if (count < 0 && errno != EINTR) echo_die("epoll_wait");
      for (int i = 0; i < count; ++i) {
        dispatch(*static_cast<Connection*>(events[i].data.ptr), events[i].events);
      }
    }
  }

 private:
  void dispatch(Connection& connection, std::uint32_t events) {
    if (&connection == &listener_) {
      accept_all();
    } else if ((events & EPOLLOUT) != 0) {
      send_rest(connection);
    } else {
      echo_once(connection);
    }
  }

  void accept_all() {
    constexpr int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    for (int fd; (fd = accept4(listener_.fd, nullptr, nullptr, flags)) >= 0;) {
      control(EPOLL_CTL_ADD, EPOLLIN, *new Connection{fd, {}});
    }
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
    control(EPOLL_CTL_MOD, EPOLLOUT, connection);
  }

  void send_rest(Connection& connection) {
    const ssize_t sent = send_some(connection, connection.rest.data(), connection.rest.size());
    if (sent < 0) return;
    connection.rest.erase(connection.rest.begin(), connection.rest.begin() + sent);
    if (connection.rest.empty()) control(EPOLL_CTL_MOD, EPOLLIN, connection);
  }

  // Returns how much was sent, 0 when the socket is full, -1 when the connection is gone.
  ssize_t send_some(Connection& connection, const char* data, std::size_t size) {
    const ssize_t sent = send(connection.fd, data, size, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EAGAIN) return 0;
    drop(connection);
    return -1;
  }

  void drop(Connection& connection) {
    close(connection.fd);
    delete &connection;
  }

  void control(int operation, std::uint32_t events, Connection& connection) {
    epoll_event event = {.events = events, .data = {.ptr = &connection}};
    echo_check(epoll_ctl(epoll_, operation, connection.fd, &event), "epoll_ctl");
  }

  int epoll_;
  Connection listener_;
  std::vector<char> buffer_;
};

}  // namespace

int main(int argc, char** argv) {
  const EchoOptions options = echo_init(argc, argv);
  echo_refuse_timeouts(&options, argv[0]);
  const int listener = echo_listen_on_loopback();
  EpollServer server(listener, options.buffer);
  echo_announce(echo_local_port(listener));
  server.run();
}
