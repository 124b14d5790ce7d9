// What the evhttp servers under test share: an evhttp on a port that the kernel chooses, and the
// reply.
#pragma once

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <csignal>
#include <cstdint>

#include "tests/bench/echo/server_main.h"

struct HelloServer {
  HelloServer(int argc, char** argv) : base(event_base_new()), http(evhttp_new(base)) {
    echo_init(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    if (http == nullptr) echo_die("evhttp_new");
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET);
    const int listener = echo_listen_on_loopback();
    port = echo_local_port(listener);
    if (evhttp_accept_socket(http, listener) != 0) echo_die("evhttp_accept_socket");
  }

  [[noreturn]] void run() const {
    echo_announce(port);
    event_base_dispatch(base);
    echo_die("event_base_dispatch");
  }

  event_base* base;
  evhttp* http;
  std::uint16_t port = 0;
};

// make_hello() makes the body, which the caller frees.
inline evbuffer* make_hello() {
  evbuffer* const body = evbuffer_new();
  evbuffer_add(body, "hello, world\n", 13);
  return body;
}
