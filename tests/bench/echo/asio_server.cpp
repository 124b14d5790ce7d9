// The echo server on Asio: a chain of handlers per connection, each with a buffer of its own. One
// thread runs the io_context, so Asio is built without locks, and sockets have its concrete
// executor instead of a type-erased one.
#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
#define ASIO_DISABLE_THREADS
#include <asio.hpp>
#include <utility>
#include <vector>

#include "tests/bench/echo/server_main.h"

namespace {

using asio::ip::tcp;
using Executor = asio::io_context::executor_type;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
using Socket = asio::basic_stream_socket<tcp, Executor>;

// A Connection owns itself: it goes with the first operation that fails.
class Connection {
 public:
  Connection(Socket socket, std::size_t buffer) : socket_(std::move(socket)), buffer_(buffer) {
    socket_.non_blocking(true);
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [this](const asio::error_code& error, std::size_t received) {
                              if (error) return drop();
                              write(received);
                            });
  }

 private:
  void write(std::size_t size) {
    asio::error_code error;
    const std::size_t sent = socket_.write_some(asio::buffer(buffer_, size), error);
    if (sent == size) return read();
    if (error && error != asio::error::would_block) return drop();
    asio::async_write(socket_, asio::buffer(buffer_.data() + sent, size - sent),
                      [this](const asio::error_code& failed, std::size_t) {
                        if (failed) return drop();
                        read();
                      });
  }

  void drop() { delete this; }

  Socket socket_;
  std::vector<char> buffer_;
};

void accept(Acceptor& acceptor, std::size_t buffer) {
  acceptor.async_accept([&acceptor, buffer](const asio::error_code& error, Socket socket) {
    if (!error) (new Connection(std::move(socket), buffer))->read();
    accept(acceptor, buffer);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const EchoOptions options = echo_init(argc, argv);
  echo_refuse_timeouts(&options, argv[0]);
  const int listener = echo_listen_on_loopback();
  asio::io_context context(1);
  Acceptor acceptor(context, tcp::v4(), listener);
  accept(acceptor, options.buffer);
  echo_announce(echo_local_port(listener));
  context.run();
}
