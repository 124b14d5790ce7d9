// An evhttp that says hello, each time by a coroutine thread.
#include <evcoro/libevent/evhttp.hpp>
#include <evcoro/loop.hpp>

#include "tests/bench/evhttp/hello.hpp"

int main(int argc, char** argv) {
  const HelloServer server{argc, argv};
  evcoro::Loop loop{{.capacity = 1000}, server.base};
  const auto hello = [](evcoro::EvhttpRequest& request) {
    evbuffer* const body = make_hello();
    request.reply(200, body, "OK");
    evbuffer_free(body);
  };
  const evcoro::EvhttpHandler handler{loop, server.http, "/", hello};
  server.run();
}
