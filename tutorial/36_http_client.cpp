// Chapter 36: a client. The server that it asks is its own, so that it needs no network.
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <evcoro/http/client.hpp>
#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/tls/context.hpp>
#include <evcoro/tls/socket.hpp>

using evcoro::Address;
using evcoro::IoResult;
using evcoro::Result;
using evcoro::TlsContext;
using namespace evcoro::http;
using namespace std::chrono_literals;

namespace {

// [count]
// How many bytes there are in the body of a Request, or of a ClientResponse.
template <class Message>
Result<std::size_t> count(Message& message) {
  std::array<std::byte, 4096> buffer;
  for (std::size_t sum = 0;;) {
    const IoResult in = message.recv(buffer);
    if (!in) return in.error;
    if (in.count == 0) return sum;
    sum += in.count;
  }
}
// [/count]

// [server]
const std::string block(64 * 1024, 'x');

Router routes() {
  Router router;
  router.get("/hello", [](Request&, Response& response) { response.send("hello"); });
  router.get("/old", [](Request&, Response& response) {
    response.set_status(Status::moved_permanently);
    response.fields().set("Location", "/hello");
  });
  router.get("/slow", [](Request&, Response& response) { response.wait_for_departure(1h); });
  router.get("/long", [](Request&, Response& response) {
    for (int i = 0; i < 100 && !response.write(block); ++i) continue;
  });
  router.put("/count", [](Request& request, Response& response) {
    request.set_body_limit(1 << 30);
    if (const auto bytes = count(request)) response.send(std::to_string(*bytes));
  });
  router.get("/target",
             [](Request& request, Response& response) { response.send(request.target()); });
  return router;
}
// [/server]

// [ask]
void ask(Client& client, const std::string& url, std::chrono::milliseconds timeout = 10s) {
  auto response = client.get(url, timeout);
  if (!response) {
    std::printf("no response: %s\n", response.error().message().c_str());
    return;
  }
  const auto body = response->read_body();
  std::printf("%s: %d, %s\n", response->url().target.c_str(), static_cast<int>(response->status()),
              body ? body->c_str() : body.error().message().c_str());
}
// [/ask]

// [together]
void ask_together(Client& client, const std::string& url) {
  int good = 0;
  {
    evcoro::Scope scope{10s};
    for (int i = 0; i < 20; ++i) {
      scope
          .spawn([&] {
            auto response = client.get(url);
            if (response && response->read_body()) ++good;
          })
          .value();
    }
  }
  std::printf("%d responses on %zu connections\n", good, client.open());
}
// [/together]

// [stream]
void stream(Client& client, const std::string& server) {
  auto response = client.get(server + "/long", 10s).value();
  std::printf("down: %zu bytes\n", count(response).value());

  const auto produce = [](BodyWriter& body) {
    std::error_code error;
    for (int i = 0; i < 50 && !error; ++i) error = body.write(block);
    return error;
  };
  const ClientRequest upload{.url = server + "/count", .method = Method::put, .produce = produce};
  response = client.send(upload, 10s).value();
  std::printf("up: %s bytes\n", response.read_body().value().c_str());
}
// [/stream]

// [options]
ClientOptions options_for(const TlsContext& context) {
  ClientOptions options;
  options.max_connections_per_host = 4;
  options.proxy = ProxySettings{};  // none, whatever the environment says: the server is here
  options.secure = evcoro::secure_by(context);
  return options;
}
// [/options]

// [proxy]
void ask_by_proxy(const std::string& proxy) {
  ::setenv("http_proxy", proxy.c_str(), 1);  // as the shell would have
  ::setenv("no_proxy", "localhost,.internal", 1);
  Client client;
  ask(client, "http://example.org/target");
}
// [/proxy]

}  // namespace

// [main]
int main() try {
  evcoro::Loop loop{{.capacity = 40}};
  const evcoro::TlsCertificate own = evcoro::make_self_signed({"127.0.0.1"});
  ServerOptions https;
  https.secure = evcoro::secure_by(TlsContext{evcoro::TlsServerOptions{.certificates = {own}}});
  const Server server{loop, Address::loopback(AF_INET, 0), routes()};
  const Server secure_server{loop, Address::loopback(AF_INET, 0), routes(), https};
  loop.spawn([&] {
        Client client{options_for(TlsContext{evcoro::TlsClientOptions{.authorities = own.chain}})};
        const std::string url = "http://" + server.local_address().to_string();
        ask(client, url + "/hello");
        ask(client, url + "/old");
        ask(client, url + "/slow", 50ms);
        ask_together(client, url + "/hello");
        stream(client, url);
        ask(client, "https://" + secure_server.local_address().to_string() + "/hello");
        ask_by_proxy(url);
        loop.stop();
      })
      .value()
      .detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "36_http_client: %s\n", error.what());
  return 1;
}
// [/main]
