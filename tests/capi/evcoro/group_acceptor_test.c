// evcoro/net/group_acceptor.h
#define _GNU_SOURCE
#include <evcoro/net/group_acceptor.h>

#include <stdatomic.h>

#include "waits.h"

// Service is an acceptor of a group, and what its connections have done.
typedef struct Service {
  EVLOOPGROUP* group;
  EVGROUPACCEPTOR* acceptor;
  SOCKADDR address;
  atomic_int served[2];  // connections, by loop
  atomic_int asked;
  atomic_int discarded;
  atomic_int refused;
  int verdict;
  EVTHREAD_PROC proc;
} Service;

static void echo(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Service* const service = ctx;
  char byte;
  const int index = EVLOOPGROUP_index(service->group);
  REQUIRE_C(EVTHREAD_loop(thread) == EVLOOPGROUP_loop(service->group, (size_t)index));
  ++service->served[index];
  while (EVSOCKET_recv(socket, &byte, 1, 0, EVTIMEOUT_NEVER) == 1) {
    if (EVSOCKET_send(socket, &byte, 1, 0, long_time()) != 1) break;
  }
}

static int make_connection(int fd, EVTHREAD_PROC* proc, void** ctx, void* factory_ctx) {
  Service* const service = factory_ctx;
  REQUIRE_C(fd >= 0);
  ++service->asked;
  *proc = service->proc;
  *ctx = service;
  return service->verdict;
}

static void discard_connection(void* ctx, void* factory_ctx) {
  REQUIRE_C(ctx == factory_ctx);
  ++((Service*)ctx)->discarded;
}

static void refuse_connection(EVREFUSAL* refusal, void* factory_ctx) {
  ++((Service*)factory_ctx)->refused;
  REQUIRE_C(EVREFUSAL_write(refusal, "full", 4) == 4);
}

static EVGROUPACCEPTOR_OPTIONS service_options(Service* service) {
  EVGROUPACCEPTOR_OPTIONS options;
  *service = (Service){.group = two_loops(), .verdict = 0, .proc = echo};
  service->address = own_address(0);
  REQUIRE_C(EVGROUPACCEPTOR_OPTIONS_init(&options) == 0);
  options.acceptor.address = &service->address;
  options.acceptor.factory = make_connection;
  options.acceptor.factory_ctx = service;
  options.acceptor.discard = discard_connection;
  options.acceptor.refuse = refuse_connection;
  return options;
}

static void open_service(Service* service, const EVGROUPACCEPTOR_OPTIONS* options) {
  service->acceptor = EVGROUPACCEPTOR_init(service->group, options);
  REQUIRE_C(service->acceptor != NULL);
  REQUIRE_C(EVGROUPACCEPTOR_local_address(service->acceptor, &service->address) == 0);
  REQUIRE_C(SOCKADDR_port(&service->address) > 0);
}

static void close_service(Service* service) {
  EVGROUPACCEPTOR_close(service->acceptor);
  REQUIRE_C(EVLOOPGROUP_free(service->group) == 0);
}

static int client_of(Service* service) {
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE_C(
      connect(client, SOCKADDR_saddr(&service->address), SOCKADDR_length(&service->address)) == 0);
  return client;
}

static void require_served(int client) {
  char byte = 'x';
  REQUIRE_C(send(client, &byte, 1, MSG_NOSIGNAL) == 1);
  REQUIRE_C(recv(client, &byte, 1, 0) == 1 && byte == 'x');
}

// drained_by() is what EVGROUPACCEPTOR_drain() returns in a thread.
static void drain_in_thread(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Service* const service = ctx;
  REQUIRE_C(EVGROUPACCEPTOR_drain(service->acceptor, long_time()) == 0);
}

TEST_CASE_C(acceptor_hand_out, "connections are handed out to the loops of a group") {
  const int descriptors = open_descriptors();
  Service service;
  EVTCPACCEPTOR_COUNTERS counters;
  EVGROUPACCEPTOR_OPTIONS options = service_options(&service);
  int clients[4];
  open_service(&service, &options);
  REQUIRE_C(EVGROUPACCEPTOR_spread(service.acceptor) == EVSPREAD_HAND_OUT);
  for (int i = 0; i < 4; i++) require_served(clients[i] = client_of(&service));
  REQUIRE_C(service.served[0] == 2 && service.served[1] == 2 && service.asked == 4);
  REQUIRE_C(EVGROUPACCEPTOR_counters(service.acceptor, &counters) == 0);
  REQUIRE_C(counters.accepted == 4 && counters.active == 4 && counters.peak == 4);
  REQUIRE_C(counters.refused == 0 && counters.waiting == 0);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_drain(service.acceptor, milliseconds(1)) == -1, ETIMEDOUT);
  for (int i = 0; i < 4; i++) close(clients[i]);
  REQUIRE_C(EVGROUPACCEPTOR_drain(service.acceptor, long_time()) == 0);
  close_service(&service);
  REQUIRE_C(service.discarded == 0);
  REQUIRE_C(open_descriptors() == descriptors);
}

TEST_CASE_C(acceptor_reuse_port, "the kernel spreads connections over the loops of a group") {
  const int descriptors = open_descriptors();
  Service service;
  EVTCPACCEPTOR_COUNTERS counters;
  EVGROUPACCEPTOR_OPTIONS options = service_options(&service);
  options.acceptor.when_full = EVWHEN_FULL_REJECT;
  int clients[4];
  open_service(&service, &options);
  REQUIRE_C(EVGROUPACCEPTOR_spread(service.acceptor) == EVSPREAD_REUSE_PORT);
  for (int i = 0; i < 4; i++) require_served(clients[i] = client_of(&service));
  REQUIRE_C(service.served[0] + service.served[1] == 4);
  REQUIRE_C(EVGROUPACCEPTOR_counters(service.acceptor, &counters) == 0);
  REQUIRE_C(counters.accepted == 4 && counters.active == 4);
  for (int i = 0; i < 4; i++) close(clients[i]);
  EVREMOTETHREAD* const draining =
      EVLOOPGROUP_start(service.group, drain_in_thread, &service, NULL);
  REQUIRE_C(EVREMOTETHREAD_join(draining, long_time()) == 0);
  close_service(&service);
  REQUIRE_C(open_descriptors() == descriptors);
}

TEST_CASE_C(acceptor_limits, "who is one too many for a group's acceptor is told so") {
  Service service;
  char text[4];
  EVTCPACCEPTOR_LIMITS limits;
  EVTCPACCEPTOR_REFUSALS refusals;
  EVGROUPACCEPTOR_OPTIONS options = service_options(&service);
  REQUIRE_C(EVTCPACCEPTOR_LIMITS_init(&limits) == 0);
  limits.max_per_address = 1;
  options.acceptor.limits = &limits;
  options.acceptor.when_full = EVWHEN_FULL_REJECT;
  options.spread = EVSPREAD_HAND_OUT;
  open_service(&service, &options);
  REQUIRE_C(EVGROUPACCEPTOR_spread(service.acceptor) == EVSPREAD_HAND_OUT);
  const int client = client_of(&service);
  require_served(client);
  const int other = client_of(&service);
  REQUIRE_C(recv(other, text, 4, MSG_WAITALL) == 4 && memcmp(text, "full", 4) == 0);
  REQUIRE_C(service.refused == 1);
  REQUIRE_C(EVGROUPACCEPTOR_refusals(service.acceptor, &refusals) == 0);
  REQUIRE_C(refusals.max_per_address == 1 && refusals.max_connections == 0);
  REQUIRE_C(refusals.no_stack == 0 && refusals.rate == 0);
  close(client);
  close(other);
  close_service(&service);
}

TEST_CASE_C(acceptor_max_per_loop, "each loop of a group takes so many connections") {
  Service service;
  char byte = 'x';
  int clients[3];
  EVTCPACCEPTOR_COUNTERS counters;
  EVTCPACCEPTOR_REFUSALS refusals;
  EVGROUPACCEPTOR_OPTIONS options = service_options(&service);
  options.acceptor.when_full = EVWHEN_FULL_REJECT;
  options.spread = EVSPREAD_REUSE_PORT;
  options.max_per_loop = 1;
  open_service(&service, &options);
  for (int i = 0; i < 3; i++) {
    clients[i] = client_of(&service);
    (void)send(clients[i], &byte, 1, MSG_NOSIGNAL);
    (void)recv(clients[i], &byte, 1, 0);  // served, or not
  }
  REQUIRE_C(EVGROUPACCEPTOR_counters(service.acceptor, &counters) == 0);
  REQUIRE_C(counters.active == counters.accepted && counters.active <= 2);
  REQUIRE_C(counters.accepted + counters.refused == 3);
  REQUIRE_C(EVGROUPACCEPTOR_refusals(service.acceptor, &refusals) == 0);
  REQUIRE_C(refusals.max_connections == counters.refused);
  for (int i = 0; i < 3; i++) close(clients[i]);
  close_service(&service);
}

TEST_CASE_C(acceptor_verdicts,
            "a factory may refuse, or give no function, whose context goes back") {
  Service service;
  char byte;
  EVGROUPACCEPTOR_OPTIONS options = service_options(&service);
  open_service(&service, &options);
  service.verdict = 1;
  int client = client_of(&service);
  REQUIRE_C(recv(client, &byte, 1, 0) <= 0);
  close(client);
  REQUIRE_C(service.asked == 1 && service.discarded == 0);
  close_service(&service);

  options = service_options(&service);
  service.proc = NULL;
  open_service(&service, &options);
  client = client_of(&service);
  REQUIRE_C(recv(client, &byte, 1, 0) <= 0);
  close(client);
  close_service(&service);
  REQUIRE_C(service.asked == 1 && service.discarded == 1);
}

// Takes all stacks of the loops, when the acceptor has looked how many there are.
static void occupy(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  (void)EVTHREAD_park(EVTIMEOUT_NEVER);
}

TEST_CASE_C(acceptor_end, "a connection without a stack when all ends has its context discarded") {
  Service service;
  EVGROUPACCEPTOR_OPTIONS options = service_options(&service);
  open_service(&service, &options);
  for (int i = 0; i < 16; i++) {
    REQUIRE_C(EVLOOPGROUP_go_on(service.group, (size_t)i % 2, occupy, NULL, NULL) == 0);
  }
  const int client = client_of(&service);
  const int64_t end = now_us() + 30000000;
  while (service.asked == 0) REQUIRE_C(now_us() < end);
  close_service(&service);
  REQUIRE_C(service.asked == 1 && service.discarded == 1);
  close(client);
}

TEST_CASE_C(acceptor_refused, "what a group's acceptor refuses") {
  Service service;
  STACKS stacks;
  EVTCPACCEPTOR_LIMITS limits;
  EVTCPACCEPTOR_COUNTERS counters;
  EVTCPACCEPTOR_REFUSALS refusals;
  SOCKADDR address;
  EVGROUPACCEPTOR_OPTIONS options = service_options(&service);
  const EVGROUPACCEPTOR_OPTIONS good = options;
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(service.group, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(NULL, &options) == NULL, EINVAL);
  options.acceptor.address = NULL;
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(service.group, &options) == NULL, EINVAL);
  options = good;
  options.acceptor.factory = NULL;
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(service.group, &options) == NULL, EINVAL);
  options = good;
  options.spread = (EVSPREAD)3;
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(service.group, &options) == NULL, EINVAL);
  options = good;
  options.acceptor.stacks = &stacks;
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(service.group, &options) == NULL, EINVAL);
  options = good;
  REQUIRE_C(EVTCPACCEPTOR_LIMITS_init(&limits) == 0);
  limits.reserve = 1;
  options.acceptor.limits = &limits;
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(service.group, &options) == NULL, EINVAL);
  open_service(&service, &good);
  options = good;  // whose address is taken now
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(service.group, &options) == NULL, EADDRINUSE);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_counters(service.acceptor, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_refusals(service.acceptor, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_local_address(service.acceptor, NULL) == -1, EINVAL);
  close_service(&service);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_OPTIONS_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_counters(NULL, &counters) == -1, EINVAL);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_refusals(NULL, &refusals) == -1, EINVAL);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_local_address(NULL, &address) == -1, EINVAL);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_drain(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_spread(NULL) == EVSPREAD_AUTOMATIC, EINVAL);
  EVGROUPACCEPTOR_close(NULL);
}

static void use_parents_acceptor(void* ctx) {
  Service* const service = ctx;
  EVTCPACCEPTOR_COUNTERS counters;
  SOCKADDR address = own_address(0);
  EVGROUPACCEPTOR_OPTIONS options;
  REQUIRE_C(EVGROUPACCEPTOR_OPTIONS_init(&options) == 0);
  options.acceptor.address = &address;
  options.acceptor.factory = make_connection;
  REQUIRE_ERRNO(EVGROUPACCEPTOR_init(service->group, &options) == NULL, ECHILD);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_counters(service->acceptor, &counters) == -1, ECHILD);
  REQUIRE_ERRNO(EVGROUPACCEPTOR_drain(service->acceptor, EVTIMEOUT_NOW) == -1, ECHILD);
  EVGROUPACCEPTOR_close(service->acceptor);
}

TEST_CASE_C(acceptor_forked, "a child process is told that a group's acceptor is its parent's") {
  Service service;
  const EVGROUPACCEPTOR_OPTIONS options = service_options(&service);
  open_service(&service, &options);
  require_in_child(use_parents_acceptor, &service);
  const int client = client_of(&service);
  require_served(client);
  close(client);
  close_service(&service);
}
