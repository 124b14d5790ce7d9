// What tests of evcoro/sync share: OS threads, and loops of their own in them, beside the test's.
//
//   support::OsThread other{support::in_own_loop([&] { event.set(); })};
//   in_thread([&] { REQUIRE(!event.wait(long_time)); });
#pragma once

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <evcoro/loop.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>

namespace support {

inline bool is_canceled(std::error_code error) { return error == std::errc::operation_canceled; }
inline bool is_timed_out(std::error_code error) { return error == std::errc::timed_out; }
inline bool is_deadlock(std::error_code error) {
  return error == std::errc::resource_deadlock_would_occur;
}

// rounds() is how often a test does what many OS threads do at once.
inline int rounds(int count) { return running_on_valgrind() ? count / 20 : count; }

// OsThread runs function in an OS thread, which is joined when it goes.
class OsThread {
 public:
  explicit OsThread(std::function<void()> function)
      : thread_([this, f = std::move(function)] {
          id_ = ::gettid();
          f();
        }) {}
  ~OsThread() { join(); }

  void join() {
    if (thread_.joinable()) thread_.join();
  }

  // sleeps() says whether it waits for something, as the kernel sees it. Under Valgrind that says
  // nothing: all but one do.
  bool sleeps() const {
    std::ifstream file{"/proc/self/task/" + std::to_string(id_) + "/stat"};
    std::string stat;
    std::getline(file, stat);
    const std::size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.compare(name_end, 3, ") S") == 0;
  }

 private:
  std::atomic<pid_t> id_{0};
  std::thread thread_;
};

// in_own_loop() is a function that makes a loop and runs body in so many threads of it.
inline std::function<void()> in_own_loop(std::function<void()> body, std::size_t threads = 1) {
  return [body = std::move(body), threads] {
    evcoro::Loop loop{{.capacity = threads, .stack_size = test_stack_size}};
    for (std::size_t i = 0; i < threads; ++i) loop.spawn([&body] { body(); }).value().detach();
    loop.run();
  };
}

// report_of() is what is said when body, in a thread of a loop in a child process, is a misuse.
inline std::string report_of(const std::function<void(evcoro::Loop&)>& body) {
  const Ended ended = in_child_with_loop([&](std::optional<evcoro::Loop>& loop) {
    loop->spawn([&] { body(*loop); }).value().detach();
    loop->run();
  });
  CHECK(ended.signal == SIGABRT);
  return ended.output;
}

}  // namespace support
