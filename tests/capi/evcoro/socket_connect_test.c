// Sockets that connect.
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fixture.h"

// listening() is a socket that listens on a port of the kernel's choice, and its address.
static int listening(SOCKADDR* address) {
  *address = own_address(0);
  const int listener = bound_socket(address);
  REQUIRE_C(listen(listener, 8) == 0);
  return listener;
}

static void connect_to(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  SOCKADDR* const address = ctx;
  SOCKADDR seen;
  EVSOCKET* const mine = EVSOCKET_open(thread, AF_INET);
  REQUIRE_C(
      EVSOCKET_connect(mine, SOCKADDR_saddr(address), SOCKADDR_length(address), long_time()) == 0);
  REQUIRE_C(EVSOCKET_peer_address(mine, &seen) == 0);
  REQUIRE_C(SOCKADDR_port(&seen) == SOCKADDR_port(address));
  REQUIRE_C(EVSOCKET_local_address(mine, &seen) == 0);
  REQUIRE_C(SOCKADDR_family(&seen) == AF_INET && SOCKADDR_port(&seen) > 0);
  REQUIRE_C(EVSOCKET_send(mine, "hi", 2, 0, long_time()) == 2);
  REQUIRE_C(EVSOCKET_shutdown(mine, SHUT_WR) == 0);
  REQUIRE_ERRNO(EVSOCKET_send(mine, "hi", 2, 0, long_time()) == -1, EPIPE);
}

TEST_CASE_C(connected, "a socket connects, and knows its addresses") {
  Fixture f;
  SOCKADDR address;
  char buffer[16];
  set_up(&f);
  const int listener = listening(&address);
  run_in_thread(&f, connect_to, &address);
  const int accepted = accept(listener, NULL, NULL);
  REQUIRE_C(read(accepted, buffer, sizeof buffer) == 2);
  REQUIRE_C(read(accepted, buffer, sizeof buffer) == 0);
  close(accepted);
  close(listener);
  tear_down(&f);
}

static void connect_local(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  const struct sockaddr_un* const address = ctx;
  const socklen_t length =
      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address->sun_path + 1));
  SOCKADDR seen;
  EVSOCKET* const mine = EVSOCKET_init(thread, socket(AF_UNIX, SOCK_STREAM, 0), 0);
  REQUIRE_C(EVSOCKET_connect(mine, (const struct sockaddr*)address, length, long_time()) == 0);
  REQUIRE_C(EVSOCKET_peer_address(mine, &seen) == 0);
  REQUIRE_C(SOCKADDR_length(&seen) == length);
  REQUIRE_C(memcmp(&seen, address, length) == 0);
}

TEST_CASE_C(connected_locally, "a UNIX socket connects, too") {
  Fixture f;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  set_up(&f);
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "evcoro-test-%d", getpid());
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  const socklen_t length =
      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
  REQUIRE_C(bind(listener, (const struct sockaddr*)&address, length) == 0);
  REQUIRE_C(listen(listener, 1) == 0);
  run_in_thread(&f, connect_local, &address);
  close(listener);
  tear_down(&f);
}

static void be_refused(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  SOCKADDR nowhere = own_address(0);
  const int nobody = bound_socket(&nowhere);
  EVSOCKET* const mine = EVSOCKET_open(thread, AF_INET);
  REQUIRE_C(mine != NULL);
  REQUIRE_ERRNO(EVSOCKET_connect(mine, SOCKADDR_saddr(&nowhere), SOCKADDR_length(&nowhere),
                                 long_time()) == -1,
                ECONNREFUSED);
  close(nobody);
}

TEST_CASE_C(refused, "a refused connect fails") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, be_refused, NULL);
  tear_down(&f);
}
