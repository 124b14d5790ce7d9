// Pulse: what a watchdog sees of a loop: in which OS thread a pass is running its threads, if one
// is, and whether it is the same pass as before.
//
//   const PassUnderWatch pass{pulse_};         // in LoopCore::on_drain()
//
// Without a watchdog that is one look at a flag.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include <stacks/intrusive_list.hpp>

namespace evcoro::detail {

class Pulse : public stacks::ListLink {
 public:
  Pulse() noexcept;  // from now on the watchdog knows it,
  ~Pulse();          // until now
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  void begin() noexcept;
  void end() noexcept { os_thread_.store(0, std::memory_order_relaxed); }

  // os_thread() is 0 between passes; pass() is another one in each pass.
  pid_t os_thread() const noexcept { return os_thread_.load(std::memory_order_relaxed); }
  std::uint64_t pass() const noexcept { return pass_.load(std::memory_order_relaxed); }

  std::uint64_t seen = 0;  // the pass that the watchdog saw last

 private:
  std::atomic<pid_t> os_thread_{0};
  std::atomic<std::uint64_t> pass_{0};
};

// restart_pulses() forgets the parent's, and its watchdog, in a child process.
void restart_pulses() noexcept;

// is_watched is whether there is a watchdog.
extern std::atomic<bool> is_watched;

class PassUnderWatch {
 public:
  explicit PassUnderWatch(Pulse& pulse) noexcept
      : pulse_(is_watched.load(std::memory_order_relaxed) ? &pulse : nullptr) {
    if (pulse_ != nullptr) [[unlikely]]
      pulse_->begin();
  }
  ~PassUnderWatch() {
    if (pulse_ != nullptr) [[unlikely]]
      pulse_->end();
  }
  PassUnderWatch(const PassUnderWatch&) = delete;
  PassUnderWatch& operator=(const PassUnderWatch&) = delete;

 private:
  Pulse* const pulse_;
};

}  // namespace evcoro::detail
