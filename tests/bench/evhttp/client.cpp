// The load of the evhttp suite: N keep-alive connections, on each a request when the one before it
// is answered. As echo/client.cpp it prints "ready", and obeys "ping-pong WARMUP REQUESTS".
//
//   evhttp_client --port=P --server-pid=PID [--connections=N]
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/echo/client.hpp"

namespace {

constexpr unsigned patience = 120;  // seconds for one command; then the server has lost something
constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view last_words = "\r\n\r\nhello, world\n";

struct Client {
  int epoll = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  std::vector<std::string> replies;  // by descriptor, as far as they have come
  std::vector<int> descriptors;

  void open(std::uint16_t port) {
    const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
    const int on = 1;
    check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
    epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    descriptors.push_back(fd);
    replies.resize(static_cast<std::size_t>(fd) + 1);
  }

  static void ask(int fd) {
    const auto count = send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    if (count != static_cast<ssize_t>(request.size())) die("send");
  }

  // Whether a reply is complete.
  bool receive(int fd) {
    std::array<char, 4096> buffer;
    const ssize_t count = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count <= 0) die("recv");
    std::string& reply = replies[static_cast<std::size_t>(fd)];
    reply.append(buffer.data(), static_cast<std::size_t>(count));
    if (!std::string_view{reply}.ends_with(last_words)) return false;
    if (!reply.starts_with("HTTP/1.1 200 OK\r\n")) die("the server doesn't say 200");
    reply.clear();
    return true;
  }

  // It never sleeps while requests are under way; see echo/client.cpp.
  void play(std::size_t requests) {
    std::size_t to_send = requests;
    for (const int fd : descriptors) {
      if (to_send == 0) break;
      ask(fd);
      --to_send;
    }
    std::array<epoll_event, 256> events;
    for (std::size_t to_receive = requests; to_receive > 0;) {
      const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 0);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (!receive(fd)) continue;
        --to_receive;
        if (to_send == 0) continue;
        ask(fd);
        --to_send;
      }
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  static constexpr option long_options[] = {{"port", required_argument, nullptr, 'p'},
                                            {"server-pid", required_argument, nullptr, 's'},
                                            {"connections", required_argument, nullptr, 'c'},
                                            {"size", required_argument, nullptr, 'm'},
                                            {}};
  unsigned long port = 0;
  unsigned long pid = 0;
  unsigned long connections = 100;
  for (int opt; (opt = getopt_long(argc, argv, "", long_options, nullptr)) != -1;) {
    if (opt == '?') return 2;
    const unsigned long value = std::strtoul(optarg, nullptr, 10);
    if (opt == 'p') port = value;
    if (opt == 's') pid = value;
    if (opt == 'c') connections = value;
  }
  clockid_t server_cpu;
  if (clock_getcpuclockid(static_cast<pid_t>(pid), &server_cpu) != 0) die("clock_getcpuclockid");
  Client client;
  for (unsigned long i = 0; i < connections; ++i) client.open(static_cast<std::uint16_t>(port));
  std::cout << "ready" << std::endl;
  std::string command;
  for (std::size_t warmup, amount; std::cin >> command >> warmup >> amount; alarm(0)) {
    alarm(patience);
    client.play(warmup);
    const long long cpu = nanoseconds(server_cpu);
    const long long wall = nanoseconds(CLOCK_MONOTONIC);
    client.play(amount);
    const long long wall_spent = nanoseconds(CLOCK_MONOTONIC) - wall;
    std::cout << nanoseconds(server_cpu) - cpu << ' ' << wall_spent << std::endl;
  }
}
