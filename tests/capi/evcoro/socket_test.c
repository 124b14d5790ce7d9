#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>

#include "fixture.h"

// Pair is a connection inside the process: one end for a thread, the other for the test.
typedef struct Pair {
  Fixture f;
  int ours;
  int peer;
} Pair;

static void make_pair(Pair* pair) {
  int ends[2];
  REQUIRE_C(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  pair->ours = ends[0];
  pair->peer = ends[1];
}

static void feed(const Pair* pair, const char* text) {
  REQUIRE_C(write(pair->peer, text, strlen(text)) == (ssize_t)strlen(text));
}

// run_on_pair() runs proc in a thread with a socket; ctx is the Pair.
static void run_on_pair(EVTHREAD_PROC proc) {
  Pair pair;
  set_up(&pair.f);
  make_pair(&pair);
  EVTHREAD* const thread = EVTHREAD_init(pair.f.loop, proc, &pair);
  EVSOCKET* const socket = EVSOCKET_init(thread, pair.ours, 1);
  REQUIRE_C(socket != NULL);
  REQUIRE_C(EVTHREAD_start(thread, socket) == 0);
  REQUIRE_C(EVLOOP_run(pair.f.loop) == 1);
  close(pair.peer);
  tear_down(&pair.f);
}

// --- receiving and sending ---

static void receive_and_send(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Pair* const pair = ctx;
  char buffer[16];
  feed(pair, "hello");
  REQUIRE_C(EVSOCKET_recv(socket, buffer, sizeof buffer, MSG_PEEK, EVTIMEOUT_NOW) == 5);
  REQUIRE_C(EVSOCKET_recv(socket, buffer, sizeof buffer, 0, EVTIMEOUT_NOW) == 5);
  REQUIRE_C(memcmp(buffer, "hello", 5) == 0);
  REQUIRE_C(EVSOCKET_send(socket, "world", 5, 0, long_time()) == 5);
  REQUIRE_C(read(pair->peer, buffer, sizeof buffer) == 5);
  REQUIRE_C(memcmp(buffer, "world", 5) == 0);
  REQUIRE_C(EVSOCKET_recv(socket, NULL, 0, 0, long_time()) == 0);
  REQUIRE_C(EVSOCKET_send(socket, NULL, 0, 0, long_time()) == 0);
}

TEST_CASE_C(transfers, "recv takes what is there, and send sends") {
  run_on_pair(receive_and_send);
}

static void feed_in_parts(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  for (int i = 0; i < 3; ++i) {
    REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);
    feed(ctx, "abc");
  }
  shutdown(((const Pair*)ctx)->peer, SHUT_WR);
}

static void receive_all(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Pair* const pair = ctx;
  char buffer[16];
  size_t count = 99;
  start(&pair->f, feed_in_parts, pair);
  REQUIRE_C(EVSOCKET_recv_all(socket, buffer, 5, 0, long_time()) == 5);
  REQUIRE_C(memcmp(buffer, "abcab", 5) == 0);
  REQUIRE_C(EVSOCKET_recv_all_ex(socket, buffer, sizeof buffer, 0, long_time(), &count) == 0);
  REQUIRE_C(count == 4);  // and then the end
  REQUIRE_C(EVSOCKET_recv_all(socket, buffer, 5, 0, long_time()) == 0);
  REQUIRE_C(EVSOCKET_recv(socket, buffer, 5, 0, long_time()) == 0);
}

TEST_CASE_C(transfers_all,
            "recv_all waits again and again, until all is there or the peer closes") {
  run_on_pair(receive_all);
}

static void time_out(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Pair* const pair = ctx;
  char buffer[16];
  size_t count = 99;
  const int64_t begin = now_us();
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, sizeof buffer, 0, milliseconds(3)) == -1, ETIMEDOUT);
  REQUIRE_C(now_us() - begin >= 3000);
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, sizeof buffer, 0, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  feed(pair, "ab");
  REQUIRE_ERRNO(EVSOCKET_recv_all_ex(socket, buffer, 5, 0, milliseconds(1), &count) == -1,
                ETIMEDOUT);
  REQUIRE_C(count == 2);
  feed(pair, "cde");
  REQUIRE_C(EVSOCKET_recv_all(socket, buffer + 2, 3, 0, EVTIMEOUT_NOW) == 3);
  REQUIRE_C(memcmp(buffer, "abcde", 5) == 0);
}

TEST_CASE_C(timed_out, "a timeout leaves the socket as usable as before") { run_on_pair(time_out); }

static void send_too_much(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Pair* const pair = ctx;
  const size_t size = 16 * 1024 * 1024;  // more than the kernel takes
  char* const data = calloc(1, size);
  char bin[64 * 1024];
  size_t sent = 0;
  size_t received = 0;
  REQUIRE_C(EVSOCKET_send_ex(socket, data, 3, 0, EVTIMEOUT_NOW, &sent) == 0 && sent == 3);
  REQUIRE_C(read(pair->peer, bin, sizeof bin) == 3);
  REQUIRE_ERRNO(EVSOCKET_send_ex(socket, data, size, 0, milliseconds(1), &sent) == -1, ETIMEDOUT);
  REQUIRE_C(sent > 0 && sent < size);
  for (ssize_t some; (some = read(pair->peer, bin, sizeof bin)) > 0;) received += (size_t)some;
  REQUIRE_C(received == sent);
  REQUIRE_ERRNO(EVSOCKET_send(socket, data, size, 0, milliseconds(1)) == -1, ETIMEDOUT);
  free(data);
}

TEST_CASE_C(sent_in_part, "a send that fails half way says how much was sent") {
  run_on_pair(send_too_much);
}

static void send_to_nobody(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Pair* const pair = ctx;
  close(pair->peer);
  pair->peer = -1;
  REQUIRE_ERRNO(EVSOCKET_send(socket, "x", 1, 0, long_time()) == -1, EPIPE);  // and no SIGPIPE
}

TEST_CASE_C(broken_pipe, "sending to a peer that is gone is EPIPE") { run_on_pair(send_to_nobody); }

// --- the original's defects ---

static void time_out_and_close(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char buffer[16];
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, 1, 0, milliseconds(1)) == -1, ETIMEDOUT);
  REQUIRE_C(EVSOCKET_close(socket) == 0);
  for (int i = 0; i < 10; ++i) {  // connections that reuse the descriptor get their data
    Pair again;
    make_pair(&again);
    EVSOCKET* const next = EVSOCKET_init(thread, again.ours, 1);
    REQUIRE_ERRNO(EVSOCKET_recv(next, buffer, 1, 0, milliseconds(1)) == -1, ETIMEDOUT);
    feed(&again, "x");
    REQUIRE_C(EVSOCKET_recv(next, buffer, sizeof buffer, 0, long_time()) == 1);
    REQUIRE_C(EVSOCKET_close(next) == 0);
    close(again.peer);
  }
}

TEST_CASE_C(descriptor_reused,
            "after a timeout and a close the next on that descriptor gets its data") {
  run_on_pair(time_out_and_close);
}

static void be_idle(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char buffer[1];
  EVSOCKET_set_idle_timeout(socket, milliseconds(1));
  const int64_t begin = now_us();
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(5)) == 0);  // the idle timeout leaves it alone
  REQUIRE_C(now_us() - begin >= 5000);
  Pair other;
  make_pair(&other);
  EVSOCKET* const second = EVSOCKET_init(thread, other.ours, 1);
  const int64_t later = now_us();
  REQUIRE_ERRNO(EVSOCKET_recv(second, buffer, 1, 0, milliseconds(5)) == -1, ETIMEDOUT);
  REQUIRE_C(now_us() - later >= 5000);  // and this wait, too
  close(other.peer);
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, 1, 0, EVTIMEOUT_NEVER) == -1, ETIMEDOUT);
  EVSOCKET_set_idle_timeout(socket, EVTIMEOUT_NEVER);
  feed(ctx, "x");
  REQUIRE_C(EVSOCKET_recv(socket, buffer, 1, 0, EVTIMEOUT_NEVER) == 1);  // as usable as before
  EVSOCKET_set_idle_timeout(NULL, EVTIMEOUT_NEVER);                      // does nothing
}

TEST_CASE_C(idle, "an idle timeout ends that socket's waits only, and closes nothing") {
  run_on_pair(be_idle);
}

// --- both directions ---

typedef struct Duplex {
  EVSOCKET* socket;
  int written;
} Duplex;

static void write_much(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Duplex* const duplex = ctx;
  const size_t size = 4 * 1024 * 1024;
  char* const data = calloc(1, size);
  REQUIRE_C(EVSOCKET_send(socket, data, size, 0, long_time()) == (int)size);
  duplex->written = (int)size;
  free(data);
}

static void read_at_the_peer(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Duplex* const duplex = ctx;
  char bin[64 * 1024];
  while (duplex->written == 0) {
    const int count = EVSOCKET_recv(socket, bin, sizeof bin, 0, milliseconds(1));
    REQUIRE_C(count > 0 || errno == ETIMEDOUT);
  }
  REQUIRE_C(EVSOCKET_send(socket, "done", 4, 0, long_time()) == 4);
}

static void read_and_write(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Pair* const pair = ctx;
  Duplex duplex = {.socket = socket};
  char buffer[4];
  EVTHREAD* const writer = EVTHREAD_init(pair->f.loop, write_much, &duplex);
  REQUIRE_C(EVTHREAD_start_joinable(writer, socket) == 0);
  REQUIRE_ERRNO(EVSOCKET_send(socket, "x", 1, 0, EVTIMEOUT_NOW) == -1, EBUSY);  // a second writer
  EVTHREAD* const reader = EVTHREAD_init(pair->f.loop, read_at_the_peer, &duplex);
  EVSOCKET* const peer = EVSOCKET_init(reader, dup(pair->peer), 1);
  REQUIRE_C(EVTHREAD_start(reader, peer) == 0);
  REQUIRE_C(EVSOCKET_recv_all(socket, buffer, 4, 0, long_time()) == 4);  // while the writer writes
  REQUIRE_C(EVTHREAD_join(writer, long_time()) == 0);
  REQUIRE_C(duplex.written > 0);
}

TEST_CASE_C(full_duplex, "one thread reads a socket while another writes it") {
  run_on_pair(read_and_write);
}

static void close_it(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Duplex* const duplex = ctx;
  char buffer[1];
  REQUIRE_ERRNO(EVSOCKET_recv(duplex->socket, buffer, 1, 0, EVTIMEOUT_NOW) == -1, EBUSY);
  REQUIRE_C(EVSOCKET_close(duplex->socket) == 0);
}

static void be_closed(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char buffer[1];
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, 1, 0, EVTIMEOUT_NEVER) == -1, ECANCELED);
}

TEST_CASE_C(closed_meanwhile, "closing a socket wakes who waits for it") {
  Pair pair;
  set_up(&pair.f);
  make_pair(&pair);
  EVTHREAD* const thread = EVTHREAD_init(pair.f.loop, be_closed, NULL);
  Duplex duplex = {.socket = EVSOCKET_init(thread, pair.ours, 1)};
  REQUIRE_C(EVTHREAD_start(thread, duplex.socket) == 0);
  start(&pair.f, close_it, &duplex);
  REQUIRE_C(EVLOOP_run(pair.f.loop) == 1);
  close(pair.peer);
  tear_down(&pair.f);
}

static void be_cancelled(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char buffer[1];
  SOCKADDR address;
  IPADDRESS loopback;
  IPADDRESS_loopback(&loopback, AF_INET);
  SOCKADDR_init(&address, &loopback, 1);
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, 1, 0, EVTIMEOUT_NEVER) == -1, ECANCELED);
  REQUIRE_ERRNO(EVSOCKET_send(socket, "x", 1, 0, EVTIMEOUT_NEVER) == -1, ECANCELED);
  REQUIRE_ERRNO(EVSOCKET_connect(socket, SOCKADDR_saddr(&address), SOCKADDR_length(&address),
                                 EVTIMEOUT_NEVER) == -1,
                ECANCELED);
  REQUIRE_C(EVTHREAD_acknowledge_cancellation() == 0);
  REQUIRE_C(EVSOCKET_send(socket, "x", 1, 0, EVTIMEOUT_NEVER) == 1);
}

TEST_CASE_C(io_cancelled, "a cancelled thread's transfers fail until it acknowledges") {
  Pair pair;
  set_up(&pair.f);
  make_pair(&pair);
  EVTHREAD* const thread = EVTHREAD_init(pair.f.loop, be_cancelled, NULL);
  REQUIRE_C(EVTHREAD_start(thread, EVSOCKET_init(thread, pair.ours, 1)) == 0);
  REQUIRE_C(EVTHREAD_cancel(thread, EVCANCEL_USER) == 0);
  REQUIRE_C(EVLOOP_run(pair.f.loop) == 1);
  close(pair.peer);
  tear_down(&pair.f);
}

// --- handles ---

static void release_it(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Pair* const pair = ctx;
  REQUIRE_C(EVSOCKET_fd(socket) == pair->ours);
  REQUIRE_C(EVSOCKET_release(socket) == pair->ours);
  REQUIRE_C((fcntl(pair->ours, F_GETFL) & O_NONBLOCK) != 0);  // it is open still
  close(pair->ours);
}

TEST_CASE_C(released, "a descriptor can be released") { run_on_pair(release_it); }

static void nothing(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {}

TEST_CASE_C(not_adopted, "a descriptor that can't be a socket stays the caller's") {
  Fixture f;
  set_up(&f);
  EVTHREAD* const thread = EVTHREAD_init(f.loop, nothing, NULL);
  REQUIRE_ERRNO(EVSOCKET_init(thread, -1, 0) == NULL, EBADF);
  REQUIRE_ERRNO(EVSOCKET_open(thread, 12345) == NULL, EAFNOSUPPORT);
  REQUIRE_C(EVTHREAD_free(thread) == 0);
  tear_down(&f);
}

static void misuse(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char buffer[1];
  size_t count;
  const size_t too_much = (size_t)INT_MAX + 1;
  struct sockaddr address = {.sa_family = AF_UNSPEC};
  REQUIRE_ERRNO(EVSOCKET_recv(socket, NULL, 1, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, too_much, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv_all(socket, NULL, 1, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv_all(socket, buffer, too_much, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv_all(socket, buffer, 1, MSG_PEEK, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_send(socket, NULL, 1, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_send(socket, buffer, too_much, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv_all_ex(socket, buffer, 1, 0, EVTIMEOUT_NOW, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_send_ex(socket, buffer, 1, 0, EVTIMEOUT_NOW, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv_all_ex(socket, NULL, 1, 0, EVTIMEOUT_NOW, &count) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_send_ex(socket, NULL, 1, 0, EVTIMEOUT_NOW, &count) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_connect(socket, NULL, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_connect(socket, &address, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_connect(socket, &address, sizeof address, EVTIMEOUT_NOW) == -1,
                EAFNOSUPPORT);
  REQUIRE_ERRNO(EVSOCKET_shutdown(socket, 99) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_local_address(socket, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_peer_address(socket, NULL) == -1, EINVAL);
}

TEST_CASE_C(socket_misuse, "what can't be transferred is an error") { run_on_pair(misuse); }

TEST_CASE_C(socket_null, "NULL is an error for each function of a socket") {
  char buffer[1];
  size_t count;
  SOCKADDR address;
  REQUIRE_ERRNO(EVSOCKET_init(NULL, 1, 1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_open(NULL, AF_INET) == NULL, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_close(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_release(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_fd(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_connect(NULL, NULL, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv(NULL, buffer, 1, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv_all(NULL, buffer, 1, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_send(NULL, buffer, 1, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_recv_all_ex(NULL, buffer, 1, 0, EVTIMEOUT_NOW, &count) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_send_ex(NULL, buffer, 1, 0, EVTIMEOUT_NOW, &count) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_shutdown(NULL, SHUT_WR) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_local_address(NULL, &address) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_peer_address(NULL, &address) == -1, EINVAL);
}

TEST_CASE_C(io_outside, "a transfer outside a thread is EPERM") {
  Pair pair;
  char buffer[1];
  set_up(&pair.f);
  make_pair(&pair);
  EVTHREAD* const thread = EVTHREAD_init(pair.f.loop, nothing, NULL);
  EVSOCKET* const socket = EVSOCKET_init(thread, pair.ours, 1);
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, 1, 0, EVTIMEOUT_NOW) == -1, EPERM);
  REQUIRE_ERRNO(EVSOCKET_send(socket, buffer, 1, 0, EVTIMEOUT_NOW) == -1, EPERM);
  REQUIRE_C(EVTHREAD_free(thread) == 0);
  close(pair.peer);
  tear_down(&pair.f);
}
