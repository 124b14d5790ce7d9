// Uses the HTTP layer, and says of which version it is.
#include <stacks/version.h>
#include <cstdio>
#include <evcoro/http/server.hpp>
#include <evcoro/loop.hpp>
#include <string>

using namespace std::chrono_literals;

int main() {
  evcoro::Loop loop{{.capacity = 4}};
  evcoro::http::Server server{
      loop, evcoro::Address::loopback(AF_INET, 0),
      [](evcoro::http::Request&, evcoro::http::Response& response) { response.send("hello"); }};
  auto thread = loop.spawn({.name = "client"}, [&] {
    auto socket = evcoro::connect(server.local_address(), 3s).value();
    static_cast<void>(socket.send("GET / HTTP/1.0\r\n\r\n", 3s));
    std::string answer(1000, ' ');
    answer.resize(socket.recv_all(std::as_writable_bytes(std::span{answer}), 3s).count);
    server.close();
    return answer.ends_with("hello");
  });
  loop.run();
  const bool works = thread.value().join().value();
  std::puts(works ? "http " EVCORO_VERSION_STRING " works" : "http doesn't work");
  return works ? 0 : 1;
}
