// The echo server on libevent's bufferevents: what was read moves to the output without a copy, and
// with --timeouts reading and writing have a common timeout each.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <cstddef>

#include "tests/bench/echo/server_main.h"

namespace {

class BuffereventServer {
 public:
  BuffereventServer(int listener, const EchoOptions& options)
      : base_(event_base_new()), options_(options) {
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
    static_cast<const BuffereventServer*>(arg)->add(fd);
  }

  void add(evutil_socket_t fd) const {
    bufferevent* connection = bufferevent_socket_new(base_, fd, BEV_OPT_CLOSE_ON_FREE);
    if (connection == nullptr) echo_die("bufferevent_socket_new");
    bufferevent_set_max_single_read(connection, options_.buffer);  // 4096 at most, by libevent
    bufferevent_set_max_single_write(connection, options_.buffer);
    bufferevent_setcb(connection, on_read, nullptr, on_end, nullptr);
    bufferevent_set_timeouts(connection, timeout_, timeout_);
    bufferevent_enable(connection, EV_READ | EV_WRITE);
  }

  // on_read() reads no more while a slow reader leaves much in the output.
  static void on_read(bufferevent* connection, void*) {
    evbuffer* output = bufferevent_get_output(connection);
    evbuffer_add_buffer(output, bufferevent_get_input(connection));
    if (evbuffer_get_length(output) <= most_output) return;
    bufferevent_disable(connection, EV_READ);
    bufferevent_setcb(connection, on_read, on_written, on_end, nullptr);
  }

  static void on_written(bufferevent* connection, void*) {
    bufferevent_enable(connection, EV_READ);
    bufferevent_setcb(connection, on_read, nullptr, on_end, nullptr);
  }

  static void on_end(bufferevent* connection, short, void*) { bufferevent_free(connection); }

  static constexpr std::size_t most_output = std::size_t{256} * 1024;

  event_base* base_;
  const EchoOptions options_;
  const timeval* timeout_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  const EchoOptions options = echo_init(argc, argv);
  const int listener = echo_listen_on_loopback();
  BuffereventServer server(listener, options);
  echo_announce(echo_local_port(listener));
  server.run();
}
