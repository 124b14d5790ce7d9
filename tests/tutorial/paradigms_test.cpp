// The three programs of chapter 38 are one service.
#include <tutorial/chapter.hpp>
#include <tutorial/server.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include <support/http_reply.hpp>

using tutorial::Chapter;
using tutorial::expected;
using tutorial::Server;
using tutorial::transcript;

namespace {

// Visitor is a connection to a server.
class Visitor {
 public:
  explicit Visitor(const Server& server, int receive_buffer = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string& text = server.address();
    address.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(text.substr(text.find(':') + 1))));
    if (receive_buffer > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Visitor() { leave(); }
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;

  void leave() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  void send(std::string_view text) const {
    REQUIRE(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }

  // read_to() reads until what has come ends in last; to the end if last is empty.
  std::string read_to(std::string_view last) const {
    std::string all;
    char buffer[4096];
    while (last.empty() || !all.ends_with(last)) {
      const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
      INFO(all.substr(0, 500));
      REQUIRE(count >= 0);
      if (count == 0) {
        REQUIRE(last.empty());
        break;
      }
      all.append(buffer, static_cast<std::size_t>(count));
    }
    return all;
  }
  std::string read_to_end() const { return read_to({}); }

  bool has_answer(int milliseconds) const {
    pollfd event{.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, milliseconds) > 0;
  }

 private:
  int socket_;
};

std::string get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string{path} + " HTTP/1.1\r\nHost: here\r\n" + std::string{more} + "\r\n";
}

std::string any_program() {
  // ThreadSanitizer's own data doesn't fit the small stacks of the OS threads.
  if (support::under_sanitizer()) return GENERATE("38_coroutines", "38_callbacks");
  return GENERATE("38_coroutines", "38_callbacks", "38_os_threads");
}

}  // namespace

TEST_CASE("chapter 38, three paradigms of one service") {
  const std::string name = any_program();
  CAPTURE(name);
  const std::string page = expected("38_three_paradigms");
  REQUIRE(transcript(Server{name}, page) == page);
}

TEST_CASE("chapter 38, requests that come together and in parts") {
  const std::string name = any_program();
  CAPTURE(name);
  const Server server{name};
  const Visitor visitor{server};
  const std::string split = get("/hello/a");
  visitor.send(get("/") + get("/") + split.substr(0, 20));
  REQUIRE(support::parse_replies(visitor.read_to("welcome\n")).size() >= 1);
  visitor.send(split.substr(20));
  REQUIRE(visitor.read_to("hello, a\n").find("Connection: close") == std::string::npos);
  visitor.send(get("/hello/b", "Connection: close\r\n") + get("/"));
  const auto replies = support::parse_replies(visitor.read_to_end());
  REQUIRE(replies.size() == 1);
  REQUIRE(replies[0].body == "hello, b\n");
  REQUIRE(replies[0].field("Connection") == "close");
}

TEST_CASE("chapter 38, a request that is none ends the connection") {
  const std::string name = any_program();
  CAPTURE(name);
  const Server server{name};
  const auto status_for = [&](std::string_view text) {
    const Visitor visitor{server};
    visitor.send(text);
    const auto replies = support::parse_replies(visitor.read_to_end());
    REQUIRE(replies.size() == 1);
    return replies[0].status;
  };
  REQUIRE(status_for("GET / HTTP/1.1\r\n\r\n") == 400);
  REQUIRE(status_for("DELETE / HTTP/1.1\r\nHost: here\r\n\r\n") == 501);
  REQUIRE(status_for(get("/", "Content-Length: 1\r\n")) == 413);
}

TEST_CASE("chapter 38, answers that nobody takes wait") {
  const std::string name = any_program();
  CAPTURE(name);
  const Server server{name};
  const Visitor slow{server, 4096};
  constexpr std::size_t count = 1500;  // 6 MB: more than the kernel keeps
  std::string requests;
  for (std::size_t i = 1; i < count; ++i) requests += get("/bytes");
  slow.send(requests + get("/bytes", "Connection: close\r\n"));
  const Visitor other{server};
  other.send(get("/"));
  REQUIRE(support::parse_replies(other.read_to("welcome\n")).at(0).status == 200);
  const auto replies = support::parse_replies(slow.read_to_end());
  REQUIRE(replies.size() == count);
  for (const auto& reply : replies) REQUIRE(reply.body.size() == 4096);
}

TEST_CASE("chapter 38, who comes when all places are taken waits") {
  const std::string name = any_program();
  CAPTURE(name);
  const Server server{name, Chapter::Arguments{"--connections", "1", "127.0.0.1:0"}};
  Visitor first{server};
  first.send(get("/"));
  first.read_to("welcome\n");
  const Visitor second{server};
  second.send(get("/hello/you"));
  const Visitor third{server};
  REQUIRE_FALSE(second.has_answer(100));
  first.leave();
  second.read_to("hello, you\n");
}

TEST_CASE("chapter 38, an address that is in use, and none") {
  const std::string name = any_program();
  CAPTURE(name);
  const Server first{name};
  Chapter second{name, {first.address()}};
  REQUIRE(second.wait().status == 1);
  REQUIRE(second.errors.find("Address already in use") != std::string::npos);
  Chapter third{name, {"localhost"}};
  REQUIRE(third.wait().output == name + ": no IP address: localhost\n");
}
