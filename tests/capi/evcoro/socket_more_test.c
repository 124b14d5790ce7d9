// EVSOCKETs beyond evthread.h: pairs, pipes, several buffers, files, descriptors, options.
#define _GNU_SOURCE
#include <evcoro/net/socket.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "fixture.h"

static void use_pairs(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  EVSOCKET* ends[2];
  char buffer[16];
  REQUIRE_C(EVSOCKET_pair(thread, ends) == 0);
  REQUIRE_C(EVSOCKET_send(ends[0], "hello", 5, 0, long_time()) == 5);
  REQUIRE_C(EVSOCKET_peek(ends[1], buffer, sizeof buffer, long_time()) == 5);
  REQUIRE_C(EVSOCKET_recv(ends[1], buffer, sizeof buffer, 0, long_time()) == 5);
  REQUIRE_C(EVSOCKET_reset(ends[0]) == 0);
  REQUIRE_C(EVSOCKET_recv(ends[1], buffer, sizeof buffer, 0, long_time()) == 0);
  REQUIRE_C(EVSOCKET_pipe(thread, ends) == 0);
  REQUIRE_ERRNO(EVSOCKET_recv(ends[0], buffer, sizeof buffer, 0, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVSOCKET_send(ends[1], "hello", 5, 0, long_time()) == 5);
  REQUIRE_ERRNO(EVSOCKET_peek(ends[0], buffer, sizeof buffer, long_time()) == -1, ENOTSOCK);
  REQUIRE_C(EVSOCKET_recv(ends[0], buffer, sizeof buffer, 0, long_time()) == 5);
  REQUIRE_C(EVSOCKET_close(ends[0]) == 0);
  REQUIRE_ERRNO(EVSOCKET_send(ends[1], "x", 1, 0, long_time()) == -1, EPIPE);
}

static void use_vectors(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  EVSOCKET* ends[2];
  char a[3], b[10];
  const struct iovec out[] = {{"one", 3}, {NULL, 0}, {"three", 5}};
  const struct iovec in[] = {{a, sizeof a}, {b, sizeof b}};
  const struct iovec wrong[] = {{NULL, 3}};
  size_t sent = 0;
  REQUIRE_C(EVSOCKET_pair(thread, ends) == 0);
  REQUIRE_C(EVSOCKET_send_vector(ends[0], out, 3, 0, long_time(), &sent) == 0);
  REQUIRE_C(sent == 8);
  REQUIRE_C(EVSOCKET_recv_vector(ends[1], in, 2, 0, long_time()) == 8);
  REQUIRE_C(memcmp(a, "one", 3) == 0 && memcmp(b, "three", 5) == 0);
  REQUIRE_ERRNO(EVSOCKET_recv_vector(ends[1], in, 2, 0, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_ERRNO(EVSOCKET_recv_vector(ends[1], wrong, 1, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_send_vector(ends[1], NULL, 1, 0, EVTIMEOUT_NOW, &sent) == -1, EINVAL);
}

static void send_files(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  EVSOCKET* ends[2];
  char buffer[16];
  size_t sent = 0;
  FILE* const file = tmpfile();
  REQUIRE_C(file != NULL && fputs("0123456789", file) >= 0 && fflush(file) == 0);
  REQUIRE_C(EVSOCKET_pair(thread, ends) == 0);
  REQUIRE_C(EVSOCKET_send_file(ends[0], fileno(file), 2, 4, long_time(), &sent) == 0);
  REQUIRE_C(sent == 4);
  REQUIRE_C(EVSOCKET_recv(ends[1], buffer, sizeof buffer, 0, long_time()) == 4);
  REQUIRE_C(memcmp(buffer, "2345", 4) == 0);
  REQUIRE_ERRNO(EVSOCKET_send_file(ends[0], fileno(file), 8, 4, long_time(), &sent) == -1, ENODATA);
  REQUIRE_C(sent == 2);
  REQUIRE_C(strstr(EVERROR_text(ENODATA), "file") != NULL);
  fclose(file);
}

static void pass_descriptors(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  EVSOCKET* ends[2];
  int fds[2], received[2];
  char buffer[16];
  size_t count = 2;
  REQUIRE_C(pipe(fds) == 0);
  REQUIRE_C(EVSOCKET_pair(thread, ends) == 0);
  REQUIRE_C(EVSOCKET_send_descriptors(ends[0], "ab", 2, fds, 2, long_time()) == 0);
  REQUIRE_C(EVSOCKET_recv_descriptors(ends[1], buffer, sizeof buffer, received, &count,
                                      long_time()) == 2);
  REQUIRE_C(count == 2);
  REQUIRE_C(write(received[1], "x", 1) == 1);
  REQUIRE_C(read(fds[0], buffer, 1) == 1);
  close(received[0]);
  close(received[1]);
  count = 1;
  REQUIRE_C(EVSOCKET_send_descriptors(ends[0], "ab", 2, fds, 2, long_time()) == 0);
  REQUIRE_ERRNO(EVSOCKET_recv_descriptors(ends[1], buffer, sizeof buffer, received, &count,
                                          long_time()) == -1,
                EMSGSIZE);
  REQUIRE_C(count == 0);
  REQUIRE_ERRNO(EVSOCKET_send_descriptors(ends[0], "", 0, fds, 2, long_time()) == -1, EINVAL);
  close(fds[0]);
  close(fds[1]);
}

static void reset_connection(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  char byte;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE_C(bind(listener, (struct sockaddr*)&address, length) == 0 && listen(listener, 1) == 0);
  REQUIRE_C(getsockname(listener, (struct sockaddr*)&address, &length) == 0);
  for (int with_reset = 0; with_reset < 2; ++with_reset) {
    EVSOCKET* const socket = EVSOCKET_open(thread, AF_INET);
    REQUIRE_C(EVSOCKET_connect(socket, (struct sockaddr*)&address, length, long_time()) == 0);
    EVSOCKET* const peer = EVSOCKET_init(thread, accept(listener, NULL, NULL), 1);
    REQUIRE_C((with_reset ? EVSOCKET_reset(socket) : EVSOCKET_close(socket)) == 0);
    if (with_reset) {
      REQUIRE_ERRNO(EVSOCKET_recv(peer, &byte, 1, 0, long_time()) == -1, ECONNRESET);
    } else {
      REQUIRE_C(EVSOCKET_recv(peer, &byte, 1, 0, long_time()) == 0);
    }
    REQUIRE_C(EVSOCKET_close(peer) == 0);
  }
  close(listener);
}

static void set_options(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  const struct {
    EVOPTION option;
    int value;
  } each[] = {{EVOPTION_REUSE_ADDRESS, 1},
              {EVOPTION_REUSE_PORT, 1},
              {EVOPTION_LINGER, 3},
              {EVOPTION_LINGER, -1},
              {EVOPTION_KEEPALIVE, 1},
              {EVOPTION_KEEPALIVE_IDLE, 20},
              {EVOPTION_KEEPALIVE_INTERVAL, 5},
              {EVOPTION_KEEPALIVE_COUNT, 4},
              {EVOPTION_NODELAY, 0},
              {EVOPTION_QUICK_ACK, 0},
              {EVOPTION_USER_TIMEOUT, 2500},
              {EVOPTION_HOP_LIMIT, 9},
              {EVOPTION_TRAFFIC_CLASS, 0x20}};
  EVSOCKET* const tcp = EVSOCKET_open(thread, AF_INET);
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    int value = -2;
    REQUIRE_C(EVSOCKET_set_option(tcp, each[i].option, each[i].value) == 0);
    REQUIRE_C(EVSOCKET_get_option(tcp, each[i].option, &value) == 0);
    REQUIRE_C(value == each[i].value);
  }
  REQUIRE_C(EVSOCKET_set_option(tcp, EVOPTION_SEND_BUFFER, 16384) == 0);
  REQUIRE_C(EVSOCKET_set_option(tcp, EVOPTION_RECEIVE_BUFFER, 16384) == 0);
  REQUIRE_ERRNO(EVSOCKET_set_option(tcp, EVOPTION_IPV6_ONLY, 1) == -1, ENOPROTOOPT);
  REQUIRE_ERRNO(EVSOCKET_set_option(tcp, EVOPTION_KEEPALIVE_IDLE, -1) == -1, EINVAL);
}

TEST_CASE_C(socket_more, "sockets in C: pairs, pipes, buffers, files, descriptors, options") {
  Fixture f;
  EVSOCKET* ends[2];
  set_up(&f);
  REQUIRE_ERRNO(EVSOCKET_pair(NULL, ends) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_pipe(NULL, ends) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_reset(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_set_option(NULL, EVOPTION_LINGER, 1) == -1, EINVAL);
  run_in_thread(&f, use_pairs, NULL);
  run_in_thread(&f, use_vectors, NULL);
  run_in_thread(&f, send_files, NULL);
  run_in_thread(&f, pass_descriptors, NULL);
  run_in_thread(&f, reset_connection, NULL);
  run_in_thread(&f, set_options, NULL);
  tear_down(&f);
}

// --- a descriptor of the application's ---

typedef struct RoundTrip {
  EVLOOP* loop;
  struct event* readable;
  int ends[2];
  char input[32];
  size_t count;
} RoundTrip;

static void borrow(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  RoundTrip* const trip = ctx;
  char buffer[16];
  EVSOCKET* const socket = EVSOCKET_init(thread, trip->ends[0], 1);
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, 1, 0, milliseconds(1)) == -1, ETIMEDOUT);
  REQUIRE_C(write(trip->ends[1], "two", 3) == 3);
  REQUIRE_C(EVSOCKET_recv(socket, buffer, sizeof buffer, 0, long_time()) == 3);
  REQUIRE_C(EVSOCKET_send(socket, "answer", 6, 0, long_time()) == 6);
  REQUIRE_C(EVSOCKET_release(socket) == trip->ends[0]);
  REQUIRE_C(event_add(trip->readable, NULL) == 0);
  REQUIRE_C(write(trip->ends[1], "three", 5) == 5);
}

static void on_readable(evutil_socket_t fd, short what, void* ctx) {
  RoundTrip* const trip = ctx;
  const ssize_t count = read(fd, trip->input + trip->count, sizeof trip->input - trip->count);
  REQUIRE_C(count > 0);
  trip->count += (size_t)count;
  REQUIRE_C(event_del(trip->readable) == 0);
  if (trip->count > 3) return;
  REQUIRE_C(EVTHREAD_start(EVTHREAD_init(trip->loop, borrow, trip), NULL) == 0);
}

TEST_CASE_C(round_trip, "in C, a descriptor goes from an event to a thread, and back") {
  struct event_base* const base = event_base_new();
  RoundTrip trip = {.count = 0};
  STACKS stacks;
  char buffer[16];
  REQUIRE_C(STACKS_init(&stacks, 2, 65) == 0);
  trip.loop = EVLOOP_init_base(&stacks, base);
  REQUIRE_C(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, trip.ends) == 0);
  trip.readable = event_new(base, trip.ends[0], EV_READ | EV_PERSIST, on_readable, &trip);
  REQUIRE_C(event_add(trip.readable, NULL) == 0);
  REQUIRE_C(write(trip.ends[1], "one", 3) == 3);
  REQUIRE_C(event_base_dispatch(base) == 1);
  REQUIRE_C(trip.count == 8 && memcmp(trip.input, "onethree", 8) == 0);
  REQUIRE_C(read(trip.ends[1], buffer, sizeof buffer) == 6);
  event_free(trip.readable);
  REQUIRE_C(EVLOOP_free(trip.loop) == 0);
  event_base_free(base);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
  close(trip.ends[0]);
  close(trip.ends[1]);
}
