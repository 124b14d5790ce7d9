// Drains, and the access log.
#include <sys/wait.h>

#include <fstream>

#include <programs/web_server.hpp>
#include <support/folder.hpp>

using namespace std::chrono_literals;
using programs::Client;
using programs::eventually;
using programs::WebServer;

namespace {

// Ends the server, which must do that without complaints; returns what it has said.
const std::string& end(WebServer& server) {
  server.signal(SIGTERM);
  const auto ended = server.wait();
  INFO(ended.output);
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 0);
  REQUIRE(server.errors.empty());
  return server.output;
}

bool said(const std::string& output, const std::string& what) {
  return output.find(what) != std::string::npos;
}

bool has_ended(const WebServer& server) {
  siginfo_t info{};
  const auto id = static_cast<id_t>(server.id());
  return ::waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

}  // namespace

TEST_CASE("SIGTERM ends all services, and tells what each has done") {
  WebServer server{{"--loops", "2"}};
  REQUIRE(server.connect("echo").is_served());
  REQUIRE(server.get("/healthz").status == 200);
  const std::string& output = end(server);
  REQUIRE(
      said(output, "echo ended: active 0 of 100, accepted 1, refused 0, waiting 0, cancelled 0"));
  REQUIRE(said(output, "http ended: active 0 of 100, accepted 1, refused 0"));
  REQUIRE(said(output, "https ended: active 0 of 100, accepted 0, refused 0"));
}

TEST_CASE("SIGTERM lets a request that has begun be answered") {
  WebServer server{{"--drain", "60"}};
  const Client client = server.connect();
  REQUIRE(client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n"));
  REQUIRE(eventually([&] { return server.number("http", "active") == 2; }));
  server.signal(SIGTERM);
  REQUIRE(server.read_until("draining"));
  REQUIRE(client.send("\r\n"));
  const std::string all = client.recv(std::string::npos);
  REQUIRE(all.starts_with("HTTP/1.1 503 "));  // a balancer is told to go elsewhere
  REQUIRE(said(all, "Connection: close\r\n"));
  REQUIRE(said(all, "draining\n"));
  REQUIRE(server.wait().status == 0);
  REQUIRE(said(server.output,
               "http ended: active 0 of 100, accepted 2, refused 0, waiting 0, cancelled 0"));
}

TEST_CASE("SIGTERM lets a file be sent to its end") {
  const support::TemporaryFolder folder;
  const std::size_t size = 30'000'000;
  folder.write("big.bin", "x");
  std::filesystem::resize_file(folder / "big.bin", size);
  WebServer server{{"--root", folder.string(), "--drain", "60"}};
  const Client client = server.connect();
  REQUIRE(client.send(WebServer::request("/big.bin")));
  REQUIRE(client.recv(12) == "HTTP/1.1 200");
  server.signal(SIGTERM);
  REQUIRE(server.read_until("draining"));
  const std::string rest = client.recv(std::string::npos);
  REQUIRE(rest.size() > size);
  REQUIRE(server.wait().status == 0);
}

TEST_CASE("SIGTERM ends events and idle connections at once") {
  WebServer server{{"--drain", "100000"}};
  const Client events = server.connect();
  REQUIRE(events.send(WebServer::request("/status/events")));
  REQUIRE(events.recv(12) == "HTTP/1.1 200");
  const Client idle = server.connect();
  REQUIRE(idle.send(WebServer::request("/healthz")));
  REQUIRE(idle.recv(12) == "HTTP/1.1 200");
  end(server);
  REQUIRE(events.recv(std::string::npos).ends_with("0\r\n\r\n"));
  idle.recv(std::string::npos);
}

TEST_CASE("a second signal cancels the requests that drain") {
  WebServer server{{"--drain", "100000", "--loops", "2"}};
  const Client client = server.connect();
  REQUIRE(client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n"));
  const Client echo = server.connect("echo");
  REQUIRE(echo.is_served());
  REQUIRE(eventually([&] { return server.number("http", "active") == 2; }));
  server.signal(SIGTERM);
  REQUIRE(server.read_until("draining"));
  REQUIRE(!client.has_news(50ms));
  end(server);
  REQUIRE(said(server.output,
               "echo ended: active 0 of 100, accepted 1, refused 0, waiting 0, cancelled 1"));
  REQUIRE(said(server.output, "waiting 0, cancelled 1\nhttps ended"));
}

TEST_CASE("requests that don't end in time are cancelled") {
  WebServer server{{"--drain", "0.1"}};
  const Client client = server.connect();
  REQUIRE(client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n"));
  REQUIRE(eventually([&] { return server.number("http", "active") == 2; }));
  REQUIRE(said(end(server), "waiting 0, cancelled 1\nhttps ended"));
}

TEST_CASE("the access log has a line for each request") {
  const support::TemporaryFolder folder;
  WebServer server{{"--access-log", (folder / "access.log").string()}};
  REQUIRE(server.get("/healthz").status == 200);
  REQUIRE(server.get("/nowhere").status == 404);
  end(server);
  const std::string log = folder.read("access.log");
  INFO(log);
  REQUIRE(log.starts_with("127.0.0.1 - - ["));
  REQUIRE(said(log, "\"GET /healthz HTTP/1.1\" 200 3 "));
  REQUIRE(said(log, "\"GET /nowhere HTTP/1.1\" 404 "));
}

TEST_CASE("the access log may be standard output") {
  WebServer server{{"--access-log", "-"}};
  REQUIRE(server.get("/healthz").status == 200);
  REQUIRE(server.read_until("\"GET /healthz HTTP/1.1\" 200 3 "));
}

TEST_CASE("a server that nobody reads from dies of a further signal") {
  WebServer server{{"--access-log", "-"}};
  const std::string path = "/" + std::string(4000, 'x');
  for (int i = 0; i < 40; ++i) REQUIRE(server.get(path).status == 404);  // more than a pipe takes
  REQUIRE(eventually([&] {
    server.signal(SIGTERM);
    return has_ended(server);
  }));
  REQUIRE(server.wait().signal == SIGTERM);
}

TEST_CASE("SIGHUP opens the access log again") {
  const support::TemporaryFolder folder;
  WebServer server{{"--access-log", (folder / "access.log").string()}};
  REQUIRE(server.get("/healthz").status == 200);
  std::filesystem::rename(folder / "access.log", folder / "access.log.1");
  server.signal(SIGHUP);
  REQUIRE(eventually([&] {
    REQUIRE(server.get("/status.json").status == 200);
    return said(folder.read("access.log"), "GET /status.json");
  }));
  end(server);
}
