// The echo server on libuv: each connection reads into a buffer of its own and writes at once what
// the socket takes; for the rest it waits, and reads nothing meanwhile.
#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/bench/echo/server_main.h"

namespace {

void check(int status, const char* what) {
  if (status >= 0) return;
  std::fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
  std::exit(1);
}

class Connection {
 public:
  Connection(uv_stream_t* listener, std::size_t buffer) : buffer_(buffer) {
    check(uv_tcp_init(listener->loop, &socket_), "uv_tcp_init");
    socket_.data = this;
    check(uv_accept(listener, stream()), "uv_accept");
    read();
  }

 private:
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&socket_); }

  void read() { uv_read_start(stream(), on_alloc, on_read); }

  static void on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    std::vector<char>& own = static_cast<Connection*>(handle->data)->buffer_;
    *buffer = uv_buf_init(own.data(), static_cast<unsigned>(own.size()));
  }

  static void on_read(uv_stream_t* stream, ssize_t received, const uv_buf_t*) {
    auto* connection = static_cast<Connection*>(stream->data);
    if (received > 0) connection->write(static_cast<std::size_t>(received));
    if (received < 0) connection->drop();
  }

  void write(std::size_t size) {
    uv_buf_t whole = uv_buf_init(buffer_.data(), static_cast<unsigned>(size));
    const int written = uv_try_write(stream(), &whole, 1);
    if (written == static_cast<int>(size)) return;
    if (written < 0 && written != UV_EAGAIN) return drop();
    const std::size_t sent = written < 0 ? 0 : static_cast<std::size_t>(written);
    uv_buf_t rest = uv_buf_init(buffer_.data() + sent, static_cast<unsigned>(size - sent));
    uv_read_stop(stream());
    write_.data = this;
    if (uv_write(&write_, stream(), &rest, 1, on_written) < 0) drop();
  }

  static void on_written(uv_write_t* write, int status) {
    auto* connection = static_cast<Connection*>(write->data);
    if (status == UV_ECANCELED) return;  // dropped meanwhile
    if (status < 0) return connection->drop();
    connection->read();
  }

  void drop() {
    uv_close(reinterpret_cast<uv_handle_t*>(&socket_),
             [](uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); });
  }

  uv_tcp_t socket_ = {};
  uv_write_t write_ = {};
  std::vector<char> buffer_;
};

std::size_t buffer_size;  // of each connection

void on_connection(uv_stream_t* listener, int status) {
  if (status == 0) new Connection(listener, buffer_size);
}

}  // namespace

int main(int argc, char** argv) {
  const EchoOptions options = echo_init(argc, argv);
  echo_refuse_timeouts(&options, argv[0]);
  buffer_size = options.buffer;
  const int descriptor = echo_listen_on_loopback();
  uv_tcp_t listener;
  check(uv_tcp_init(uv_default_loop(), &listener), "uv_tcp_init");
  check(uv_tcp_open(&listener, descriptor), "uv_tcp_open");
  check(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), SOMAXCONN, on_connection),
        "uv_listen");
  echo_announce(echo_local_port(descriptor));
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
