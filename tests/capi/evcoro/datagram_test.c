// Datagrams in C.
#define _GNU_SOURCE
#include <evcoro/net/datagram.h>
#include <sys/socket.h>

#include "fixture.h"

// bound() is a socket of thread on an address of the kernel's choice, which is stored.
static EVDATAGRAM* bound(EVTHREAD* thread, int family, SOCKADDR* address) {
  IPADDRESS loopback;
  EVDATAGRAM* const socket = EVDATAGRAM_open(thread, family);
  REQUIRE_C(socket != NULL);
  if (family == AF_UNIX) {
    REQUIRE_C(SOCKADDR_init_unix(address, NULL) == 0);
  } else {
    REQUIRE_C(IPADDRESS_loopback(&loopback, family) == 0);
    REQUIRE_C(SOCKADDR_init(address, &loopback, 0) == 0);
  }
  REQUIRE_C(EVDATAGRAM_bind(socket, SOCKADDR_saddr(address), SOCKADDR_length(address)) == 0);
  REQUIRE_C(EVDATAGRAM_local_address(socket, address) == 0);
  return socket;
}

static int send_to(EVDATAGRAM* socket, const char* text, SOCKADDR* to) {
  return EVDATAGRAM_send_to(socket, text, strlen(text), 0, SOCKADDR_saddr(to), SOCKADDR_length(to),
                            long_time());
}

static void go_there_and_back(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  const int families[] = {AF_INET, AF_UNIX};
  for (int i = 0; i < 2; i++) {
    SOCKADDR here, there, sender;
    size_t whole = 0;
    char buffer[8];
    EVDATAGRAM* const one = bound(thread, families[i], &here);
    EVDATAGRAM* const other = bound(thread, families[i], &there);
    REQUIRE_C(send_to(one, "0123456789", &there) == 10);
    REQUIRE_C(EVDATAGRAM_recv_from(other, buffer, sizeof buffer, 0, &sender, &whole, long_time()) ==
              8);
    REQUIRE_C(whole == 10);
    REQUIRE_C(memcmp(buffer, "01234567", 8) == 0);
    REQUIRE_C(send_to(other, "", &sender) == 0);
    REQUIRE_C(EVDATAGRAM_recv_from(one, buffer, sizeof buffer, 0, NULL, &whole, long_time()) == 0);
    REQUIRE_C(whole == 0);
    REQUIRE_ERRNO(
        EVDATAGRAM_recv_from(one, buffer, sizeof buffer, 0, NULL, NULL, EVTIMEOUT_NOW) == -1,
        ETIMEDOUT);
    REQUIRE_C(EVDATAGRAM_connect(one, SOCKADDR_saddr(&there), SOCKADDR_length(&there)) == 0);
    REQUIRE_C(EVDATAGRAM_peer_address(one, &sender) == 0);
    REQUIRE_C(memcmp(&sender, &there, SOCKADDR_length(&there)) == 0);
    REQUIRE_C(EVDATAGRAM_send_to(one, "x", 1, 0, NULL, 0, long_time()) == 1);
    REQUIRE_C(EVDATAGRAM_recv_from(other, buffer, sizeof buffer, 0, NULL, NULL, long_time()) == 1);
    REQUIRE_C(EVDATAGRAM_disconnect(one) == 0);
    REQUIRE_ERRNO(EVDATAGRAM_peer_address(one, &sender) == -1, EAFNOSUPPORT);
    REQUIRE_C(EVDATAGRAM_close(one) == 0);  // the other is the thread's to close
  }
}

static void use_batches(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  SOCKADDR here, there, sender;
  size_t sent = 0, whole = 0;
  void* data = NULL;
  EVDATAGRAM* const one = bound(thread, AF_INET, &here);
  EVDATAGRAM* const other = bound(thread, AF_INET, &there);
  EVDATAGRAM_BATCH* const batch = EVDATAGRAM_BATCH_init(2, 4);
  REQUIRE_ERRNO(EVDATAGRAM_BATCH_add(batch, "12345", 5, &there) == -1, EMSGSIZE);
  REQUIRE_C(EVDATAGRAM_BATCH_add(batch, "1234", 4, &there) == 0);
  REQUIRE_C(EVDATAGRAM_BATCH_add(batch, "", 0, &there) == 0);
  REQUIRE_ERRNO(EVDATAGRAM_BATCH_add(batch, "x", 1, &there) == -1, ENOBUFS);
  REQUIRE_C(EVDATAGRAM_send_batch(one, batch, 0, long_time(), &sent) == 0);
  REQUIRE_C(sent == 2);
  REQUIRE_C(send_to(one, "123456", &there) == 6);
  REQUIRE_C(EVDATAGRAM_recv_batch(other, batch, long_time()) == 2);
  REQUIRE_C(EVDATAGRAM_BATCH_get(batch, 0, &data, &whole, &sender) == 4);
  REQUIRE_C(memcmp(data, "1234", 4) == 0 && whole == 4);
  REQUIRE_C(memcmp(&sender, &here, SOCKADDR_length(&here)) == 0);
  REQUIRE_C(EVDATAGRAM_BATCH_get(batch, 1, &data, NULL, NULL) == 0);
  REQUIRE_C(EVDATAGRAM_recv_batch(other, batch, long_time()) == 1);
  REQUIRE_C(EVDATAGRAM_BATCH_get(batch, 0, &data, &whole, NULL) == 4);
  REQUIRE_C(whole == 6);
  REQUIRE_ERRNO(EVDATAGRAM_BATCH_get(batch, 1, &data, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_recv_batch(other, batch, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVDATAGRAM_BATCH_clear(batch) == 0);
  REQUIRE_C(EVDATAGRAM_send_batch(one, batch, 0, long_time(), &sent) == 0);
  REQUIRE_C(sent == 0);
  REQUIRE_C(EVDATAGRAM_BATCH_free(batch) == 0);
}

static void set_options(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  int value = 0;
  SOCKADDR group;
  EVDATAGRAM* const socket = EVDATAGRAM_open(thread, AF_INET);
  REQUIRE_C(EVDATAGRAM_set_option(socket, EVOPTION_BROADCAST, 1) == 0);
  REQUIRE_C(EVDATAGRAM_get_option(socket, EVOPTION_BROADCAST, &value) == 0);
  REQUIRE_C(value == 1);
  REQUIRE_C(EVDATAGRAM_set_option(socket, EVOPTION_MULTICAST_HOPS, 7) == 0);
  REQUIRE_C(EVDATAGRAM_get_option(socket, EVOPTION_MULTICAST_HOPS, &value) == 0);
  REQUIRE_C(value == 7);
  REQUIRE_ERRNO(EVDATAGRAM_set_option(socket, EVOPTION_NODELAY, 1) == -1, ENOPROTOOPT);
  REQUIRE_ERRNO(EVDATAGRAM_set_option(socket, EVOPTION_HOP_LIMIT, 1000) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_set_option(socket, (EVOPTION)1000, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_get_option(socket, EVOPTION_HOP_LIMIT, NULL) == -1, EINVAL);
  REQUIRE_C(SOCKADDR_parse_string(&group, "127.0.0.1", 1) == 0);
  REQUIRE_ERRNO(EVDATAGRAM_join(socket, &group, 0) == -1, EINVAL);
  REQUIRE_C(SOCKADDR_parse_string(&group, "239.255.3.8", 1) == 0);
  REQUIRE_ERRNO(EVDATAGRAM_leave(socket, &group, 0) == -1, EADDRNOTAVAIL);
  REQUIRE_C(EVDATAGRAM_set_multicast_interface(socket, 0) == 0);  // the system chooses
  REQUIRE_C(EVDATAGRAM_set_multicast_interface(socket, 1000000) == -1);
}

static void misuse(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  char byte;
  void* data;
  size_t sent;
  EVDATAGRAM* const socket = EVDATAGRAM_open(thread, AF_INET);
  REQUIRE_ERRNO(EVDATAGRAM_open(NULL, AF_INET) == NULL, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_open(thread, -1) == NULL, EAFNOSUPPORT);
  REQUIRE_ERRNO(EVDATAGRAM_init(thread, -1) == NULL, EBADF);
  REQUIRE_ERRNO(EVDATAGRAM_init(NULL, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_close(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_release(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_fd(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_bind(socket, NULL, 0) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_connect(socket, NULL, 0) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_disconnect(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_set_multicast_interface(NULL, 0) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_recv_from(NULL, &byte, 1, 0, NULL, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_recv_from(socket, NULL, 1, 0, NULL, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_send_to(NULL, &byte, 1, 0, NULL, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_send_to(socket, "x", 1, 0, NULL, 0, EVTIMEOUT_NOW) == -1, EDESTADDRREQ);
  REQUIRE_ERRNO(EVDATAGRAM_local_address(NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_join(socket, NULL, 0) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_set_option(NULL, EVOPTION_LINGER, 0) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_BATCH_init(0, 1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_BATCH_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_BATCH_clear(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_BATCH_add(NULL, NULL, 0, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_BATCH_get(NULL, 0, &data, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_recv_batch(socket, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVDATAGRAM_send_batch(socket, NULL, 0, EVTIMEOUT_NOW, &sent) == -1, EINVAL);
  const int fd = EVDATAGRAM_fd(socket);
  REQUIRE_C(EVDATAGRAM_release(socket) == fd);
  EVDATAGRAM* const again = EVDATAGRAM_init(thread, fd);
  REQUIRE_C(EVDATAGRAM_fd(again) == fd);
}

static void wait_until_cancelled(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  char byte;
  SOCKADDR address;
  EVDATAGRAM* const socket = bound(thread, AF_INET, &address);
  REQUIRE_ERRNO(EVDATAGRAM_recv_from(socket, &byte, 1, 0, NULL, NULL, EVTIMEOUT_NEVER) == -1,
                ECANCELED);
}

TEST_CASE_C(datagrams, "datagrams in C: there and back, batches, options, misuse, cancellation") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, go_there_and_back, NULL);
  run_in_thread(&f, use_batches, NULL);
  run_in_thread(&f, set_options, NULL);
  run_in_thread(&f, misuse, NULL);
  EVTHREAD* const waiting = start(&f, wait_until_cancelled, NULL);
  REQUIRE_C(EVTHREAD_cancel(waiting, EVCANCEL_USER) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}
