// Foreign descriptors and events in C. What they do is tested in tests/evcoro/.
#define _GNU_SOURCE
#include "fixture.h"

#include <event2/event.h>
#include <fcntl.h>

#include <evcoro/io_event.h>
#include <evcoro/libevent/await_event.h>

typedef struct Pipe {
  int reader;
  int writer;
} Pipe;

static Pipe make_pipe(void) {
  int ends[2];
  REQUIRE_C(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  Pipe result = {ends[0], ends[1]};
  return result;
}

static void close_pipe(Pipe* pipe) {
  close(pipe->reader);
  close(pipe->writer);
}

static void write_soon(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Pipe* const pipe = ctx;
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(2)) == 0);
  REQUIRE_C(write(pipe->writer, "x", 1) == 1);
}

static void start_to_write(EVTHREAD* thread, Pipe* pipe) {
  EVTHREAD* const writer = EVTHREAD_init(EVTHREAD_loop(thread), write_soon, pipe);
  REQUIRE_C(EVTHREAD_start(writer, NULL) == 0);
}

static void wait_for_pipe(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Pipe pipe = make_pipe();
  char byte;
  EVIOEVENT* const event = EVIOEVENT_init(thread, pipe.reader);
  REQUIRE_ERRNO(EVIOEVENT_wait(event, POLLIN, milliseconds(2)) == -1, ETIMEDOUT);
  start_to_write(thread, &pipe);
  REQUIRE_C(EVIOEVENT_wait(event, POLLIN, long_time()) == POLLIN);
  REQUIRE_C(EVIOEVENT_wait(event, POLLIN | POLLOUT, EVTIMEOUT_NOW) == POLLIN);
  REQUIRE_C(read(pipe.reader, &byte, 1) == 1);
  REQUIRE_ERRNO(EVIOEVENT_wait(event, POLLPRI, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVIOEVENT_wait(event, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_C(EVIOEVENT_free(event) == 0);
  start_to_write(thread, &pipe);
  REQUIRE_C(EVIO_wait(pipe.reader, POLLIN, long_time()) == POLLIN);
  REQUIRE_C(EVIO_wait(pipe.writer, POLLOUT, long_time()) == POLLOUT);
  REQUIRE_ERRNO(EVIO_wait(-1, POLLIN, long_time()) == -1, EBADF);
  REQUIRE_C(EVIOEVENT_init(thread, pipe.reader) != NULL);  // freed with the thread
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  REQUIRE_ERRNO(EVIO_wait(file, POLLIN, long_time()) == -1, EPERM);
  close(file);
  close_pipe(&pipe);
}

static void poll_pipes(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Pipe one = make_pipe();
  Pipe other = make_pipe();
  struct pollfd entries[] = {{one.reader, POLLIN, 0}, {other.reader, POLLIN, 0}};
  REQUIRE_ERRNO(EVIO_poll(entries, 2, milliseconds(2)) == -1, ETIMEDOUT);
  start_to_write(thread, &other);
  REQUIRE_C(EVIO_poll(entries, 2, long_time()) == 1);
  REQUIRE_C(entries[0].revents == 0 && entries[1].revents == POLLIN);

  EVPOLLER* const poller = EVPOLLER_init(thread);
  struct epoll_event events[2];
  const epoll_data_t data = {.u32 = 7};
  REQUIRE_C(EVPOLLER_add(poller, one.reader, EPOLLIN, data) == 0);
  REQUIRE_ERRNO(EVPOLLER_add(poller, one.reader, EPOLLIN, data) == -1, EEXIST);
  REQUIRE_ERRNO(EVPOLLER_wait(poller, events, 2, milliseconds(2)) == -1, ETIMEDOUT);
  start_to_write(thread, &one);
  REQUIRE_C(EVPOLLER_wait(poller, events, 2, long_time()) == 1);
  REQUIRE_C(events[0].data.u32 == 7 && events[0].events == EPOLLIN);
  REQUIRE_C(EVPOLLER_modify(poller, one.reader, 0, data) == 0);
  REQUIRE_ERRNO(EVPOLLER_wait(poller, events, 2, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVPOLLER_remove(poller, one.reader) == 0);
  REQUIRE_C(EVPOLLER_free(poller) == 0);
  REQUIRE_C(EVPOLLER_init(thread) != NULL);  // freed with the thread
  close_pipe(&one);
  close_pipe(&other);
}

static void count(evutil_socket_t descriptor, short what, void* times) { ++*(int*)times; }

static void mix_kinds(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int times = 0;
  Pipe pipe = make_pipe();
  struct event_base* const base = EVLOOP_base(EVTHREAD_loop(thread));
  struct event* const edges =
      event_new(base, pipe.reader, EV_READ | EV_ET | EV_PERSIST, count, &times);
  REQUIRE_C(event_add(edges, NULL) == 0);
  EVIOEVENT* const event = EVIOEVENT_init(thread, pipe.reader);
  REQUIRE_ERRNO(EVIOEVENT_wait(event, POLLIN, long_time()) == -1, EEXIST);
  REQUIRE_ERRNO(EVIO_wait(pipe.reader, POLLIN, long_time()) == -1, EEXIST);
  start_to_write(thread, &pipe);
  while (times == 0) REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);  // it goes on
  event_free(edges);
  REQUIRE_C(EVIOEVENT_wait(event, POLLIN, long_time()) == POLLIN);
  REQUIRE_C(EVIOEVENT_free(event) == 0);
  close_pipe(&pipe);
}

TEST_CASE_C(mixed_kinds, "a thread in C learns that a descriptor has an edge-triggered event") {
  Fixture f;
  set_up(&f);
  if ((event_base_get_features(EVLOOP_base(f.loop)) & EV_FEATURE_ET) == 0) {
    c_test_skip("this back end knows one kind only");
  }
  run_in_thread(&f, mix_kinds, NULL);
  tear_down(&f);
}

TEST_CASE_C(descriptors, "threads in C wait for descriptors, one or several") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, wait_for_pipe, NULL);
  run_in_thread(&f, poll_pipes, NULL);
  tear_down(&f);
}

static void await(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int times = 0;
  struct event* const timer = event_new(EVLOOP_base(EVTHREAD_loop(thread)), -1, 0, count, &times);
  const struct timeval soon = {0, 1000};
  REQUIRE_ERRNO(EVEVENT_await(timer, milliseconds(2)) == -1, ETIMEDOUT);
  REQUIRE_C(event_add(timer, &soon) == 0);
  REQUIRE_C(EVEVENT_await(timer, long_time()) == EV_TIMEOUT);
  REQUIRE_ERRNO(EVEVENT_await(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_C(times == 0);
  event_free(timer);
}

static void await_descriptor(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int times = 0;
  Pipe pipe = make_pipe();
  struct event* const readable =
      event_new(EVLOOP_base(EVTHREAD_loop(thread)), pipe.reader, EV_READ, count, &times);
  const struct timeval soon = {0, 1000};
  REQUIRE_C(event_add(readable, &soon) == 0);
  REQUIRE_C(EVEVENT_await(readable, long_time()) == EV_TIMEOUT);
  REQUIRE_C(event_add(readable, NULL) == 0);
  start_to_write(thread, &pipe);
  REQUIRE_C(EVEVENT_await(readable, long_time()) == EV_READ);
  REQUIRE_C(times == 0);
  REQUIRE_C(event_add(readable, NULL) == 0);  // it is the application's again
  while (times == 0) REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);
  event_free(readable);
  close_pipe(&pipe);
}

TEST_CASE_C(events, "a thread in C waits for a struct event") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, await, NULL);
  run_in_thread(&f, await_descriptor, NULL);
  REQUIRE_ERRNO(EVEVENT_await(NULL, EVTIMEOUT_NOW) == -1, EPERM);
  tear_down(&f);
}

TEST_CASE_C(descriptor_misuse, "NULL is an error for each function about descriptors") {
  struct epoll_event event;
  epoll_data_t data = {.u32 = 0};
  REQUIRE_ERRNO(EVIOEVENT_init(NULL, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVIOEVENT_wait(NULL, POLLIN, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVIOEVENT_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVIO_wait(0, POLLIN, EVTIMEOUT_NOW) == -1, EPERM);
  REQUIRE_ERRNO(EVIO_poll(NULL, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVIO_poll(NULL, 0, EVTIMEOUT_NOW) == -1, EPERM);
  REQUIRE_ERRNO(EVPOLLER_init(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVPOLLER_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVPOLLER_add(NULL, 0, 0, data) == -1, EINVAL);
  REQUIRE_ERRNO(EVPOLLER_modify(NULL, 0, 0, data) == -1, EINVAL);
  REQUIRE_ERRNO(EVPOLLER_remove(NULL, 0) == -1, EINVAL);
  REQUIRE_ERRNO(EVPOLLER_wait(NULL, &event, 1, EVTIMEOUT_NOW) == -1, EINVAL);
}
