#define _GNU_SOURCE
#include <evcoro/child.h>
#include <evcoro/fork.h>
#include <evcoro/signals.h>

#include <signal.h>
#include <sys/syscall.h>

#include "fixture.h"

// Under Valgrind, for one, children can't be waited for.
static void skip_without_pidfd(void) {
  const long pidfd = syscall(SYS_pidfd_open, getpid(), 0);
  if (pidfd < 0) c_test_skip("there is no pidfd_open()");
  close((int)pidfd);
}

static const char* const cat[] = {"cat", NULL};

static void run_commands(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const EVCOMMAND command = {
      .arguments = cat, .in = {EVREDIRECT_SOCKET, 0}, .out = {EVREDIRECT_SOCKET, 0}};
  EVCHILD* const child = EVCHILD_start(thread, &command);
  REQUIRE_C(child != NULL);
  REQUIRE_C(EVCHILD_pid(child) > 0);
  EVSOCKET* const in = EVCHILD_socket(child, STDIN_FILENO);
  EVSOCKET* const out = EVCHILD_socket(child, STDOUT_FILENO);
  REQUIRE_C(in != NULL && out != NULL);
  REQUIRE_ERRNO(EVCHILD_socket(child, STDIN_FILENO) == NULL, EBADF);
  REQUIRE_ERRNO(EVCHILD_socket(child, STDERR_FILENO) == NULL, EBADF);
  REQUIRE_ERRNO(EVCHILD_socket(child, 3) == NULL, EINVAL);
  REQUIRE_C(EVSOCKET_send(in, "text", 4, 0, long_time()) == 4);
  char buffer[10] = "";
  REQUIRE_C(EVSOCKET_recv(out, buffer, sizeof buffer, 0, long_time()) == 4);
  REQUIRE_C(strcmp(buffer, "text") == 0);
  EVCHILD_STATUS status = {-1, -1, -1};
  REQUIRE_ERRNO(EVCHILD_wait(child, &status, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVSOCKET_close(in) == 0);
  REQUIRE_C(EVCHILD_wait(child, &status, long_time()) == 0);
  REQUIRE_C(status.code == 0 && status.signal == 0 && !status.core_dumped);
  REQUIRE_ERRNO(EVCHILD_kill(child, SIGTERM) == -1, ESRCH);
  REQUIRE_C(EVCHILD_free(child) == 0);
}

static void run_to_the_end(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const char* const script[] = {"sh", "-c", "cat; echo $COLOUR; pwd >&2; exit 3", NULL};
  const char* const environment[] = {"COLOUR=green", NULL};
  const EVCOMMAND command = {.arguments = script,
                             .environment = environment,
                             .directory = "/",
                             .errors = {EVREDIRECT_SOCKET, 0}};
  EVCOMMAND_RESULT result;
  REQUIRE_C(EVCOMMAND_run(&command, "input ", 6, 100, &result, long_time()) == 0);
  REQUIRE_C(result.status.code == 3);
  REQUIRE_C(strcmp(result.output, "input green\n") == 0 && result.output_size == 12);
  REQUIRE_C(strcmp(result.errors, "/\n") == 0 && result.errors_size == 2);
  EVCOMMAND_RESULT_clear(&result);
  REQUIRE_ERRNO(EVCOMMAND_run(&command, "input ", 6, 4, &result, long_time()) == -1, EMSGSIZE);
  REQUIRE_C(strcmp(result.output, "inpu") == 0);
  EVCOMMAND_RESULT_clear(&result);
  const char* const missing[] = {"/no/such", NULL};
  const EVCOMMAND no_command = {.arguments = missing};
  REQUIRE_ERRNO(EVCHILD_start(thread, &no_command) == NULL, ENOENT);
  REQUIRE_ERRNO(EVCHILD_start(thread, NULL) == NULL, EINVAL);
}

static int end_with(void* ctx) { return *(int*)ctx; }

static int wait_for_a_signal(void* ctx) {
  pause();
  return 0;
}

// In the child: a loop of its own, and what it may not do with the parent's.
typedef struct Parent {
  Fixture* fixture;
  EVTHREAD* thread;
} Parent;

static void pause_shortly(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  if (EVTHREAD_delay(thread, milliseconds(1)) == 0) ++*(int*)ctx;
}

static int use_own_loop(void* ctx) {
  Parent* const parent = ctx;
  if (EVTHREAD_current() != NULL) return 1;
  if (EVLOOP_run(parent->fixture->loop) != -1 || errno != ECHILD) return 2;
  if (EVTHREAD_init(parent->fixture->loop, pause_shortly, NULL) != NULL || errno != ECHILD)
    return 3;
  if (EVFORK_process(parent->thread, end_with, NULL, 0) != NULL || errno != ECHILD) return 4;
  Fixture own;
  int pauses = 0;
  set_up_with(&own, 1);
  run_in_thread(&own, pause_shortly, &pauses);
  tear_down(&own);
  return pauses == 1 ? 0 : 5;
}

static void fork_some(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVCHILD_STATUS status;
  int code = 9;
  EVCHILD* child = EVFORK_process(thread, end_with, &code, 0);
  REQUIRE_C(child != NULL);
  REQUIRE_C(EVCHILD_wait_pid(EVCHILD_pid(child), &status, long_time()) == 0);
  REQUIRE_C(status.code == 9);
  Parent parent = {ctx, thread};
  child = EVFORK_process(thread, use_own_loop, &parent, 0);
  REQUIRE_C(EVCHILD_wait(child, &status, long_time()) == 0);
  REQUIRE_C(status.code == 0 && status.signal == 0);
  child = EVFORK_process(thread, wait_for_a_signal, NULL, EVCHILD_OWN_GROUP | EVCHILD_KILL);
  REQUIRE_C(EVCHILD_kill_group(child, SIGKILL) == 0);
  REQUIRE_C(EVCHILD_wait(child, &status, long_time()) == 0);
  REQUIRE_C(status.signal == SIGKILL);
  REQUIRE_ERRNO(EVFORK_process(thread, NULL, NULL, 0) == NULL, EINVAL);
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);
}

static void wait_for_signals(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const int wanted[] = {SIGUSR1, SIGUSR2};
  EVSIGNALS* const signals = EVSIGNALS_init(thread, wanted, 2);
  REQUIRE_C(signals != NULL);
  REQUIRE_ERRNO(EVSIGNALS_wait(signals, NULL, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(kill(getpid(), SIGUSR2) == 0);
  EVSIGNAL_INFO info;
  REQUIRE_C(EVSIGNALS_wait(signals, &info, long_time()) == SIGUSR2);
  REQUIRE_C(info.number == SIGUSR2 && info.sender == getpid() && info.count == 1);
  REQUIRE_C(EVSIGNALS_free(signals) == 0);
  const int wrong[] = {SIGKILL};
  REQUIRE_ERRNO(EVSIGNALS_init(thread, wrong, 1) == NULL, EINVAL);
  REQUIRE_C(EVSIGNALS_init(thread, wanted, 2) != NULL);  // goes with the thread
}

TEST_CASE_C(c_commands, "in C a command's streams are sockets, and its status is waited for") {
  skip_without_pidfd();
  Fixture f;
  set_up(&f);
  run_in_thread(&f, run_commands, NULL);
  run_in_thread(&f, run_to_the_end, NULL);
  tear_down(&f);
}

TEST_CASE_C(c_fork, "in C a function runs in a forked child") {
  skip_without_pidfd();
  Fixture f;
  set_up(&f);
  run_in_thread(&f, fork_some, &f);
  tear_down(&f);
}

TEST_CASE_C(c_signals, "in C signals are waited for") {
  const int wanted[] = {SIGUSR1, SIGUSR2};
  Fixture f;
  set_up(&f);
  REQUIRE_C(EVSIGNALS_block(wanted, 2) == 0);
  run_in_thread(&f, wait_for_signals, NULL);
  tear_down(&f);
  sigset_t blocked;
  REQUIRE_C(sigprocmask(SIG_SETMASK, NULL, &blocked) == 0);
  REQUIRE_C(sigismember(&blocked, SIGUSR1) == 1);
}
