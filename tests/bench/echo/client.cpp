// The load of the echo suite: N connections play closed-loop ping-pong with one server, and the
// server's CPU clock is read before and after, while all connections are open and quiet.
//
//   client --port=P --server-pid=PID [--connections=N] [--size=M]
//
// Connects, prints "ready", and then obeys its standard input: for each line "WARMUP REQUESTS" it
// plays that many requests and prints "CPU_NS WALL_NS", what the latter number of them took the
// server. So a driver can alternate between servers every few milliseconds.
//
// It never sleeps while requests are under way: a server whose send had to wake its client would
// pay for that, more or less often as the two happen to be scheduled. Every byte that comes back is
// compared.
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace {

struct Options {
  std::uint16_t port = 0;
  pid_t server_pid = 0;
  std::size_t connections = 100;
  std::size_t size = 512;
};

struct Connection {
  int fd = -1;
  std::size_t received = 0;  // of the message that is under way
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int check(int result, const char* what) {
  if (result < 0) die(what);
  return result;
}

class Client {
 public:
  explicit Client(const Options& options)
      : epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
        connections_(options.connections),
        message_(options.size),
        reply_(options.size) {
    for (std::size_t i = 0; i < message_.size(); ++i) message_[i] = static_cast<char>(i * 31 + 7);
    for (Connection& connection : connections_) open(connection, options.port);
  }

  // play() sends `requests` messages over all connections and returns when all are answered.
  void play(std::size_t requests) {
    to_send_ = requests;
    to_receive_ = requests;
    for (Connection& connection : connections_) send_next(connection);
    static epoll_event events[1024];
    while (to_receive_ > 0) {
      const int count = epoll_wait(epoll_, events, std::size(events), 0);
      if (count < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < count; ++i) on_readable(*static_cast<Connection*>(events[i].data.ptr));
    }
  }

 private:
  void open(Connection& connection, std::uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection.fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    check(connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
    const int on = 1;
    check(setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
    epoll_event event = {.events = EPOLLIN, .data = {.ptr = &connection}};
    check(epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event), "epoll_ctl");
  }

  void send_next(Connection& connection) {
    if (to_send_ == 0) return;
    --to_send_;
    connection.received = 0;
    const ssize_t sent = send(connection.fd, message_.data(), message_.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(message_.size())) die("send");
  }

  void on_readable(Connection& connection) {
    char* const into = reply_.data() + connection.received;
    const ssize_t count =
        recv(connection.fd, into, message_.size() - connection.received, MSG_DONTWAIT);
    if (count <= 0) die("recv");
    if (std::memcmp(into, message_.data() + connection.received, static_cast<std::size_t>(count)) !=
        0) {
      std::fputs("client: the echo differs from what was sent\n", stderr);
      std::exit(1);
    }
    connection.received += static_cast<std::size_t>(count);
    if (connection.received < message_.size()) return;
    --to_receive_;
    send_next(connection);
  }

  int epoll_;
  std::vector<Connection> connections_;
  std::vector<char> message_;
  std::vector<char> reply_;
  std::size_t to_send_ = 0;
  std::size_t to_receive_ = 0;
};

Options parse_options(int argc, char** argv) {
  static constexpr option long_options[] = {{"port", required_argument, nullptr, 'p'},
                                            {"server-pid", required_argument, nullptr, 's'},
                                            {"connections", required_argument, nullptr, 'c'},
                                            {"size", required_argument, nullptr, 'm'},
                                            {}};
  Options options;
  for (int opt; (opt = getopt_long(argc, argv, "", long_options, nullptr)) != -1;) {
    if (opt == '?') std::exit(2);
    const unsigned long value = std::strtoul(optarg, nullptr, 10);
    if (opt == 'p') options.port = static_cast<std::uint16_t>(value);
    if (opt == 's') options.server_pid = static_cast<pid_t>(value);
    if (opt == 'c') options.connections = value;
    if (opt == 'm') options.size = value;
  }
  // A message that does not fit the socket buffers would block the client's send for good.
  if (options.port == 0 || options.server_pid <= 0 || options.size - 1 >= 64 * 1024) {
    std::fputs("client: needs --port, --server-pid, and a --size of 1 to 65536\n", stderr);
    std::exit(2);
  }
  return options;
}

long long nanoseconds(clockid_t clock) {
  timespec now;
  check(clock_gettime(clock, &now), "clock_gettime");
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

void obey(Client& client, clockid_t server_cpu) {
  std::size_t warmup = 0;
  std::size_t requests = 0;
  while (std::scanf("%zu %zu", &warmup, &requests) == 2) {
    client.play(warmup);
    const long long cpu = nanoseconds(server_cpu);
    const long long wall = nanoseconds(CLOCK_MONOTONIC);
    client.play(requests);
    const long long wall_spent = nanoseconds(CLOCK_MONOTONIC) - wall;
    std::printf("%lld %lld\n", nanoseconds(server_cpu) - cpu, wall_spent);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  clockid_t server_cpu;
  if (clock_getcpuclockid(options.server_pid, &server_cpu) != 0) die("clock_getcpuclockid");
  Client client(options);
  std::puts("ready");
  std::fflush(stdout);
  obey(client, server_cpu);
}
