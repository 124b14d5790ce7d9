// The load of the udp suite: N sockets, on each a datagram when the one before it has come back, or
// a burst of 16, which the kernel takes as one. It obeys
//
//   ping-pong WARMUP DATAGRAMS
//   bursts WARMUP DATAGRAMS
//
//   udp_client --port=P --server-pid=PID [--connections=N] [--size=BYTES]
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "tests/bench/load_client.hpp"

namespace {

constexpr std::size_t burst = 16;  // datagrams

// Echo numbers the datagrams of each socket, and compares what comes back.
class Echo {
 public:
  explicit Echo(std::size_t size) : size_(size), data_(size * burst), reply_(size) {}

  // ask() sends count datagrams, which leave together.
  void ask(int fd, std::size_t count) {
    Progress& progress = progress_[fd];
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t number = progress.sent++;
      std::memcpy(&data_[i * size_], &number, sizeof number);
    }
    const ssize_t size = send(fd, data_.data(), count * size_, 0);
    if (size != static_cast<ssize_t>(count * size_)) die("send");
  }

  // receive() takes what is there, and returns whether that was all.
  bool receive(int fd) {
    Progress& progress = progress_[fd];
    while (progress.received < progress.sent) {
      const ssize_t size = recv(fd, reply_.data(), size_, MSG_DONTWAIT | MSG_TRUNC);
      if (size < 0 && errno == EAGAIN) return false;
      if (size != static_cast<ssize_t>(size_)) die("recv");
      const std::size_t number = progress.received++;
      if (std::memcmp(reply_.data(), &number, sizeof number) != 0) die("not what was sent");
    }
    return true;
  }

 private:
  struct Progress {
    std::size_t sent = 0;
    std::size_t received = 0;
  };

  const std::size_t size_;
  std::map<int, Progress> progress_;
  std::vector<char> data_;
  std::vector<char> reply_;
};

}  // namespace

int main(int argc, char** argv) {
  const LoadOptions options = parse_load_options(argc, argv, {.connections = 50});
  if (options.size < sizeof(std::size_t)) return 2;
  PingPong sockets{SOCK_DGRAM, options};
  for (const int fd : sockets.all()) {  // which leaves one alone as it is
    const int size = static_cast<int>(options.size);
    check(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size), "UDP_SEGMENT");
  }
  Echo echo{options.size};
  const auto in_turns_of = [&](std::size_t count) {
    return [&, count](std::size_t datagrams) {
      sockets.play(
          datagrams / count, [&](int fd) { echo.ask(fd, count); },
          [&](int fd) { return echo.receive(fd); });
    };
  };
  obey(options, {{"ping-pong", in_turns_of(1)}, {"bursts", in_turns_of(burst)}});
}
