// The library's system calls in the hands of the tests: they arrive at the definitions in
// socket_system_calls_test.cpp, as those are the executable's. There they are counted, and fail as
// often as a test wants.
//
//   support::require_interposition();
//   support::calls.accept = {.failures = 2, .error = ENFILE};
//   ...
//   REQUIRE(support::calls.accept.count == 4);
//
// What a test calls itself arrives there, too.
#pragma once

#include <cerrno>

#include <corothread/detail/sanitizers.hpp>
#include <support/process.hpp>

namespace support {

struct Call {
  int count = 0;     // how often it was made
  int failures = 0;  // how often it is to fail yet
  int error = 0;     // with this errno

  // fails() counts the call, and says whether it is to fail; then it sets errno.
  bool fails() noexcept {
    ++count;
    if (failures == 0) return false;
    --failures;
    errno = error;
    return true;
  }
};

struct SystemCalls {
  Call accept;      // accept4
  Call connect;     // what fails goes on all the same
  Call receive;     // recv, recvfrom, recvmsg, recvmmsg
  Call send;        // send, sendto, sendmsg, sendmmsg
  Call write;       // pwritev2
  Call set_option;  // setsockopt
  Call control;     // epoll_ctl

  unsigned messages = 0;  // that the last sendmmsg was given
  unsigned events = 0;    // that the last epoll_ctl was given, if any
};
inline SystemCalls calls;

// The sanitizers have definitions of their own, which matter to them.
inline void require_interposition() {
#if defined(EVCORO_SANITIZED)
  skip("a sanitizer intercepts the system calls");
#endif
}

}  // namespace support
