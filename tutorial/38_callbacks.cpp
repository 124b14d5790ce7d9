// Chapter 38: the service with libevent's callbacks. See 38_service.hpp.
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string_view>

#include "38_service.hpp"

namespace {

// [server]
class Connection;

class Server {
 public:
  Server(int listener, std::size_t connections)
      : free_(connections), base_(event_base_new()), timeout_(make_timeout(base_)) {
    evutil_make_socket_nonblocking(listener);
    listener_ = evconnlistener_new(base_, on_accept, this, LEV_OPT_CLOSE_ON_EXEC, 0, listener);
    if (listener_ == nullptr) throw std::runtime_error("no evconnlistener");
    evconnlistener_set_error_cb(listener_, on_error);
  }

  void run() { event_base_dispatch(base_); }

  event_base* base() const { return base_; }
  const timeval* timeout() const { return timeout_; }

  void connection_ended() {
    if (free_++ == 0) evconnlistener_enable(listener_);
  }

 private:
  static void on_accept(evconnlistener*, evutil_socket_t descriptor, sockaddr*, int,
                        void* self) noexcept;
  static void on_error(evconnlistener*, void*) noexcept { std::perror("38_callbacks: accept"); }

  // One for all events: so arming it takes no heap of timeouts.
  static const timeval* make_timeout(event_base* base) {
    if (base == nullptr) throw std::runtime_error("no event_base");
    const timeval limit{.tv_sec = idle.count(), .tv_usec = 0};
    return event_base_init_common_timeout(base, &limit);
  }

  std::size_t free_;  // of the connections that there may be
  event_base* base_;
  const timeval* timeout_;
  evconnlistener* listener_;
};
// [/server]

// [connection]
// Connection reads, until it has something to send that the socket doesn't take; then it waits for
// that, and reads nothing meanwhile.
class Connection {
 public:
  Connection(Server& server, int descriptor) : server_(server), descriptor_(descriptor) {
    event_assign(&readable_, server.base(), descriptor, EV_READ | EV_PERSIST, on_readable, this);
    event_assign(&writable_, server.base(), descriptor, EV_WRITE | EV_PERSIST, on_writable, this);
    event_add(&readable_, server.timeout());
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

 private:
  ~Connection() {
    event_del(&readable_);
    event_del(&writable_);
    ::close(descriptor_);
    server_.connection_ended();
  }

  static void on_readable(evutil_socket_t, short what, void* self) noexcept {
    auto* const connection = static_cast<Connection*>(self);
    const bool goes_on = (what & EV_TIMEOUT) == 0 && connection->receive();
    if (!goes_on) delete connection;
  }

  static void on_writable(evutil_socket_t, short what, void* self) noexcept {
    auto* const connection = static_cast<Connection*>(self);
    const bool goes_on = (what & EV_TIMEOUT) == 0 && connection->send();
    if (!goes_on) delete connection;
  }

  // These return false at the end of the connection.
  bool receive() {
    std::array<char, 1024> buffer;
    const ssize_t count = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    conversation_.take({buffer.data(), static_cast<std::size_t>(count)});
    return send();
  }

  bool send() {
    const std::string_view output = conversation_.output();
    if (!output.empty()) {
      const ssize_t count = ::send(descriptor_, output.data(), output.size(), MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN) return false;
      if (count > 0) conversation_.sent(static_cast<std::size_t>(count));
    }
    wait_for_room(!conversation_.output().empty());
    return !conversation_.is_over();
  }

  void wait_for_room(bool is_needed) {
    if (is_needed == waits_for_room_) return;
    waits_for_room_ = is_needed;
    event_del(is_needed ? &readable_ : &writable_);
    event_add(is_needed ? &writable_ : &readable_, server_.timeout());
  }

  Server& server_;
  const int descriptor_;
  event readable_;
  event writable_;
  bool waits_for_room_ = false;
  Conversation conversation_;
};
// [/connection]

void Server::on_accept(evconnlistener*, evutil_socket_t descriptor, sockaddr*, int,
                       void* self) noexcept {
  auto& server = *static_cast<Server*>(self);
  // Deletes itself. Without memory the program ends.
  new Connection{server, descriptor};  // NOLINT(bugprone-unhandled-exception-at-new)
  if (--server.free_ == 0) evconnlistener_disable(server.listener_);
}

}  // namespace

int main(int argc, char** argv) try {
  const Options options = parse_options(argc, argv);
  allow_descriptors();
  const int listener = listen_on(options.address);
  Server server{listener, options.connections};
  announce(local_address(listener));
  server.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "38_callbacks: %s\n", error.what());
  return 1;
}
