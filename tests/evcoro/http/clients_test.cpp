// HTTP with the programs of others: curl, wrk, h2load, ab, autocannon, slowhttptest, undici; and
// behind nginx and HAProxy.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/io/buffered_reader.hpp>
#include <support/acceptor.hpp>
#include <support/commands.hpp>
#include <support/contains.hpp>
#include <support/http.hpp>
#include <support/proxies.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::contains;
using support::long_time;
using support::run_command;

namespace {

// Sends the body back as it comes.
void echo(Request& request, Response& response) {
  std::array<std::byte, 1000> buffer;
  while (const IoResult in = request.recv(buffer, long_time)) {
    if (in.count == 0 || response.write(std::span{buffer}.first(in.count))) break;
  }
  if (!request.trailers().empty()) response.trailers().add("Got", "trailers");
}

Router routes() {
  Router router;
  router.get("/hello", [](Request&, Response& response) {
    response.fields().set("Content-Type", "text/plain");
    response.send("hello\n");
  });
  router.get("/pieces", [](Request&, Response& response) {
    for (const auto* piece : {"one\n", "two\n", "three\n"}) response.write(std::string_view{piece});
  });
  router.get("/peer", [](Request& request, Response& response) {
    response.send(request.field("X-Forwarded-For"));
  });
  router.post("/echo", echo);
  return router;
}

class ClientsFixture : public support::LoopFixture {
 public:
  ClientsFixture() {
    options.limits.requests = 1 << 30;
    options.acceptor.max_connections = 50;
  }

  template <class Body>
  void with_server(Body&& body) {
    in_thread([&] {
      Server server{*loop, Address::loopback(AF_INET, 0), routes(), options};
      address = server.local_address().to_string();
      url = "http://" + address;
      body();
      server.close();
    });
  }

  std::string curl(const std::string& path, std::vector<std::string> more = {},
                   std::string_view input = {}) {
    std::vector<std::string> command{"curl", "-sS", "--noproxy", "*", "--max-time", "60"};
    command.insert(command.end(), more.begin(), more.end());
    command.push_back(url + path);
    return run_command(std::move(command), input);
  }

  // All ways, by what stands in front at url.
  void check_all_through() {
    const std::string large = support::pattern(300'000);
    for (int i = 0; i < 3; ++i) {
      CHECK(curl("/hello") == "hello\n");
      CHECK(curl("/pieces") == "one\ntwo\nthree\n");
      CHECK(curl("/peer") == "127.0.0.1");
      CHECK(curl("/echo", {"--data-binary", "@-"}, large) == large);
      CHECK(curl("/echo", {"--data-binary", "@-", "-H", "Transfer-Encoding: chunked"}, large) ==
            large);
    }
  }

  support::Folder folder;
  ServerOptions options;
  std::string address;
  std::string url;
};

void skip_if_slow() {
  if (support::running_on_valgrind() || support::under_sanitizer()) {
    support::skip("it takes thousands of requests of a server that isn't slow");
  }
}

}  // namespace

TEST_CASE_METHOD(ClientsFixture, "curl gets and posts in all ways that it has") {
  with_server([&] {
    CHECK(curl("/hello") == "hello\n");
    CHECK(curl("/hello", {"--http1.0"}) == "hello\n");
    CHECK_THAT(curl("/hello", {"-I"}),
               contains("HTTP/1.1 200 OK") && contains("Content-Length: 6"));
    CHECK(curl("/pieces") == "one\ntwo\nthree\n");
    CHECK(curl("/pieces", {"--http1.0"}) == "one\ntwo\nthree\n");
    CHECK(curl("/echo", {"-d", "a=b"}) == "a=b");
    const std::string large = support::pattern(300'000);
    CHECK(curl("/echo", {"--data-binary", "@-"}, large) == large);
    CHECK(curl("/echo", {"--data-binary", "@-", "-H", "Transfer-Encoding: chunked"}, large) ==
          large);
    CHECK(curl("/echo", {"--data-binary", "@-", "-H", "Expect: 100-continue"}, large) == large);
    CHECK_THAT(curl("/nowhere", {"-w", "%{http_code}"}), contains("404"));
    CHECK_THAT(curl("/hello", {"-X", "DELETE", "-i"}),
               contains("405") && contains("Allow: GET, HEAD"));
    CHECK_THAT(curl("/echo", {"-w", "%{http_code}", "-T", "-"}, std::string(2 << 20, 'x')),
               contains("405"));
  });
}

TEST_CASE_METHOD(ClientsFixture, "curl uses one connection for several requests") {
  with_server([&] {
    const std::string said = curl("/hello", {"-v", url + "/hello", url + "/pieces"});
    CHECK_THAT(said, contains("Re-using existing connection"));
    CHECK(said.find("Connected to") == said.rfind("Connected to"));
  });
}

TEST_CASE_METHOD(ClientsFixture, "curl is told that a body is too large") {
  options.limits.body = 1000;
  with_server([&] {
    const std::string large = support::pattern(5000);
    CHECK_THAT(curl("/echo", {"--data-binary", "@-", "-w", "%{http_code}"}, large),
               contains("413"));
    CHECK_THAT(
        curl("/echo",
             {"--data-binary", "@-", "-H", "Transfer-Encoding: chunked", "-w", "%{http_code}"},
             large),
        contains("413"));
  });
}

TEST_CASE_METHOD(ClientsFixture, "curl comes by a UNIX socket") {
  in_thread([&] {
    const std::string path = folder.path() + "/http";
    Server server{*loop, Address::unix_path(path).value(), routes()};
    url = "http://localhost";
    CHECK(curl("/hello", {"--unix-socket", path}) == "hello\n");
    server.close();
  });
}

TEST_CASE_METHOD(ClientsFixture, "wrk and h2load and ab find no error") {
  skip_if_slow();
  with_server([&] {
    const std::string wrk = run_command({"wrk", "-t1", "-c40", "-d1s", url + "/hello"});
    CHECK_THAT(wrk, contains("requests in") && !contains("Socket errors") && !contains("Non-2xx"));
    const std::string h2load =
        run_command({"h2load", "--h1", "-n10000", "-c40", "-m1", url + "/hello"});
    CHECK_THAT(h2load, contains("10000 succeeded, 0 failed, 0 errored, 0 timeout"));
    const std::string pipelined =
        run_command({"h2load", "--h1", "-n10000", "-c10", "-m8", url + "/pieces"});
    CHECK_THAT(pipelined, contains("10000 succeeded, 0 failed, 0 errored, 0 timeout"));
    for (const auto* keep : {"-k", "-q"}) {
      const std::string ab = run_command({"ab", keep, "-n", "5000", "-c", "40", url + "/hello"});
      CHECK_THAT(ab, contains("Failed requests:        0") &&
                         contains("Complete requests:      5000") && !contains("Non-2xx"));
    }
  });
}

TEST_CASE_METHOD(ClientsFixture, "autocannon finds no error with keep-alive and with pipelining") {
  skip_if_slow();
  const std::string autocannon = EVCORO_NPM_MODULES "/autocannon/autocannon.js";
  if (!std::filesystem::exists(autocannon)) {
    support::skip("autocannon isn't there: build-scripts/install_packages.sh test fetches it");
  }
  with_server([&] {
    const auto run = [&](const std::string& path, const std::vector<std::string>& more) {
      std::vector<std::string> command{"node", autocannon, "--json", "--no-progress", "-c", "20"};
      command.insert(command.end(), more.begin(), more.end());
      command.push_back(url + path);
      std::string said = run_command(std::move(command));
      CHECK_THAT(said, contains("\"errors\":0,\"timeouts\":0,\"mismatches\":0,\"non2xx\":0"));
      CHECK_THAT(said, contains("\"resets\":0"));
      return said;
    };
    CHECK_THAT(run("/hello", {"--amount", "4000", "--expectBody", "hello\n"}),
               contains("\"2xx\":4000"));
    // Of those that are still under way at the end it counts none, whoever serves.
    CHECK_THAT(run("/pieces", {"--duration", "1", "--pipelining", "8"}), !contains("\"2xx\":0"));
  });
}

TEST_CASE_METHOD(ClientsFixture, "slowhttptest finds the service available and is hung up on") {
  skip_if_slow();
  options.limits.head = 2s;
  options.limits.body_idle = 2s;
  options.limits.body_rate_grace = 2s;
  options.limits.write_idle = 2s;
  options.acceptor.max_connections = 60;
  with_server([&] {
    const std::vector<std::vector<std::string>> ways{
        {"-H", "-i", "1"},                                      // slow heads
        {"-B", "-i", "1", "-s", "8192"},                        // slow bodies
        {"-X", "-n", "1", "-w", "10", "-y", "20", "-z", "5"}};  // slow readers
    for (const auto& way : ways) {
      std::vector<std::string> command{"slowhttptest",
                                       "-c",
                                       "40",
                                       "-r",
                                       "40",
                                       "-l",
                                       "6",
                                       "-p",
                                       "3",
                                       "-u",
                                       url + (way.front() == "-B" ? "/echo" : "/hello"),
                                       "-t",
                                       way.front() == "-B" ? "POST" : "GET"};
      command.insert(command.end(), way.begin(), way.end());
      const std::string said = run_command(command);
      INFO(way.front());
      CHECK_THAT(said, contains("service available:") && contains("YES") && !contains("NO"));
      CHECK_THAT(said, contains("No open connections left") || contains("Hit test time limit"));
    }
  });
}

TEST_CASE_METHOD(ClientsFixture, "nginx in front finds nothing amiss") {
  support::skip_without_pidfd();
  with_server([&] {
    const support::Proxy nginx{support::Proxy::nginx, address};
    url = "http://" + nginx.address().to_string();
    check_all_through();
  });
}

TEST_CASE_METHOD(ClientsFixture, "HAProxy in front finds nothing amiss") {
  support::skip_without_pidfd();
  with_server([&] {
    const support::Proxy haproxy{support::Proxy::haproxy, address};
    url = "http://" + haproxy.address().to_string();
    check_all_through();
  });
}

TEST_CASE_METHOD(ClientsFixture, "undici pipelines and streams") {
  const std::string script = folder.add("client.js", R"(
const { Client } = require("undici");
(async () => {
  const client = new Client(process.argv[2], { pipelining: 10 });
  const bodies = await Promise.all([...Array(200).keys()].map(async (i) => {
    const { statusCode, body } = await client.request({ path: i % 2 ? "/hello" : "/pieces", method: "GET" });
    return statusCode + (await body.text());
  }));
  const good = bodies.filter((text, i) => text === (i % 2 ? "200hello\n" : "200one\ntwo\nthree\n")).length;
  const { body } = await client.request({ path: "/echo", method: "POST",
    body: (async function* () { for (let i = 0; i < 100; ++i) yield "piece" + i + "\n"; })() });
  const echoed = (await body.text()).split("\n").length - 1;
  console.log(`good ${good}, echoed ${echoed}`);
  await client.close();
})().catch((error) => { console.log(error); process.exit(1); });
)");
  with_server([&] {
    CHECK(run_command({"env", "NODE_PATH=/usr/share/nodejs", "node", script, url}) ==
          "good 200, echoed 100\n");
  });
}
