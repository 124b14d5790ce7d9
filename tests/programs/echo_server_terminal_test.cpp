#include <programs/echo_server.hpp>

using namespace std::chrono_literals;
using programs::Client;
using programs::EchoServer;

namespace {

void need_terminals() {
  if (!support::has_terminals()) support::skip("this machine has no pseudo-terminals");
}

}  // namespace

TEST_CASE("on a terminal, a status line shows the counters and keeps up") {
  need_terminals();
  EchoServer server{{"--stacks", "2"}, {.terminal = true}};
  REQUIRE(server.read_until("echo 0/2; accepted 0, refused 0, waiting 0"));
  const Client first = server.connect();
  const Client second = server.connect();
  const Client third = server.connect();
  REQUIRE(first.is_served());
  REQUIRE(server.read_until("\recho 2/2; accepted 2, refused 0, waiting 1"));
  // It is one line, refreshed.
  const std::string shown = server.output.substr(server.output.find("echo 0/2"));
  REQUIRE(shown.find('\n') == std::string::npos);
}

TEST_CASE("without a terminal there is no status line") {
  EchoServer server;
  REQUIRE(server.connect().is_served());
  REQUIRE(!server.has_more(1500ms));
  REQUIRE(server.output.find("0/100") == std::string::npos);
}

TEST_CASE("on a terminal, the end is reported on a line of its own") {
  need_terminals();
  EchoServer server{{}, {.terminal = true}};
  REQUIRE(server.read_until("echo 0/100"));
  server.signal(SIGINT);
  const auto ended = server.wait();
  REQUIRE(ended.status == 0);
  REQUIRE(server.output.find("\r\ndraining: ") != std::string::npos);
  REQUIRE(server.output.find("ended: active 0 of 100") != std::string::npos);
  REQUIRE(server.output.ends_with("cancelled 0\r\n"));
}
