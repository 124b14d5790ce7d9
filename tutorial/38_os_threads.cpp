// Chapter 38: the service with an OS thread for each connection. See 38_service.hpp.
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <semaphore>
#include <string_view>
#include <thread>

#include "38_service.hpp"

namespace {

// [talk]
bool send_output(int descriptor, Conversation& conversation) {
  while (!conversation.output().empty()) {
    const std::string_view output = conversation.output();
    const ssize_t count = ::send(descriptor, output.data(), output.size(), MSG_NOSIGNAL);
    if (count < 0) return false;
    conversation.sent(static_cast<std::size_t>(count));
  }
  return true;
}

void talk(int descriptor) {
  Conversation conversation;
  std::array<char, 1024> buffer;
  while (!conversation.is_over()) {
    const ssize_t count = ::recv(descriptor, buffer.data(), buffer.size(), 0);
    if (count <= 0) return;
    conversation.take({buffer.data(), static_cast<std::size_t>(count)});
    if (!send_output(descriptor, conversation)) return;
  }
}
// [/talk]

// [threads]
void set_timeouts(int descriptor) {
  const timeval limit{.tv_sec = idle.count(), .tv_usec = 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// Of std::thread. The default is 8 MiB of addresses, of which only what is touched is memory.
void use_small_stacks() {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, 64 * 1024);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
}

[[noreturn]] void serve(int listener, std::size_t connections) {
  static std::counting_semaphore<> places{static_cast<std::ptrdiff_t>(connections)};
  while (true) {
    places.acquire();  // nobody is accepted for whom there is no place
    const int descriptor = check(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept4");
    std::thread{[descriptor] {
      set_timeouts(descriptor);
      talk(descriptor);
      ::close(descriptor);
      places.release();
    }}.detach();
  }
}
// [/threads]

}  // namespace

int main(int argc, char** argv) try {
  const Options options = parse_options(argc, argv);
  allow_descriptors();
  use_small_stacks();
  const int listener = listen_on(options.address);
  announce(local_address(listener));
  serve(listener, options.connections);
} catch (const std::exception& error) {
  std::fprintf(stderr, "38_os_threads: %s\n", error.what());
  return 1;
}
