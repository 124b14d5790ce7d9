#include <programs/echo_server.hpp>

using namespace std::chrono_literals;
using programs::Client;
using programs::EchoServer;

namespace {

bool reports(const EchoServer& server, const std::string& what) {
  return server.output.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("SIGTERM ends an idle echo server at once") {
  EchoServer server;
  server.signal(SIGTERM);
  const auto ended = server.wait();
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 0);
  REQUIRE(server.errors.empty());
  REQUIRE(reports(server, "ended: active 0 of 100, accepted 0, refused 0, waiting 0, cancelled 0"));
}

TEST_CASE("SIGINT ends an idle echo server at once") {
  EchoServer server;
  server.signal(SIGINT);
  REQUIRE(server.wait().status == 0);
  REQUIRE(reports(server, "ended: "));
}

TEST_CASE("SIGTERM lets an open connection finish") {
  EchoServer server{{"--drain", "60"}};
  const Client client = server.connect();
  REQUIRE(client.is_served());
  server.signal(SIGTERM);
  REQUIRE(server.read_until("draining"));
  REQUIRE(client.is_served());
  client.end();
  REQUIRE(client.recv(1).empty());
  const auto ended = server.wait();
  REQUIRE(ended.status == 0);
  REQUIRE(reports(server, "accepted 1, refused 0, waiting 0, cancelled 0"));
}

TEST_CASE("SIGTERM serves who waits in the backlog, and accepts nobody new") {
  EchoServer server{{"--drain", "60", "--stacks", "1"}};
  Client first = server.connect();
  REQUIRE(first.is_served());
  const Client waiting = server.connect();
  REQUIRE(waiting.send("ping"));
  waiting.end();
  server.signal(SIGTERM);
  REQUIRE(server.read_until("draining"));
  first.close();
  REQUIRE(waiting.recv(10) == "ping");
  REQUIRE(server.wait().status == 0);
  REQUIRE(reports(server, "accepted 2, refused 0, waiting 0, cancelled 0"));
  REQUIRE(!server.connect().is_connected());
}

TEST_CASE("connections that don't finish in time are cancelled") {
  EchoServer server{{"--drain", "0.1"}};
  const Client client = server.connect();
  REQUIRE(client.is_served());
  server.signal(SIGTERM);
  REQUIRE(client.recv(1).empty());
  REQUIRE(server.wait().status == 0);
  REQUIRE(reports(server, "cancelled 1"));
}

TEST_CASE("without a drain time, connections are cancelled at once") {
  EchoServer server{{"--drain", "0"}};
  const Client client = server.connect();
  REQUIRE(client.is_served());
  server.signal(SIGTERM);
  REQUIRE(server.wait().status == 0);
  REQUIRE(reports(server, "cancelled 1"));
}

TEST_CASE("a second signal cancels the connections that drain") {
  EchoServer server{{"--drain", "100000"}};
  const Client client = server.connect();
  REQUIRE(client.is_served());
  server.signal(SIGTERM);
  REQUIRE(server.read_until("draining"));
  server.signal(SIGINT);
  REQUIRE(client.recv(1).empty());
  REQUIRE(server.wait().status == 0);
  REQUIRE(reports(server, "cancelled 1"));
}

TEST_CASE("a storm of signals ends the echo server cleanly") {
  for (int round = 0; round < 10; ++round) {
    EchoServer server;
    const Client client = server.connect();
    REQUIRE(client.is_served());
    for (int i = 0; i < 50; ++i) server.signal(i % 2 == 0 ? SIGTERM : SIGINT);
    const auto ended = server.wait();
    REQUIRE(ended.signal == 0);
    REQUIRE(ended.status == 0);
  }
}

TEST_CASE("other signals do with the echo server what they do with any program") {
  EchoServer server;
  server.signal(SIGWINCH);
  REQUIRE(server.connect().is_served());
  server.signal(SIGUSR1);
  REQUIRE(server.wait().signal == SIGUSR1);
}

TEST_CASE("a server whose output nobody reads any more drains all the same") {
  EchoServer server;
  const Client client = server.connect();
  REQUIRE(client.is_served());
  server.close_output();
  server.signal(SIGTERM);
  client.end();
  const auto ended = server.wait();
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 0);
}

TEST_CASE("who still waits when the drain is over is counted as refused") {
  EchoServer server{{"--stacks", "1", "--drain", "0.2"}};
  const Client first = server.connect();
  REQUIRE(first.is_served());
  const Client waiting = server.connect();
  REQUIRE(waiting.is_connected());
  server.signal(SIGTERM);
  REQUIRE(server.wait().status == 0);
  REQUIRE(reports(server, "accepted 1, refused 1, waiting 0, cancelled 1"));
}
