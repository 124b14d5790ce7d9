// The load of the evhttp suite: N keep-alive connections, on each a request when the one before it
// is answered. It obeys "ping-pong WARMUP REQUESTS".
//
//   evhttp_client --port=P --server-pid=PID [--connections=N]
#include <sys/socket.h>

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "tests/bench/load_client.hpp"

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view last_words = "\r\n\r\nhello, world\n";

void ask(int fd) {
  const auto count = send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  if (count != static_cast<ssize_t>(request.size())) die("send");
}

// receive() adds to a reply, and returns whether it is complete.
bool receive(int fd, std::string& reply) {
  std::array<char, 4096> buffer;
  const ssize_t count = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count <= 0) die("recv");
  reply.append(buffer.data(), static_cast<std::size_t>(count));
  if (!std::string_view{reply}.ends_with(last_words)) return false;
  if (!reply.starts_with("HTTP/1.1 200 OK\r\n")) die("the server doesn't say 200");
  reply.clear();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const LoadOptions options = parse_load_options(argc, argv);
  PingPong connections{SOCK_STREAM, options};
  std::map<int, std::string> replies;  // as far as they have come
  const auto ping_pong = [&](std::size_t requests) {
    connections.play(requests, ask, [&](int fd) { return receive(fd, replies[fd]); });
  };
  obey(options, {{"ping-pong", ping_pong}});
}
