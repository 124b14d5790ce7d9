// Child processes: run commands, talk to them, and wait for their end.
//
//   Command sort{.arguments = {"sort", "-n"}, .in = Redirect::socket(), .out = Redirect::socket()};
//   Child child = Child::start(sort).value();
//   child.in().send("10\n9\n", 3s);
//   child.in().close();                                  // its end of file
//   while (IoResult in = child.out().recv(buffer, 3s)) ...
//   const ExitStatus status = child.wait(3s).value();
//
//   CommandResult listing = run({.arguments = {"ls", "-l"}}, 3s);   // all at once
//   const ExitStatus status = wait_child(pid, 3s).value();          // a child of others
//
// Children are waited for by pidfd (pidfd_open(2)): each wait takes the status of its own child and
// of no other, on however many loops. So nobody else may take it before, as by wait(2) for any
// child; and the application must not ignore SIGCHLD, or the kernel drops it. Then waiting fails
// with no_child_process.
//
// A command starts with no signal blocked, SIGPIPE as the system has it, the standard streams that
// it is given, and no other descriptor. Starting one blocks the OS thread until the kernel has it
// (posix_spawn(3)): a millisecond or so.
//
// A Child belongs to a loop; blocking calls are made in threads of that loop, everything else in
// the loop's OS thread.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <evcoro/net/socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class ChildState;
}

// ExitStatus says how a process has ended: by itself, or by a signal.
struct ExitStatus {
  int code = 0;    // what it returned or gave to exit(3), if it has exited
  int signal = 0;  // what killed it; 0: it has exited
  bool core_dumped = false;

  bool exited() const noexcept { return signal == 0; }
  bool signalled() const noexcept { return signal != 0; }
  bool succeeded() const noexcept { return exited() && code == 0; }
};

// wait_child() waits until a child of this process has ended, and takes its status, after which pid
// means nothing any more. After any error, the child is as it was. Errors: timed_out,
// operation_canceled, no_child_process, Errc::not_in_a_thread, and what pidfd_open(2) says.
EVCORO_API Result<ExitStatus> wait_child(pid_t pid, Timeout timeout = {}) noexcept;

// Redirect says what a command's standard stream is.
class Redirect {
 public:
  enum class Kind { inherit, null, socket, output, descriptor };

  static constexpr Redirect inherit() noexcept { return {Kind::inherit}; }  // this process's own
  static constexpr Redirect null() noexcept { return {Kind::null}; }        // /dev/null
  static constexpr Redirect socket() noexcept {
    return {Kind::socket};
  }  // a Socket, see Child::in()
  static constexpr Redirect output() noexcept {
    return {Kind::output};
  }                                                        // errors: where output goes
  static constexpr Redirect to(int descriptor) noexcept {  // it stays the caller's
    return {Kind::descriptor, descriptor};
  }

  Kind kind() const noexcept { return kind_; }
  int descriptor() const noexcept { return descriptor_; }

 private:
  constexpr Redirect(Kind kind, int descriptor = -1) noexcept
      : kind_(kind), descriptor_(descriptor) {}

  Kind kind_;
  int descriptor_;
};

// Command is what a program is run with.
struct Command {
  std::vector<std::string>
      arguments;  // the first is the program, looked for in PATH unless it has a /
  std::optional<std::vector<std::string>> environment =
      {};                      // "NAME=value"; nullopt: this process's
  std::string directory = {};  // empty: this process's; what else is relative is looked for there
  Redirect in = Redirect::null();
  Redirect out = Redirect::inherit();
  Redirect errors = Redirect::inherit();

  // A process group of its own: a terminal's signals don't reach it, and kill_group() reaches all
  // that it has started.
  bool own_group = false;

  // ~Child kills it (SIGKILL; with own_group, the group).
  bool kill_on_destruction = false;
};

class EVCORO_API Child {
 public:
  // start() runs a command, in the calling thread's loop or the one given. Errors: what exec says,
  // such as no_such_file_or_directory (also of the directory); EAGAIN, ENOMEM, EMFILE; ENOSYS where
  // the kernel has no pidfd; invalid_argument if there are no arguments.
  static Result<Child> start(const Command& command);
  static Result<Child> start(Loop& loop, const Command& command);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  // The destructor closes the sockets. A child that is running goes on, unless kill_on_destruction
  // says otherwise, and the loop takes its status when it ends, so that it doesn't stay a zombie.
  // (If the loop has gone before, it may stay one until this process ends.) A thread in wait()
  // returns operation_canceled. In a child process made by fork(2) it does nothing but close.
  ~Child();

  // id() is -1 of a Child that was moved from.
  pid_t id() const noexcept;

  // The sockets for its streams that are Redirect::socket(); empty for others.
  Socket& in() noexcept { return in_; }
  Socket& out() noexcept { return out_; }
  Socket& errors() noexcept { return errors_; }

  // wait() waits for the end of the child; once that has come, it returns the same again. After any
  // error the child is as it was. Errors: timed_out, operation_canceled, no_child_process,
  // Errc::not_in_a_thread, wrong_loop, second_reader, no_loop, parents_loop.
  Result<ExitStatus> wait(Timeout timeout = {}) noexcept;

  // kill() sends it a signal; see pidfd_send_signal(2). kill_group() sends it to its group, if it
  // has one of its own (else invalid_argument). no_such_process if wait() has returned its status.
  std::error_code kill(int signal = SIGTERM) noexcept;
  std::error_code kill_group(int signal = SIGTERM) noexcept;

 private:
  friend class detail::ChildState;
  explicit Child(detail::ChildState& state) noexcept : state_(&state) {}

  detail::ChildState* state_;  // nullptr: moved from
  Socket in_;
  Socket out_;
  Socket errors_;
};

// CommandResult is what a command has written, and how it ended. With an error, output and errors
// are what had come until then, and status says nothing.
struct [[nodiscard]] CommandResult {
  ExitStatus status = {};
  std::string output = {};
  std::string errors = {};
  std::error_code error = {};

  explicit operator bool() const noexcept { return !error; }
};

// RunOptions are for run().
struct RunOptions {
  std::string_view input = {};         // its standard input; Command::in is null() then
  std::size_t output_limit = 1 << 20;  // bytes of output, and of errors
};

// run() runs a command in a process group of its own, and waits until its output is at its end and
// it has ended. It takes what it writes to its output; to its errors, too, if those are
// Redirect::output(), or Redirect::socket(), for which a thread is spawned. At the deadline
// (timed_out), in a cancelled thread (operation_canceled) and if it writes more than the limit
// (message_size) the group is killed. A command that reads from Redirect::socket() finds the end of
// file. Other errors as those of start() and Loop::spawn(); invalid_argument for an input beside a
// Command::in that isn't null(). To be called in a thread.
EVCORO_API CommandResult run(Command command, RunOptions options, Timeout timeout = {});
inline CommandResult run(Command command, Timeout timeout = {}) {
  return run(std::move(command), RunOptions{}, timeout);
}

}  // namespace evcoro
