#include <programs/web_server.hpp>

using namespace std::chrono_literals;
using programs::Client;
using programs::eventually;
using programs::WebServer;
using support::Reply;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What clients of any page are told, lest they take it for something else.
void require_safe(const Reply& reply) {
  REQUIRE(reply.status == 200);
  REQUIRE(reply.field("X-Content-Type-Options") == "nosniff");
  REQUIRE(reply.field("Referrer-Policy") == "no-referrer");
}

// A client that gets the events.
Client watch(const WebServer& server) {
  Client client = server.connect();
  REQUIRE(client.send(WebServer::request("/status/events")));
  REQUIRE(client.recv(12).starts_with("HTTP/1.1 "));
  return client;
}

std::string until(const Client& client, std::string_view text) {
  std::string all;
  while (all.find(text) == std::string::npos) {
    const std::string more = client.recv(1);
    REQUIRE(!more.empty());
    all += more;
  }
  return all;
}

}  // namespace

TEST_CASE("the server says where its services listen and what to type") {
  const WebServer server{{"--stacks", "7", "--http-stacks", "8"}};
  const std::string& said = server.output;
  INFO(said);
  REQUIRE(contains(said, "at most 7 connections"));
  REQUIRE(contains(said, "at most 8 connections"));
  REQUIRE(contains(said, "nc 127.0.0.1 " + std::to_string(server.port("echo"))));
  REQUIRE(contains(said, "curl " + server.url("http", "/status.json")));
  REQUIRE(contains(said, "curl -k " + server.url("https", "/status.json")));
  REQUIRE(contains(said, server.url("http", "/ in a browser")));
  REQUIRE(server.connect("echo").is_served());
}

TEST_CASE("the status page is one page that loads nothing from elsewhere") {
  const WebServer server;
  const Reply page = server.get("/");
  require_safe(page);
  REQUIRE(page.field("Content-Type") == "text/html; charset=utf-8");
  REQUIRE(page.field("Cache-Control") == "no-store");
  REQUIRE(contains(page.body, "<!DOCTYPE html>"));
  REQUIRE(contains(page.body, "</html>"));
  REQUIRE(!contains(page.body,
                    "@"
                    "NONCE@"));
  REQUIRE(!contains(page.body, "@STYLE@"));
  REQUIRE(!contains(page.body, "src=\"http"));
  REQUIRE(server.get("/status").body.size() == page.body.size());
  REQUIRE(server.get("/", {}, "HEAD").field("Content-Length") == std::to_string(page.body.size()));
}

TEST_CASE("the status page lets nothing run but its own script") {
  const WebServer server;
  const Reply page = server.get("/");
  const std::string policy = page.field("Content-Security-Policy");
  REQUIRE(policy.starts_with("default-src 'none'; script-src 'nonce-"));
  REQUIRE(!contains(policy, "unsafe"));
  const std::size_t begin = policy.find("'nonce-") + 7;
  const std::string nonce = policy.substr(begin, policy.find('\'', begin) - begin);
  REQUIRE(nonce.size() == 32);
  REQUIRE(contains(page.body, "<script nonce=\"" + nonce + "\">"));
  REQUIRE(contains(page.body, "<style nonce=\"" + nonce + "\">"));
  REQUIRE(server.get("/").field("Content-Security-Policy") != policy);
}

TEST_CASE("the state is JSON") {
  const WebServer server;
  const Reply reply = server.get("/status.json");
  require_safe(reply);
  REQUIRE(reply.field("Content-Type") == "application/json");
  const auto checked = programs::run_other(
      "node", {"-e",
               "const status = JSON.parse(process.argv[1]);"
               "console.log(status.services.map(s => s.name + s.capacity + s.refused).join(),"
               "  status.loops.length, status.draining, status.uptime_seconds >= 0)",
               reply.body});
  INFO(checked.output);
  REQUIRE(checked.output == "echo1000,http1000,https1000 1 false true\n");
}

TEST_CASE("the state counts the connections and requests of each service") {
  const WebServer server{{"--stacks", "3"}};
  REQUIRE(server.number("echo", "active") == 0);
  const Client client = server.connect("echo");
  REQUIRE(client.is_served());
  REQUIRE(client.is_served());
  REQUIRE(server.number("echo", "active") == 1);
  REQUIRE(server.number("echo", "capacity") == 3);
  REQUIRE(eventually([&] { return server.number("echo", "requests") == 2; }));
  REQUIRE(server.number("http", "active") >= 1);
  REQUIRE(eventually([&] { return server.number("http", "requests_per_second") > 0; }));
  REQUIRE(server.number("https", "accepted") == 0);
}

TEST_CASE("the page is there while echo clients have all their stacks") {
  const WebServer server{{"--stacks", "1"}};
  const Client first = server.connect("echo");
  REQUIRE(first.is_served());
  const Client second = server.connect("echo");
  REQUIRE(second.is_connected());
  REQUIRE(server.get("/").status == 200);
  REQUIRE(server.number("echo", "active") == 1);
  REQUIRE(eventually([&] { return server.number("echo", "waiting") == 1; }));
}

TEST_CASE("echo clients are served while HTTP clients have all their stacks") {
  const WebServer server{{"--http-stacks", "1"}};
  const Client idle = server.connect();
  REQUIRE(idle.send(WebServer::request("/healthz")));
  REQUIRE(until(idle, "ok\n").starts_with("HTTP/1.1 200"));
  const Client waiting = server.connect();
  REQUIRE(waiting.send(WebServer::request("/healthz")));
  REQUIRE(!waiting.has_news(100ms));
  REQUIRE(server.connect("echo").is_served());
}

TEST_CASE("HTTP clients beyond the cap are turned away when the server is told to") {
  const WebServer server{{"--http-stacks", "1", "--reject"}};
  const Client first = server.connect();
  REQUIRE(first.send(WebServer::request("/healthz")));
  REQUIRE(until(first, "ok\n").starts_with("HTTP/1.1 200"));
  const Client second = server.connect();
  const std::string refusal = second.recv(std::string::npos);
  REQUIRE(refusal.starts_with("HTTP/1.1 503 "));
  REQUIRE(contains(refusal, "Retry-After: 1\r\n"));
}

TEST_CASE("events tell the state now and once a second") {
  const WebServer server;
  const Client client = watch(server);
  const std::string head = until(client, "\r\n\r\n");
  REQUIRE(contains(head, "Content-Type: text/event-stream"));
  REQUIRE(contains(until(client, "\n\n"), "data: {\"version\""));
  const Client echo = server.connect("echo");
  REQUIRE(echo.is_served());
  REQUIRE(contains(until(client, "\n\n"), R"("active":1)"));
}

TEST_CASE("half of the HTTP stacks are never taken by who watches") {
  const WebServer server{{"--http-stacks", "4"}};
  const Client first = watch(server);
  const Client second = watch(server);
  const Reply third = server.get("/status/events");
  REQUIRE(third.status == 503);
  REQUIRE(third.field("Retry-After") == "30");
  REQUIRE(server.get("/status.json").status == 200);
}

TEST_CASE("metrics tell of all services and loops") {
  const WebServer server{{"--loops", "2"}};
  REQUIRE(server.connect("echo").is_served());
  const Reply reply = server.get("/metrics");
  require_safe(reply);
  for (const char* const line :
       {"echo_connections_accepted 1\n", "echo_connections_waiting 0\n", "echo_requests ",
        "http_connections{server=\"http\"} 1\n", "http_connections{server=\"https\"} 0\n",
        "evcoro_stacks_capacity{loop=\"0\"} 150\n", "evcoro_stacks_peak{loop=\"1\"} ",
        "http_request_duration_seconds_count "}) {
    INFO(line << reply.body);
    REQUIRE(contains(reply.body, line));
  }
}

TEST_CASE("text is compressed for who takes it") {
  const WebServer server;
  const Reply page = server.get("/", "Accept-Encoding: gzip\r\n");
  REQUIRE(page.field("Content-Encoding") == "gzip");
  REQUIRE(page.body.size() < server.get("/").body.size() / 2);
}

TEST_CASE("what isn't there isn't found, and nothing can be posted") {
  const WebServer server;
  REQUIRE(server.get("/index.html").status == 404);
  REQUIRE(server.get("/status/").status == 404);
  REQUIRE(server.get("/status.json", "Content-Length: 0\r\n", "POST").status == 405);
}

TEST_CASE("several loops share the connections") {
  const WebServer server{{"--loops", "3", "--stacks", "9"}};
  std::vector<Client> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(server.connect("echo"));
    REQUIRE(clients.back().is_served());
  }
  const Client waiting = server.connect("echo");
  REQUIRE(waiting.send("ping"));
  REQUIRE(!waiting.has_news(100ms));
  const std::string status = server.status();
  REQUIRE(WebServer::number(status, "\"echo\"", "active") == 9);
  std::size_t loops = 0;
  for (std::size_t at = status.find("\"loops\""); loops < 10; ++loops) {
    at = status.find("\"stacks\"", at + 1);
    if (at == std::string::npos) break;
    REQUIRE(WebServer::number(status.substr(at), "", "stacks_in_use") >= 3);
    REQUIRE(WebServer::number(status.substr(at), "", "requests") >= 3);
  }
  REQUIRE(loops == 3);
  clients.pop_back();
  REQUIRE(waiting.recv(4) == "ping");
}

TEST_CASE("services can be left out") {
  const WebServer server{{"--echo-port", "off", "--https-port", "off"}};
  const std::string status = server.status();
  REQUIRE(contains(status, "\"http\""));
  REQUIRE(!contains(status, "\"https\""));
  REQUIRE(!contains(status, "\"echo\""));
  REQUIRE(!contains(server.output, "nc "));
  REQUIRE(!contains(server.get("/metrics").body, "echo_"));
}
