#include <dirent.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>

#include <evcoro/detail/signal_masks.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {
namespace {

// The lowest of signals that is not in blocked (bit 0 is signal 1), or 0.
int first_received(std::uint64_t blocked, const sigset_t& signals) noexcept {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (sigismember(&signals, signal) == 1 && (blocked >> (signal - 1) & 1U) == 0) return signal;
  }
  return 0;
}

// See proc(5), /proc/pid/status. False if the thread has gone.
bool read_mask(const std::string& thread, std::uint64_t& blocked, std::string& name) {
  std::ifstream status{"/proc/self/task/" + thread + "/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Name:\t")) name = line.substr(6);
    if (line.starts_with("SigBlk:\t")) {
      blocked = std::strtoull(line.c_str() + 8, nullptr, 16);
      return true;
    }
  }
  return false;
}

bool report_if_it_receives(const std::string& thread, const sigset_t& signals) {
  std::uint64_t blocked = 0;
  std::string name;
  if (!read_mask(thread, blocked, name)) return false;
  const int signal = first_received(blocked, signals);
  if (signal == 0) return false;
  const char* const signal_name = ::sigabbrev_np(signal);
  stacks::report("evcoro: a SignalWaiter may miss signal " + std::to_string(signal) +
                 (signal_name != nullptr ? std::string{" (SIG"} + signal_name + ")" : "") +
                 ": the OS thread '" + name + "' (" + thread +
                 ") doesn't block it, and may be given it; make the waiter, or call "
                 "block_signals(), before you start OS threads\n");
  return true;
}

}  // namespace

bool is_fault(int signal) noexcept {
  constexpr int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
  return std::find(std::begin(faults), std::end(faults), signal) != std::end(faults);
}

void report_threads_that_receive(const sigset_t& signals) noexcept try {
  static std::atomic<bool> reported{false};
  if (reported) return;
  DIR* const threads = ::opendir("/proc/self/task");
  if (threads == nullptr) return;
  while (const dirent* const each = ::readdir(threads)) {
    if (each->d_name[0] == '.' || !report_if_it_receives(each->d_name, signals)) continue;
    reported = true;
    break;
  }
  ::closedir(threads);
} catch (...) {  // no memory, no report
}

}  // namespace evcoro::detail
