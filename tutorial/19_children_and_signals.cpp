// Chapter 19: commands, forked children, and signals.
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <system_error>

#include <evcoro/child.hpp>
#include <evcoro/fork.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/signals.hpp>
#include <evcoro/thread.hpp>

using evcoro::Child;
using evcoro::Command;
using evcoro::ExitStatus;
using evcoro::IoResult;
using evcoro::Loop;
using evcoro::Redirect;
using evcoro::SignalInfo;
using evcoro::SignalWaiter;
using evcoro::Thread;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// [run]
void run_a_command() {
  const auto result = evcoro::run({.arguments = {"sh", "-c", "echo hello; exit 3"}}, 10s);
  if (result.error) throw std::system_error(result.error);
  std::printf("sh says: %sand ends with %d\n", result.output.c_str(), result.status.code);
  const auto late = evcoro::run({.arguments = {"sleep", "1000"}}, 10ms);
  std::printf("sleep: %s\n", late.error == std::errc::timed_out ? "too long" : "over");
}
// [/run]

// [talk]
void talk_to_a_command() {
  const Command sort{
      .arguments = {"sort", "-n"}, .in = Redirect::socket(), .out = Redirect::socket()};
  Child child = Child::start(sort).value();
  if (const IoResult out = child.in().send("10\n9\n8\n", 10s); out.error) return;
  child.in().close();  // its end of file
  std::array<char, 100> lines{};
  const IoResult in = child.out().recv_all(std::as_writable_bytes(std::span{lines}), 10s);
  std::printf("sorted:\n%s", std::string{lines.data(), in.count}.c_str());
  std::printf("sort: %s\n", child.wait(10s).value().succeeded() ? "succeeded" : "failed");
}
// [/talk]

// [fork]
void fork_a_child() {
  const auto in_the_child = [] {
    Loop loop{{.capacity = 10}};  // the parent's is of no use here
    Thread thread = loop.spawn([] { return this_thread::sleep_for(1ms) ? 1 : 42; }).value();
    loop.run();
    return thread.join().value();  // the exit status
  };
  Child child = evcoro::fork_process(in_the_child).value();
  const ExitStatus status = child.wait(10s).value();
  std::printf("the child ends with %d\n", status.code);
}
// [/fork]

// [foreign]
void wait_for_a_foreign_child() {
  const pid_t pid = ::fork();  // stands for a library that starts processes
  if (pid == 0) ::_exit(7);
  const ExitStatus status = evcoro::wait_child(pid, 10s).value();
  std::printf("a foreign child ends with %d\n", status.code);
}
// [/foreign]

// [signals]
void wait_for_signals(SignalWaiter& signals) {
  while (true) {
    const SignalInfo signal = signals.wait().value();
    std::printf("signal: %s\n", signal.number == SIGHUP ? "read the settings again" : "the end");
    if (signal.number == SIGTERM) return;
  }
}
// [/signals]

}  // namespace

// [main]
int main() try {
  evcoro::block_signals({SIGHUP, SIGTERM});  // before there is any other OS thread
  Loop loop{{.capacity = 10, .stack_size = 32 * 1024}};
  SignalWaiter signals{loop, {SIGHUP, SIGTERM}};
  Thread waiting = loop.spawn([&] { wait_for_signals(signals); }).value();
  const auto all = [] {
    run_a_command();
    talk_to_a_command();
    fork_a_child();
    wait_for_a_foreign_child();
    ::kill(::getpid(), SIGHUP);
    this_thread::sleep_for(50ms);  // signals have no order
    ::kill(::getpid(), SIGTERM);
  };
  Thread thread = loop.spawn({.name = "all"}, all).value();
  loop.run();
  thread.join().value();
  waiting.join().value();
} catch (const std::exception& error) {
  std::fprintf(stderr, "19_children_and_signals: %s\n", error.what());
  return 1;
}
// [/main]
