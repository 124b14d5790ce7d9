// The HTTP server of evcoro/http/README.md. Without a port it asks itself, and ends.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop.hpp>

using namespace std::chrono_literals;

// [http_server]
using evcoro::http::Request;
using evcoro::http::Response;

evcoro::http::Router make_router() {
  evcoro::http::Router router;
  router.get("/hello/:name", [](Request& request, Response& response) {
    response.fields().set("Content-Type", "text/plain");
    response.write("hello, ");
    response.write(request.parameter("name"));
    response.write("\n");
  });
  router.post("/sum", [](Request& request, Response& response) {
    std::array<std::byte, 1024> buffer;  // the client is slowed down to the pace of this
    unsigned sum = 0;
    while (const evcoro::IoResult in = request.recv(buffer)) {
      if (in.count == 0) {
        response.send(std::to_string(sum));
        break;
      }
      for (const std::byte each : std::span{buffer}.first(in.count))
        sum += std::to_integer<unsigned>(each);
    }  // after an error the client gets 400, 408 or 413
  });
  return router;
}

void serve(evcoro::Loop& loop, const evcoro::Address& address) {
  evcoro::http::ServerOptions options;
  options.limits.body = 100 << 20;
  evcoro::http::Server server{loop, address, make_router(), options};
  loop.run();
}
// [/http_server]

namespace {

// ask() prints what a server says.
void ask(const evcoro::Address& address) {
  auto socket = evcoro::connect(address, 3s);
  if (!socket) return;
  constexpr std::string_view request = "GET /hello/world HTTP/1.0\r\nHost: localhost\r\n\r\n";
  if (!socket->send(request, 3s)) return;
  std::array<char, 1024> buffer;
  while (const auto in = socket->recv(std::as_writable_bytes(std::span{buffer}), 3s)) {
    if (in.count == 0) return;
    std::fwrite(buffer.data(), 1, in.count, stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  evcoro::Loop loop{{.capacity = 100}};
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  const auto address = evcoro::Address::loopback(AF_INET, port);
  if (port != 0) return serve(loop, address), 0;
  evcoro::http::Server server{loop, address, make_router()};
  auto client = loop.spawn([&] {
    ask(server.local_address());
    loop.stop();
  });
  loop.run();
}
