#include "tests/bench/load_client.hpp"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

long long nanoseconds(clockid_t clock) {
  timespec now;
  check(clock_gettime(clock, &now), "clock_gettime");
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

clockid_t cpu_clock_of(pid_t pid) {
  clockid_t clock;
  if (clock_getcpuclockid(pid, &clock) != 0) die("clock_getcpuclockid");
  return clock;
}

LoadOptions parse_load_options(int argc, char** argv, LoadOptions options) {
  static constexpr option long_options[] = {{"port", required_argument, nullptr, 'p'},
                                            {"server-pid", required_argument, nullptr, 's'},
                                            {"connections", required_argument, nullptr, 'c'},
                                            {"size", required_argument, nullptr, 'm'},
                                            {"path", required_argument, nullptr, 'u'},
                                            {"tls", no_argument, nullptr, 't'},
                                            {}};
  for (int opt; (opt = getopt_long(argc, argv, "", long_options, nullptr)) != -1;) {
    if (opt == '?') std::exit(2);
    if (opt == 't') options.tls = true;
    if (optarg == nullptr) continue;
    const unsigned long value = std::strtoul(optarg, nullptr, 10);
    if (opt == 'u') options.path = optarg;
    if (opt == 'p') options.port = static_cast<std::uint16_t>(value);
    if (opt == 's') options.server_pid = static_cast<pid_t>(value);
    if (opt == 'c') options.connections = value;
    if (opt == 'm') options.size = value;
  }
  if (options.port == 0 || options.server_pid <= 0 || options.connections == 0 ||
      options.size - 1 >= 64 * 1024) {
    std::fputs(
        "client: needs --port, --server-pid, --connections of at least 1 and a --size of 1 to "
        "65536\n",
        stderr);
    std::exit(2);
  }
  return options;
}

void allow_descriptors(std::size_t connections) {
  rlimit limit;
  check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  if (limit.rlim_max < connections + 16) {
    std::fprintf(stderr, "client: %zu connections are more than RLIMIT_NOFILE lets it have: %llu\n",
                 connections, static_cast<unsigned long long>(limit.rlim_max));
    std::exit(1);
  }
  limit.rlim_cur = limit.rlim_max;
  check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

void obey(const LoadOptions& options, const Loads& loads) {
  const clockid_t server_cpu = cpu_clock_of(options.server_pid);
  std::cout << "ready" << std::endl;
  for (std::string command; std::cin >> command; alarm(0)) {
    alarm(patience);
    const auto load = loads.find(command);
    if (load == loads.end()) {
      std::cerr << "client: unknown command '" << command << "'\n";
      std::exit(2);
    }
    measure(server_cpu, load->second);
  }
}

PingPong::PingPong(int type, const LoadOptions& options)
    : epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")), sockets_(options.connections) {
  allow_descriptors(options.connections);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int& fd : sockets_) {
    fd = check(socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket");
    check(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
    const int on = 1;
    if (type == SOCK_STREAM) {
      check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
    }
    epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    check(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }
}
