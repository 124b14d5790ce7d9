// Watchdog: reports a coroutine thread that holds its loop for too long: that computes, or calls
// what blocks the OS thread, while all others wait.
//
//   evcoro::Watchdog watchdog;                    // as long as it lives
//   ...
//   evcoro: 'report' (id 12), spawned at server.cpp:80, has held its loop for 27 ms
//   evcoro:   #0 crc32(std::span<std::byte const>)+0x51 (./server)
//   evcoro:   #1 Report::finish()+0x1c (./server)
//   ...
//
// It watches all loops of the process from an OS thread of its own. While a pass of a loop runs on
// and on, it sends that OS thread a signal, whose handler looks which thread is running. So loops
// that are well never see a signal; those that aren't may see system calls interrupted
// (SA_RESTART). A thread is reported once for each time that it holds the loop; what holds it for
// less than a fifth longer than the limit may be missed. Callbacks of the application are not
// watched.
//
// The names of functions are those that the dynamic linker knows: link with -rdynamic.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <stacks/export.hpp>

namespace evcoro {

// Stall is a thread that holds its loop.
struct Stall {
  std::uint64_t id = 0;
  std::string name = {};
  std::string spawned_at = {};  // "file:line"
  std::chrono::nanoseconds held = {};
  std::vector<std::string> backtrace = {};  // innermost first: "function+0x12 (file)"
};

// to_string() is the report, in lines.
EVCORO_API std::string to_string(const Stall& stall);

struct WatchdogOptions {
  std::chrono::milliseconds limit{25};  // at least 1
  int signal = SIGURG;                  // which nothing else in the process uses

  // Called in the watchdog's OS thread. Without one, the sink of stacks/report.hpp is told. It must
  // not throw.
  std::function<void(const Stall& stall)> on_stall = {};
};

class EVCORO_API Watchdog {
 public:
  using Options = WatchdogOptions;

  // Throws std::system_error: device_or_resource_busy if there is a watchdog already, or the signal
  // has a handler; invalid_argument for a limit or signal that can't be; what starting an OS thread
  // throws. Loops come under watch with their next pass.
  explicit Watchdog(Options options = {});
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace evcoro
