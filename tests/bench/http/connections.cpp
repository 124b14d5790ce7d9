#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/bench/http/client.hpp"

namespace {

[[noreturn]] void die_of_tls(const char* what) {
  std::fprintf(stderr, "client: %s\n", what);
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

sockaddr_in loopback_address(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl((INADDR_LOOPBACK & IN_CLASSC_NET) | host);
  address.sin_port = htons(port);
  return address;
}

// expect_more() ends the client if a call of OpenSSL's has failed for another reason than that its
// peer hasn't sent yet.
void expect_more(const SSL* ssl, int result, const char* what) {
  if (SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ) die_of_tls(what);
}

int connect_to(std::uint16_t port, std::size_t source) {
  constexpr std::size_t sources = 250;
  const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  check(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on), "setsockopt");
  const auto own = loopback_address(static_cast<std::uint32_t>(source % sources) + 1, 0);
  check(bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own), "bind");
  const auto peer = loopback_address(1, port);
  check(connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof peer), "connect");
  check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  check(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
  return fd;
}

}  // namespace

HttpConnection::HttpConnection(Target& target, std::size_t source, SSL_SESSION* session)
    : target_(target), fd_(connect_to(target.port, source)) {
  if (target_.context) shake_hands(session);
}

HttpConnection::~HttpConnection() { close(fd_); }

void HttpConnection::shake_hands(SSL_SESSION* session) {
  ssl_.reset(SSL_new(target_.context.get()));
  if (!ssl_ || SSL_set_fd(ssl_.get(), fd_) != 1) die_of_tls("no SSL");
  if (session != nullptr) SSL_set_session(ssl_.get(), session);
  for (int result; (result = SSL_connect(ssl_.get())) != 1;) {
    expect_more(ssl_.get(), result, "the handshake failed");
  }
}

void HttpConnection::send_request() {
  const std::string& request = target_.request;
  const auto size = static_cast<ssize_t>(request.size());
  const ssize_t count = ssl_ ? SSL_write(ssl_.get(), request.data(), static_cast<int>(size))
                             : send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
  if (count != size) die("send");
}

std::size_t HttpConnection::receive(char* buffer, std::size_t size) {
  if (ssl_) {
    const int count = SSL_read(ssl_.get(), buffer, static_cast<int>(size));
    if (count <= 0) expect_more(ssl_.get(), count, "SSL_read");
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  const ssize_t count = recv(fd_, buffer, size, 0);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count == 0) errno = ECONNRESET;
  if (count <= 0) die("recv");
  return static_cast<std::size_t>(count);
}

std::size_t HttpConnection::receive_some() {
  std::array<char, 16384> buffer;
  const std::size_t count = receive(buffer.data(), buffer.size());
  if (count == 0) return 0;
  constexpr std::string_view fine = "HTTP/1.1 200 OK\r\n";
  if (received_ == 0 && !std::string_view{buffer.data(), count}.starts_with(fine)) {
    std::fputs("client: the server doesn't say 200\n", stderr);
    std::exit(1);
  }
  received_ += count;
  if (target_.answer == 0) {
    head_.append(buffer.data(), count);
    learn_size();
  }
  if (target_.answer == 0) return 0;
  const std::size_t whole = received_ / target_.answer;
  received_ %= target_.answer;
  return whole;
}

void HttpConnection::learn_size() {
  constexpr std::string_view end = "\r\n\r\n";
  constexpr std::string_view name = "\r\ncontent-length:";
  const std::size_t head = head_.find(end);
  if (head == std::string::npos) return;
  std::string small = head_.substr(0, head);
  for (char& c : small) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::size_t field = small.find(name);
  if (field == std::string::npos) {
    std::fputs("client: an answer without Content-Length\n", stderr);
    std::exit(1);
  }
  target_.answer =
      head + end.size() + std::strtoul(small.data() + field + name.size(), nullptr, 10);
}

void HttpConnection::end() {
  if (ssl_) SSL_shutdown(ssl_.get());
  check(shutdown(fd_, SHUT_WR), "shutdown");
  std::array<char, 4096> rest;
  for (ssize_t count; (count = recv(fd_, rest.data(), rest.size(), 0)) != 0;) {
    if (count < 0 && errno != EAGAIN) die("the server's goodbye");
  }
}
