// Chapter 27: an application's events, names, bufferevents and descriptors, in a coroutine thread.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <evcoro/evthread.h>
#include <evcoro/libevent/await_event.h>
#include <evcoro/libevent/bufferevent.h>
#include <evcoro/libevent/evdns.h>

static struct event_base* base;
static const struct timeval timeout = {10, 0};

// [event]
static void on_hang_up(evutil_socket_t number, short what, void* thread) {
  puts("SIGHUP: the callback hears of it");
  EVTHREAD_wake(thread);
}

static void await_a_signal(EVTHREAD* thread) {
  struct event* hang_up = evsignal_new(base, SIGHUP, on_hang_up, thread);
  evsignal_add(hang_up, NULL);
  kill(getpid(), SIGHUP);
  if (EVEVENT_await(hang_up, timeout) == EV_SIGNAL) puts("SIGHUP: the thread hears of it");
  kill(getpid(), SIGHUP);
  EVTHREAD_park(timeout);  // until the callback wakes us
  event_free(hang_up);
}
// [/event]

// [dns]
// The address of a port of a host that our own file of hosts knows.
static struct addrinfo* look_up(const char* host, int port) {
  char path[] = "/tmp/27_awaiting_libevent.XXXXXX", service[16];
  const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  struct addrinfo* addresses = NULL;
  const int file = mkstemp(path);
  dprintf(file, "127.0.0.1 shop.test\n");
  close(file);

  struct evdns_base* dns = evdns_base_new(base, 0);  // without servers: there is no network here
  evdns_base_load_hosts(dns, path);
  snprintf(service, sizeof service, "%d", port);
  const int error = EVDNS_getaddrinfo(dns, host, service, &hints, &addresses, timeout);
  printf("%s: %s\n", host, error == 0 ? "found" : evutil_gai_strerror(error));
  evdns_base_free(dns, 0);
  unlink(path);
  return addresses;
}
// [/dns]

// [bufferevent]
static void on_answer(struct bufferevent* bev, void* thread) {
  char* line = evbuffer_readln(bufferevent_get_input(bev), NULL, EVBUFFER_EOL_LF);
  printf("the callback reads: %s\n", line);
  free(line);
  EVTHREAD_wake(thread);
}

static void ask(EVTHREAD* thread, const struct addrinfo* shop) {
  struct bufferevent* bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(bev, on_answer, NULL, NULL, thread);
  EVBUFFEREVENT* stream = EVBUFFEREVENT_init(thread, bev);
  if (EVBUFFEREVENT_connect(stream, shop->ai_addr, shop->ai_addrlen, timeout) == 0) {
    EVBUFFEREVENT_send(stream, "tea\n", 4, timeout);
    if (EVBUFFEREVENT_drain(stream, timeout) == 0) puts("the thread: asked for tea");
  }
  bev = EVBUFFEREVENT_release(stream);  // from here on it is one with callbacks again
  bufferevent_enable(bev, EV_READ);
  EVTHREAD_park(timeout);
  bufferevent_free(bev);
}
// [/bufferevent]

// [descriptor]
// Reads a word of the application's own socket, and gives it back.
static void read_a_word(EVTHREAD* thread, int fd) {
  char word[16] = "";
  EVSOCKET* socket = EVSOCKET_init(thread, fd, 1);
  EVSOCKET_recv(socket, word, sizeof word - 1, 0, timeout);
  printf("the thread reads: %s\n", word);
  if (EVSOCKET_release(socket) == fd) puts("and the descriptor is the application's again");
}
// [/descriptor]

static void serve_tea(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char order[16];
  const int count = EVSOCKET_recv(socket, order, sizeof order, 0, timeout);
  if (count > 0) EVSOCKET_send(socket, "here you are\n", 13, 0, timeout);
  EVSOCKET_recv(socket, order, sizeof order, 0, timeout);  // the client leaves
}

static int run_tea(int fd, EVTHREAD_PROC* proc, void** ctx) {
  *proc = serve_tea;
  return 0;
}

// [all]
static void do_all(EVTHREAD* thread, EVSOCKET* none, void* acceptor) {
  SOCKADDR address;
  int ends[2];
  await_a_signal(thread);

  EVTCPACCEPTOR_local_address(acceptor, &address);
  struct addrinfo* shop = look_up("shop.test", SOCKADDR_port(&address));
  if (shop != NULL) ask(thread, shop);
  if (shop != NULL) evutil_freeaddrinfo(shop);
  EVTCPACCEPTOR_close(acceptor);

  if (evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0) {
    if (write(ends[1], "hello", 5) == 5) read_a_word(thread, ends[0]);
    close(ends[0]);
    close(ends[1]);
  }
}

int main(void) {
  STACKS stacks;
  IPADDRESS loopback;
  SOCKADDR address;
  base = event_base_new();
  CTHREAD_libinit();
  STACKS_init(&stacks, 10, 9);  // libevent runs on the threads' stacks: 32 KiB, and the guard
  EVLOOP* loop = EVLOOP_init_base(&stacks, base);
  IPADDRESS_loopback(&loopback, AF_INET);
  SOCKADDR_init(&address, &loopback, 0);
  EVTCPACCEPTOR* acceptor = EVTCPACCEPTOR_init_ex(loop, &address, 16, run_tea, -1, -1);
  if (acceptor == NULL) return perror("can't listen"), EXIT_FAILURE;
  EVTHREAD_start(EVTHREAD_init(loop, do_all, acceptor), NULL);

  event_base_dispatch(base);

  EVLOOP_free(loop);
  STACKS_destroy(&stacks);
  event_base_free(base);
  return EXIT_SUCCESS;
}
// [/all]
