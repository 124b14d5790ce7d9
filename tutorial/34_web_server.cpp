// Chapter 34: a web server in 20 lines.
#include <sys/socket.h>

#include <cctype>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/thread.hpp>

using evcoro::Address;
using evcoro::http::Next;
using evcoro::http::Request;
using evcoro::http::Response;
using evcoro::http::Router;
using evcoro::http::Server;
using namespace std::chrono_literals;

namespace {

// [routes]
Router routes() {
  Router router;
  router.use([](Request& request, Response& response, const Next& next) {
    next();
    std::printf("%s -> %d\n", std::string{request.target()}.c_str(),
                static_cast<int>(response.status()));
  });
  router.get("/", [](Request&, Response& response) { response.send("welcome\n"); });
  router.get("/hello/:name", [](Request& request, Response& response) {
    response.send("hello, " + std::string{request.parameter("name")} + "\n");
  });
  router.get("/slow", [](Request&, Response& response) {
    for (const char* const word : {"this ", "takes ", "time\n"}) {
      if (response.write(std::string_view{word})) return;  // the client has left
      if (evcoro::this_thread::sleep_for(1ms)) return;
    }
  });
  router.post("/shout", [](Request& request, Response& response) {
    auto body = request.read_body(10s);
    if (!body) return;  // the client has been told why, if it can be
    for (char& each : *body) each = static_cast<char>(std::toupper(each));
    response.send(*body);
  });
  return router;
}
// [/routes]

}  // namespace

// [main]
int main(int argc, char** argv) try {
  evcoro::Loop loop{{.capacity = 100}};  // at most 100 connections
  const Address address = Address::parse(argc > 1 ? argv[1] : "127.0.0.1:8080").value();
  const Server server{loop, address, routes()};
  std::printf("listening on %s\n", server.local_address().to_string().c_str());
  std::fflush(stdout);
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "34_web_server: %s\n", error.what());
  return 1;
}
// [/main]
