#include <programs/echo_server.hpp>
#include <vector>

using namespace std::chrono_literals;
using programs::Client;
using programs::EchoServer;

TEST_CASE("the echo server echoes") {
  EchoServer server;
  const Client client = server.connect();
  REQUIRE(client.send("hello"));
  REQUIRE(client.recv(5) == "hello");
  const std::string much(100'000, 'x');
  REQUIRE(client.send(much.substr(0, 50'000)));
  REQUIRE(client.recv(50'000) == much.substr(0, 50'000));
  client.end();
  REQUIRE(client.recv(1).empty());
}

TEST_CASE("the echo server says where it listens and what to type") {
  const EchoServer server{{"--stacks", "7"}};
  REQUIRE(server.address() == "127.0.0.1:" + std::to_string(server.port()));
  REQUIRE(server.output.find("at most 7 connections") != std::string::npos);
  REQUIRE(server.output.find("nc 127.0.0.1 " + std::to_string(server.port())) != std::string::npos);
}

TEST_CASE("the echo server listens on IPv6") {
  if (!programs::has_ipv6()) support::skip("there is no IPv6 here");
  const EchoServer server{{"--address", "::1"}};
  REQUIRE(server.address() == "[::1]:" + std::to_string(server.port()));
  REQUIRE(server.output.find("nc ::1 ") != std::string::npos);
}

TEST_CASE("one client more than stacks waits, and is served when one ends") {
  EchoServer server{{"--stacks", "2"}};
  Client first = server.connect();
  const Client second = server.connect();
  REQUIRE(first.is_served());
  REQUIRE(second.is_served());
  const Client third = server.connect();
  REQUIRE(third.is_connected());
  REQUIRE(third.send("ping"));
  REQUIRE(!third.has_news(100ms));
  REQUIRE(second.is_served());
  first.close();
  REQUIRE(third.recv(4) == "ping");
}

TEST_CASE("the echo server turns clients away when it is told to") {
  EchoServer server{{"--stacks", "1", "--reject"}};
  Client first = server.connect();
  REQUIRE(first.is_served());
  const Client second = server.connect();
  REQUIRE(second.recv(100) == "busy, try again later\n");
  REQUIRE(first.is_served());
}

TEST_CASE("the echo server closes a client that is idle for too long") {
  const EchoServer server{{"--timeout", "0.05"}};
  const Client client = server.connect();
  REQUIRE(client.is_served());
  REQUIRE(client.recv(1).empty());
  REQUIRE(server.connect().is_served());
}

TEST_CASE("the echo server closes a client that takes nothing for too long") {
  EchoServer server{{"--timeout", "0.1", "--stacks", "1"}};
  const Client greedy = server.connect();
  const std::string block(100'000, 'x');
  while (greedy.send(block)) continue;  // until the server gives up
  REQUIRE(server.connect().is_served());
}

TEST_CASE("three hundred clients pass through ten stacks") {
  EchoServer server{{"--stacks", "10"}};
  std::vector<Client> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(server.connect());
    REQUIRE(clients.back().is_connected());
    REQUIRE(clients.back().send("client " + std::to_string(i)));
    clients.back().end();
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    REQUIRE(clients[i].recv(100) == "client " + std::to_string(i));
  }
  server.signal(SIGTERM);
  REQUIRE(server.wait().status == 0);
  REQUIRE(server.output.find("accepted 300, refused 0") != std::string::npos);
}

TEST_CASE("the smallest stacks do") {
  if (support::under_sanitizer()) support::skip("a sanitizer makes frames larger");
  EchoServer server{{"--pages", "2", "--timeout", "0.2", "--stacks", "3", "--reject"}};
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    REQUIRE(clients.back().is_served());
    const std::string message(50'000, 'x');
    REQUIRE(clients.back().send(message));
    REQUIRE(clients.back().recv(message.size()) == message);
  }
  REQUIRE(server.connect().recv(4) == "busy");
  for (const Client& each : clients) REQUIRE(each.recv(1).empty());  // timed out
  server.signal(SIGTERM);
  const auto ended = server.wait();
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 0);
}
