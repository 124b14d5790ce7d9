// The load of the udp suite: N sockets, on each a datagram when the one before it has come back. As
// echo/client.cpp it prints "ready", and obeys "ping-pong WARMUP DATAGRAMS".
//
//   udp_client --port=P --server-pid=PID [--connections=N] [--size=BYTES]
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "tests/bench/echo/client.hpp"

namespace {

constexpr unsigned patience = 120;  // seconds for one command; then a datagram has been lost

struct Client {
  int epoll = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  std::size_t size = 512;
  std::vector<int> descriptors;
  std::vector<unsigned> numbers;  // by descriptor, of the datagram that is under way
  std::vector<char> data;
  std::vector<char> reply;

  void open(std::uint16_t port) {
    const int fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
    epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    descriptors.push_back(fd);
    numbers.resize(static_cast<std::size_t>(fd) + 1);
  }

  void ask(int fd) {
    const unsigned number = ++numbers[static_cast<std::size_t>(fd)];
    std::memcpy(data.data(), &number, sizeof number);
    if (send(fd, data.data(), size, 0) != static_cast<ssize_t>(size)) die("send");
  }

  void receive(int fd) {
    const ssize_t count = recv(fd, reply.data(), reply.size(), MSG_DONTWAIT);
    if (count != static_cast<ssize_t>(size)) die("recv");
    const unsigned number = numbers[static_cast<std::size_t>(fd)];
    if (std::memcmp(reply.data(), &number, sizeof number) != 0) die("another datagram came back");
  }

  // It never sleeps while datagrams are under way; see echo/client.cpp.
  void play(std::size_t amount) {
    std::size_t to_send = amount;
    for (const int fd : descriptors) {
      if (to_send == 0) break;
      ask(fd);
      --to_send;
    }
    std::array<epoll_event, 256> events;
    for (std::size_t to_receive = amount; to_receive > 0;) {
      const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 0);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        receive(fd);
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
  unsigned long connections = 50;
  Client client;
  for (int opt; (opt = getopt_long(argc, argv, "", long_options, nullptr)) != -1;) {
    if (opt == '?') return 2;
    const unsigned long value = std::strtoul(optarg, nullptr, 10);
    if (opt == 'p') port = value;
    if (opt == 's') pid = value;
    if (opt == 'c') connections = value;
    if (opt == 'm') client.size = value;
  }
  if (client.size < sizeof(unsigned)) return 2;
  client.data.resize(client.size);
  client.reply.resize(client.size);
  clockid_t server_cpu;
  if (clock_getcpuclockid(static_cast<pid_t>(pid), &server_cpu) != 0) die("clock_getcpuclockid");
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
