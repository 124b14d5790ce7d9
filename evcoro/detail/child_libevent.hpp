// ChildState: the pidfd of a child process; what a Child points to.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <system_error>

#include <evcoro/child.hpp>
#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/detail/process.hpp>

namespace evcoro::detail {

class ChildState final : public Descriptor {
 public:
  // open() makes one for a child of this process.
  static Result<ChildState*> open(LoopCore& core, pid_t pid) noexcept;

  // start() makes one for the child that start() makes, which is killed if that can't be.
  static Result<ChildState*> start(LoopCore& core, const std::function<Result<pid_t>()>& start);

  Child handle() noexcept { return Child{*this}; }

  Result<ExitStatus> wait(Timeout timeout) noexcept;
  std::error_code kill(int signal) noexcept;
  std::error_code kill_group(int signal) noexcept;

  // close() gives the reference up; abandon() does so, too, and lets the loop take the status of a
  // child that is running still.
  void close() noexcept;
  void abandon() noexcept;

  pid_t id = -1;
  bool own_group = false;
  bool kill_on_destruction = false;

 private:
  ChildState(LoopCore& core, int descriptor) noexcept : Descriptor(core, descriptor) {}
  std::error_code why_no_kill() const noexcept;
  bool is_foreign() const noexcept { return process_ != process_number(); }

  const int process_ = process_number();
  std::optional<ExitStatus> status_;
};

// start_process() runs a command whose streams are these descriptors (-1: inherited), none of them
// below 3.
Result<pid_t> start_process(const Command& command, const int (&streams)[3]);

}  // namespace evcoro::detail
