// What every echo server under test shares: its options and its listener. A server's own file then
// holds only how it serves. C11 and C++.
//
//   int main(int argc, char** argv) {
//     const struct EchoOptions options = echo_init(argc, argv);
//     const int listener = echo_listen_on_loopback();
//     echo_announce(echo_local_port(listener));
//     ...  // serve for ever: the driver ends the process by SIGTERM
//   }
//
// A server does not measure itself: the client reads its CPU clock, strace counts its calls.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE  // accept4()
#endif

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  ECHO_SMALL_BUFFER = 8192,   // the default --buffer
  ECHO_LARGE_BUFFER = 65536,  // the largest
  ECHO_TIMEOUT_SECONDS = 60,  // of each wait, with --timeouts; more than between two turns
};

struct EchoOptions {
  size_t buffer;       // bytes asked of one recv
  size_t connections;  // the most that will be open at once
  bool timeouts;       // arm ECHO_TIMEOUT_SECONDS on every wait
  size_t loops;        // that serve, each in an OS thread; of evcoro_server only
};

__attribute__((noreturn)) static inline void echo_die(const char* what) {
  perror(what);
  exit(1);
}

static inline int echo_check(int result, const char* what) {
  if (result < 0) echo_die(what);
  return result;
}

static inline struct EchoOptions echo_parse_options(int argc, char** argv) {
  static const struct option long_options[] = {{"buffer", required_argument, NULL, 'b'},
                                               {"connections", required_argument, NULL, 'c'},
                                               {"timeouts", no_argument, NULL, 't'},
                                               {"loops", required_argument, NULL, 'l'},
                                               {NULL, 0, NULL, 0}};
  struct EchoOptions options = {ECHO_SMALL_BUFFER, 1100, false, 1};
  for (int opt; (opt = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
    if (opt == '?') exit(2);
    if (opt == 'b') options.buffer = strtoul(optarg, NULL, 10);
    if (opt == 'c') options.connections = strtoul(optarg, NULL, 10);
    if (opt == 't') options.timeouts = true;
    if (opt == 'l') options.loops = strtoul(optarg, NULL, 10);
  }
  if (options.buffer == 0 || options.buffer > ECHO_LARGE_BUFFER) {
    fprintf(stderr, "%s: --buffer must be 1 to %d bytes\n", argv[0], ECHO_LARGE_BUFFER);
    exit(2);
  }
  return options;
}

// echo_init() returns the options and prepares the process: it may have as many descriptors as the
// system lets it, and a peer that has gone is an error, not a signal.
static inline struct EchoOptions echo_init(int argc, char** argv) {
  const struct EchoOptions options = echo_parse_options(argc, argv);
  struct rlimit limit;
  echo_check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  echo_check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  signal(SIGPIPE, SIG_IGN);
  return options;
}

// echo_refuse_timeouts() is for servers that arm none.
static inline void echo_refuse_timeouts(const struct EchoOptions* options, const char* server) {
  if (!options->timeouts) return;
  fprintf(stderr, "%s: this server arms no timeouts\n", server);
  exit(2);
}

// echo_listen_on_loopback() returns a non-blocking listener on a port that the kernel chooses. What
// it accepts has TCP_NODELAY by inheritance.
static inline int echo_listen_on_loopback(void) {
  const int fd =
      echo_check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  echo_check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  echo_check(bind(fd, (struct sockaddr*)&address, sizeof address), "bind");
  echo_check(listen(fd, SOMAXCONN), "listen");
  return fd;
}

static inline uint16_t echo_local_port(int fd) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  echo_check(getsockname(fd, (struct sockaddr*)&address, &length), "getsockname");
  return ntohs(address.sin_port);
}

// echo_announce() tells the driver that connections are welcome from now on.
static inline void echo_announce(uint16_t port) {
  printf("listening %u\n", port);
  fflush(stdout);
}
