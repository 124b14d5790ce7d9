// Chapter 14: waiting for descriptors that are no sockets of the library's.
#include <fcntl.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/io_event.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/poller.hpp>
#include <evcoro/thread.hpp>

using evcoro::IoEvent;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// A pipe, which stands for what other libraries have.
struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
      throw std::system_error(errno, std::generic_category(), "pipe2");
    }
    reader = ends[0], writer = ends[1];
  }
  ~Pipe() {
    ::close(reader);
    if (writer >= 0) ::close(writer);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void say(std::string_view text) const {
    if (::write(writer, text.data(), text.size()) < 0) std::perror("write");
  }
  void end() { ::close(std::exchange(writer, -1)); }

  int reader;
  int writer;
};

// [watch]
void watch(int descriptor) {
  IoEvent news{descriptor};
  std::array<char, 16> text;
  while (!news.wait_readable(1s)) {
    const ssize_t count = ::read(descriptor, text.data(), text.size());
    if (count <= 0) break;
    std::printf("news: %.*s\n", static_cast<int>(count), text.data());
  }
  std::printf("no more news\n");
}

void tell(Pipe& pipe) {
  for (const char* each : {"rain", "sunshine"}) {
    this_thread::sleep_for(5ms);
    pipe.say(each);
  }
  this_thread::sleep_for(5ms);
  pipe.end();
}
// [/watch]

// [once]
void ring() {
  const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  std::error_code error = evcoro::wait_readable(timer, 1ms);  // nobody has set it yet
  std::printf("the alarm clock: %s\n", error ? error.message().c_str() : "rings");

  const itimerspec soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 5'000'000}};
  ::timerfd_settime(timer, 0, &soon, nullptr);
  error = evcoro::wait_readable(timer, 10s);
  std::printf("the alarm clock: %s\n", error ? error.message().c_str() : "rings");
  ::close(timer);
}
// [/once]

// [several]
void listen_to_both() {
  Pipe left;
  Pipe right;
  const evcoro::Thread speaker = evcoro::Loop::current()
                                     ->spawn([&] {
                                       this_thread::sleep_for(5ms);
                                       right.say("hello");
                                     })
                                     .value();
  std::array<pollfd, 2> both{pollfd{left.reader, POLLIN, 0}, pollfd{right.reader, POLLIN, 0}};
  const auto ready = evcoro::poll(both, 10s);
  std::printf("%zu of them: %s\n", ready.value(), both[0].revents != 0 ? "left" : "right");
}
// [/several]

// [mixed]
// A descriptor that the loop watches already: a Socket's.
void watch_twice() {
  auto [one, other] = evcoro::socketpair().value();
  std::array<std::byte, 16> text;
  if (one.recv(text, 1ms)) return;  // nothing has come; but the loop watches it from here on
  const std::error_code error = evcoro::wait_readable(one.native_handle(), 1s);
  std::printf("the same descriptor: %s\n",
              error == evcoro::Errc::mixed_registration ? "mixed" : error.message().c_str());

  evcoro::Poller poller = evcoro::Poller::open().value();
  poller.add(one.native_handle(), EPOLLIN);
  if (!other.send("hello", 1s)) return;
  std::array<epoll_event, 8> events;
  const std::size_t count = poller.wait(events, 10s).value();
  const bool is_ours = events[0].data.fd == one.native_handle();
  std::printf("a poller: %zu %s\n", count, is_ours ? "of ours" : "of others");
}
// [/mixed]

}  // namespace

// [main]
int main() try {
  evcoro::Loop loop{{.capacity = 10}};
  const auto all = [&loop] {
    Pipe pipe;
    loop.spawn([&] { tell(pipe); }).value().detach();
    watch(pipe.reader);
    ring();
    listen_to_both();
    watch_twice();
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    std::printf("a file: %s\n", evcoro::wait_readable(file, 1s).message().c_str());
    ::close(file);
  };
  loop.spawn({.name = "all"}, all).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "14_foreign_descriptors: %s\n", error.what());
  return 1;
}
// [/main]
