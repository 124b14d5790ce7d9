// The echo server on State Threads: plain blocking code in a thread per connection, its buffer on
// its own stack, with --timeouts a timeout on each operation.
#include <alloca.h>
#include <poll.h>
#include <st.h>

#include <cstddef>

#include "tests/bench/echo/server_main.h"

namespace {

EchoOptions options;

void* echo_until_closed(void* arg) {
  const auto socket = static_cast<st_netfd_t>(arg);
  const st_utime_t timeout =
      options.timeouts ? ECHO_TIMEOUT_SECONDS * 1'000'000ULL : ST_UTIME_NO_TIMEOUT;
  auto* const buffer = static_cast<char*>(alloca(options.buffer));
  for (std::size_t size = 0;;) {
    // After a short read there is nothing left: better wait at once than read in vain before.
    if (size < options.buffer && st_netfd_poll(socket, POLLIN, timeout) < 0) break;
    const ssize_t received = st_read(socket, buffer, options.buffer, timeout);
    if (received <= 0) break;
    size = static_cast<std::size_t>(received);
    if (st_write(socket, buffer, size, timeout) < 0) break;
  }
  st_netfd_close(socket);
  return nullptr;
}

[[noreturn]] void accept_for_ever(st_netfd_t listener) {
  const int stack_size = static_cast<int>(8 * 1024 + options.buffer);
  for (;;) {
    const st_netfd_t socket = st_accept(listener, nullptr, nullptr, ST_UTIME_NO_TIMEOUT);
    if (socket == nullptr) echo_die("st_accept");
    if (st_thread_create(echo_until_closed, socket, 0, stack_size) == nullptr) {
      echo_die("st_thread_create");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  options = echo_init(argc, argv);
  // epoll; in a build without, such as Debian's, that does nothing, and poll beats the default.
  st_set_eventsys(ST_EVENTSYS_ALT);
  if (st_get_eventsys() < 0) st_set_eventsys(ST_EVENTSYS_POLL);
  echo_check(st_init(), "st_init");
  const int listener = echo_listen_on_loopback();
  echo_announce(echo_local_port(listener));
  accept_for_ever(st_netfd_open_socket(listener));
}
