// The chapters about loops and sockets print what their pages say; the servers serve the client of
// chapter 8.
#include <tutorial/chapter.hpp>
#include <tutorial/server.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

using support::Ended;
using tutorial::Chapter;
using tutorial::expected;
using tutorial::require_prints_as_expected;
using tutorial::Server;

namespace {

// ServerInput is a pipe to a server's standard input.
class ServerInput {
 public:
  ServerInput() { REQUIRE(::pipe2(ends_, O_CLOEXEC) == 0); }
  ~ServerInput() {
    close();
    ::close(ends_[0]);
  }
  ServerInput(const ServerInput&) = delete;
  ServerInput& operator=(const ServerInput&) = delete;

  Chapter::Options options() const {
    return {.set_up = [end = ends_[0]] { ::dup2(end, STDIN_FILENO); }};
  }
  void write(std::string_view text) const {
    REQUIRE(::write(ends_[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void close() { ::close(std::exchange(ends_[1], -1)); }

 private:
  int ends_[2];
};

// UnusedPort is a port of the loopback address on which nobody listens, and nobody can.
class UnusedPort {
 public:
  UnusedPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* const address = reinterpret_cast<sockaddr*>(&address_);
    REQUIRE(::bind(socket_, address, size) == 0);
    REQUIRE(::getsockname(socket_, address, &size) == 0);
  }
  ~UnusedPort() { ::close(socket_); }
  UnusedPort(const UnusedPort&) = delete;
  UnusedPort& operator=(const UnusedPort&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }
  int descriptor() const { return socket_; }

 private:
  int socket_;
  sockaddr_in address_{};
};

bool has_ipv6() {
  const int descriptor = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor >= 0) ::close(descriptor);
  return descriptor >= 0;
}

// Application is one of chapters 20 to 23, with the ports that the system chose.
class Application : public Chapter {
 public:
  explicit Application(const std::string& name) : Chapter(name, {"0", "0"}) {
    http_ = port_after("http on 127.0.0.1:");
    lines_ = port_after("lines on 127.0.0.1:");
  }

  // A connection to one of its ports.
  static int connect(const std::string& port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
    REQUIRE(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return descriptor;
  }

  // exchange() sends text, and reads until what comes ends in answer.
  static void exchange(int descriptor, std::string_view text, std::string_view answer) {
    REQUIRE(::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
    std::string all;
    while (!std::string_view{all}.ends_with(answer)) {
      char byte;
      INFO(all);
      REQUIRE(::recv(descriptor, &byte, 1, 0) == 1);
      all += byte;
    }
  }

  const std::string& http() const { return http_; }
  const std::string& lines() const { return lines_; }

  std::string output_of_the_pages() const {
    std::string text = output;
    text.replace(text.find(http_), http_.size(), "8080");
    return text.replace(text.find(lines_, text.find("lines on")), lines_.size(), "9999");
  }

 private:
  std::string port_after(const std::string& announcement) {
    if (!read_until(announcement) || !read_until("\n")) {
      wait();
      throw std::runtime_error("it doesn't start: " + output + errors);
    }
    const std::size_t begin = output.find(announcement) + announcement.size();
    return output.substr(begin, output.find('\n', begin) - begin);
  }

  std::string http_;
  std::string lines_;
};

std::string without_first_line(const std::string& text) { return text.substr(text.find('\n') + 1); }

void require_fails(const std::string& name, const std::string& argument, const std::string& why) {
  Chapter chapter{name, {argument}};
  const Ended ended = chapter.wait();
  REQUIRE(ended.output == name + ": " + why + "\n");
  REQUIRE(ended.status == 1);
}

void require_client_is_served(const Server& server) {
  Chapter client{"08_client", {server.address()}};
  const Ended ended = client.wait();
  REQUIRE(ended.output == expected("08_client"));
  REQUIRE(ended.status == 0);
}

void require_echo_server(const std::string& name, const std::string& any_port) {
  Server server{name, any_port};
  require_client_is_served(server);
  const std::string pages = expected(name);
  REQUIRE(server.read_until(without_first_line(pages)));
  server.signal(SIGTERM);
  REQUIRE(server.wait().signal == SIGTERM);
  REQUIRE(server.output_of_the_pages() == pages);
  REQUIRE(server.errors.empty());
}

}  // namespace

TEST_CASE("chapter 6, loop and timers") { require_prints_as_expected("06_loop_and_timers"); }

TEST_CASE("chapters 7 and 8, the echo server and its client") {
  require_echo_server("07_echo_server", "127.0.0.1:0");
}

TEST_CASE("chapter 7, an address that is in use, and none") {
  const Server first{"07_echo_server"};
  require_fails("07_echo_server", first.address(),
                "listen on " + first.address() + ": Address already in use");
  require_fails("07_echo_server", "localhost", "no IP address: localhost");
}

TEST_CASE("chapter 8, a server that isn't there, and no address") {
  const UnusedPort unused;
  Chapter client{"08_client", {unused.address()}};
  const Ended ended = client.wait();
  REQUIRE(ended.output == expected("08_client_alone"));
  REQUIRE(ended.status == 1);
  require_fails("08_client", "localhost", "no IP address: localhost");
}

TEST_CASE("chapter 9, deadlines and cancellation") {
  require_prints_as_expected("09_deadlines_and_cancellation");
}

TEST_CASE("chapter 10, the throttle") { require_prints_as_expected("10_throttle"); }

TEST_CASE("chapter 11, the echo server in C") { require_echo_server("11_echo_server_in_c", "0"); }

TEST_CASE("chapter 11, a port that is in use, and none") {
  const Server first{"07_echo_server"};
  const std::string port = first.address().substr(first.address().find(':') + 1);
  require_fails("11_echo_server_in_c", port, "can't listen: Address already in use");
  require_fails("11_echo_server_in_c", "http", "no port: http");
}

TEST_CASE("chapter 12, inside a libevent application") {
  ServerInput input;
  Server server{"12_inside_libevent", "127.0.0.1:0", input.options()};
  require_client_is_served(server);
  input.write("status\n");
  REQUIRE(server.read_until("messages\n"));
  input.write("quit\n");
  REQUIRE(server.wait().status == 0);
  REQUIRE(server.output_of_the_pages() == expected("12_inside_libevent"));
  REQUIRE(server.errors.empty());
}

TEST_CASE("chapter 12, the end of its input is the end of the program") {
  ServerInput input;
  Server server{"12_inside_libevent", "127.0.0.1:0", input.options()};
  input.close();
  REQUIRE(server.wait().status == 0);
  REQUIRE(server.errors.empty());
}

TEST_CASE("chapter 13, datagrams") { require_prints_as_expected("13_datagrams"); }

TEST_CASE("chapter 14, foreign descriptors") {
  require_prints_as_expected("14_foreign_descriptors");
}

TEST_CASE("chapter 15, lines") { require_prints_as_expected("15_lines"); }

TEST_CASE("chapter 16, names") { require_prints_as_expected("16_names"); }

TEST_CASE("chapter 17, many listeners") {
  if (!has_ipv6()) support::skip("it has a listener for IPv6, too");
  require_prints_as_expected("17_many_listeners");
}

TEST_CASE("chapter 17, a listener that a manager has opened") {
  const UnusedPort port;
  REQUIRE(::listen(port.descriptor(), 16) == 0);
  const auto pass = [&] {
    ::dup2(port.descriptor(), 3);
    ::fcntl(3, F_SETFD, 0);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_FDNAMES", "public", 1);
  };
  Chapter chapter{"17_many_listeners", {}, {.set_up = pass}};
  const Ended ended = chapter.wait();
  std::string pages = expected("17_many_listeners");
  const std::string_view ours = "opened by this process";
  REQUIRE(ended.output == pages.replace(pages.find(ours), ours.size(), "opened by a manager"));
  REQUIRE(ended.status == 0);
}

TEST_CASE("chapter 18, blocking work") { require_prints_as_expected("18_blocking_work"); }

TEST_CASE("chapter 19, children and signals") {
  support::skip_without_pidfd();
  require_prints_as_expected("19_children_and_signals");
}

TEST_CASE("chapter 24, scopes") { require_prints_as_expected("24_scopes"); }

TEST_CASE("chapter 25, sockets") { require_prints_as_expected("25_sockets"); }

TEST_CASE("chapter 26, loop control") { require_prints_as_expected("26_loop_control"); }

TEST_CASE("chapter 27, awaiting libevent") { require_prints_as_expected("27_awaiting_libevent"); }

TEST_CASE("chapter 28, locks and conditions") {
  require_prints_as_expected("28_locks_and_conditions");
}

TEST_CASE("chapter 28, a deadlock") {
  if (support::under_emulator()) support::skip("its OS threads count, so there is no report");
  Chapter chapter{"28_locks_and_conditions", {"deadlock"}};
  const Ended ended = chapter.wait();
  REQUIRE(tutorial::without_particulars(ended.output) ==
          tutorial::without_particulars(expected("28_locks_and_conditions_deadlock")));
  REQUIRE(ended.status == 0);
}

TEST_CASE("chapter 29, channels and select") {
  require_prints_as_expected("29_channels_and_select");
}

TEST_CASE("chapter 30, publish and subscribe") {
  require_prints_as_expected("30_publish_and_subscribe");
}

TEST_CASE("chapter 31, pools") { require_prints_as_expected("31_pools"); }

TEST_CASE("chapter 32, loops on every core") {
  require_prints_as_expected("32_loops_on_every_core");
}

TEST_CASE("chapter 33, echo under TLS") { require_prints_as_expected("33_tls_echo"); }

TEST_CASE("chapters 20 to 23, an application takes coroutines in") {
  const std::string name = GENERATE("20_before", "21_attach", "22_handler", "23_lines");
  CAPTURE(name);
  Application application{name};
  if (name == "21_attach") REQUIRE(application.read_until("a thread ends\n"));
  const int http = Application::connect(application.http());
  const int lines = Application::connect(application.lines());
  Application::exchange(lines, "tea\n", "how many?\n");
  Application::exchange(lines, "3\ncake\n1", "how many?\n");
  Application::exchange(http, "GET /slow HTTP/1.1\r\nHost: here\r\n\r\n",
                        "\r\n\r\nslow, but here\n");
  Application::exchange(lines, "\n", "1 cake, coming\nwhat?\n");
  ::close(lines);
  REQUIRE(application.read_until("left\n"));
  ::close(http);
  application.signal(SIGTERM);
  REQUIRE(application.wait().status == 0);
  REQUIRE(application.output_of_the_pages() == expected(name));
  REQUIRE(application.errors.empty());
}
