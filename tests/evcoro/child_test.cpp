#include <evcoro/child.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <evcoro/signals.hpp>
#include <support/application.hpp>
#include <support/every_park.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::LoopFixture;

namespace {

struct NeedsPidfd {
  NeedsPidfd() { support::skip_without_pidfd(); }
};

struct ChildFixture : NeedsPidfd, LoopFixture {};

// A child that others have made: it runs body, and ends with what that returns.
template <class Body>
pid_t fork_child(Body&& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  return child;
}

Command shell(std::string script) { return {.arguments = {"/bin/sh", "-c", std::move(script)}}; }

// ends_soon() says whether the process goes away, also as a zombie.
bool ends_soon(pid_t pid) {
  return support::eventually([&] { return ::kill(pid, 0) != 0 && errno == ESRCH; });
}

}  // namespace

TEST_CASE_METHOD(ChildFixture, "a foreign child is waited for, with its status") {
  in_thread([&] {
    const ExitStatus exited = wait_child(fork_child([] { return 7; }), long_time).value();
    REQUIRE(exited.exited());
    REQUIRE(exited.code == 7);
    REQUIRE(!exited.succeeded());
    const pid_t sleeper = fork_child([] { return ::pause(); });
    REQUIRE(wait_child(sleeper, no_wait).error() == std::errc::timed_out);
    REQUIRE(wait_child(sleeper, 1ms).error() == std::errc::timed_out);
    ::kill(sleeper, SIGKILL);
    const ExitStatus killed = wait_child(sleeper, long_time).value();
    REQUIRE(killed.signalled());
    REQUIRE(killed.signal == SIGKILL);
    REQUIRE(!killed.core_dumped);
    REQUIRE(wait_child(sleeper, long_time).error() == std::errc::no_child_process);
    REQUIRE(wait_child(::getppid(), long_time).error() == std::errc::no_child_process);
  });
  REQUIRE(wait_child(1).error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(ChildFixture, "200 children at once, each with a status of its own") {
  constexpr int count = 200;
  constexpr int loops = 2;
  std::atomic<int> right{0};
  std::vector<std::thread> os_threads;
  for (int part = 0; part < loops; ++part) {
    os_threads.emplace_back([&, part] {
      Loop other{{.capacity = count, .stack_size = 64 * 1024}};
      for (int i = part; i < count; i += loops) {
        other
            .spawn([&right, i] {
              Child child = Child::start(shell("exit " + std::to_string(i))).value();
              if (child.wait(long_time).value().code == i) ++right;
            })
            .value()
            .detach();
      }
      other.run();
    });
  }
  for (auto& each : os_threads) each.join();
  REQUIRE(right == count);
  REQUIRE((::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD));
}

TEST_CASE_METHOD(ChildFixture,
                 "a wait for a child can be cancelled, and the child waited for again") {
  in_thread([&] {
    const pid_t child = fork_child([] { return ::pause(); });
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Thread killer = loop->spawn([&] {
                            (void)this_thread::yield();
                            (void)this_thread::yield();
                            if (!cancelled) ::kill(child, SIGKILL);
                          })
                          .value();
      const auto status = wait_child(child, long_time);
      CHECK((status.error() == std::errc::operation_canceled) == cancelled);
      if (!cancelled) CHECK(status->signal == SIGKILL);
    });
    REQUIRE(parks >= 1);
  });
}

TEST_CASE_METHOD(ChildFixture, "a command's streams are sockets") {
  in_thread([&] {
    Child child =
        Child::start({.arguments = {"sh", "-c", "read line; echo \"got $line\"; echo oops >&2"},
                      .in = Redirect::socket(),
                      .out = Redirect::socket(),
                      .errors = Redirect::socket()})
            .value();
    REQUIRE(child.in().send("hello\n", long_time));
    child.in().close();
    REQUIRE(support::receive_all(child.out(), 100).text == "got hello\n");
    REQUIRE(support::receive_all(child.errors(), 100).text == "oops\n");
    REQUIRE(child.wait(long_time)->succeeded());
    REQUIRE(child.wait(no_wait)->succeeded());  // again
    REQUIRE(child.kill() == std::errc::no_such_process);
  });
}

TEST_CASE_METHOD(ChildFixture,
                 "a command gets arguments, environment, directory, and a merged stream") {
  in_thread([&] {
    Command command = shell("pwd; echo $COLOUR $#; echo error >&2");
    command.arguments.insert(command.arguments.end(), {"name", "one two", "three"});
    command.environment = {"COLOUR=green"};
    command.directory = "/";
    command.errors = Redirect::output();
    const CommandResult result = run(command, long_time);
    REQUIRE(!result.error);
    REQUIRE(result.output == "/\ngreen 2\nerror\n");
    command = shell("exit 3");
    REQUIRE(run(command, long_time).status.code == 3);
    REQUIRE(run({.arguments = {"cat"}, .errors = Redirect::null()}, long_time).output.empty());
  });
}

TEST_CASE_METHOD(ChildFixture, "streams may be swapped, and closed before") {
  const int saved = ::dup(STDIN_FILENO);
  ::close(STDIN_FILENO);  // so that new descriptors get its number
  in_thread([&] {
    Command command = shell("echo out; echo err >&2");
    command.in = Redirect::socket();
    command.errors = Redirect::socket();
    const CommandResult result = run(command, long_time);
    CHECK(result.output == "out\n");
    CHECK(result.errors == "err\n");
  });
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
}

TEST_CASE_METHOD(ChildFixture, "no descriptor leaks into a command") {
  const support::RawSocket careless{::socket(AF_INET, SOCK_STREAM, 0)};  // without SOCK_CLOEXEC
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    SignalWaiter waiter{SIGUSR1};
    Child other =
        Child::start({.arguments = {"cat"}, .in = Redirect::socket(), .kill_on_destruction = true})
            .value();
    // ls itself has one open, for the directory.
    const CommandResult result = run(shell("ls /proc/self/fd | wc -l"), long_time);
    REQUIRE(result.output == "4\n");
  });
}

TEST_CASE_METHOD(ChildFixture,
                 "a command starts with no signal blocked and SIGPIPE as the system has it") {
  std::signal(SIGPIPE, SIG_IGN);
  in_thread([&] {
    SignalWaiter waiter{SIGTERM};
    REQUIRE(run(shell("grep SigBlk /proc/self/status"), long_time).output ==
            "SigBlk:\t0000000000000000\n");
    REQUIRE(run(shell("kill -PIPE $$"), long_time).status.signal == SIGPIPE);
  });
  std::signal(SIGPIPE, SIG_DFL);
}

TEST_CASE_METHOD(ChildFixture, "what exec says is returned by start") {
  if (support::running_on_valgrind()) support::skip("under Valgrind posix_spawn() can't tell");
  in_thread([&] {
    const auto error = [](const Command& command) { return Child::start(command).error(); };
    REQUIRE(error({.arguments = {"/no/such/program"}}) == std::errc::no_such_file_or_directory);
    REQUIRE(error({.arguments = {"no-such-program"}}) == std::errc::no_such_file_or_directory);
    REQUIRE(error({.arguments = {"/"}}) == std::errc::permission_denied);
    REQUIRE(error({}) == std::errc::invalid_argument);
    REQUIRE(error({.arguments = {"true"}, .directory = "/no/such"}) ==
            std::errc::no_such_file_or_directory);
    REQUIRE(error({.arguments = {"true"}, .in = Redirect::to(-1)}) ==
            std::errc::bad_file_descriptor);
    REQUIRE(error({.arguments = {"true"}, .out = Redirect::output()}) ==
            std::errc::invalid_argument);
    REQUIRE(run({.arguments = {"no-such-program"}}).error == std::errc::no_such_file_or_directory);
  });
  REQUIRE(Child::start({.arguments = {"true"}}).error() == Errc::not_in_a_thread);
  REQUIRE(run({.arguments = {"true"}}).error == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(ChildFixture, "a child is killed, and with its group all that it has started") {
  in_thread([&] {
    Command command = shell("sleep 1000 & echo started; wait");
    command.out = Redirect::socket();
    command.own_group = true;
    Child child = Child::start(command).value();
    REQUIRE(support::receive(child.out()).text == "started\n");
    REQUIRE(!child.kill_group());
    REQUIRE(child.wait(long_time)->signal == SIGTERM);
    REQUIRE(support::receive(child.out()).is_end_of_file());  // the grandchild's end, too
    Child other = Child::start({.arguments = {"sleep", "1000"}}).value();
    REQUIRE(other.kill_group() == std::errc::invalid_argument);
    REQUIRE(!other.kill(SIGINT));
    REQUIRE(other.wait(long_time)->signal == SIGINT);
  });
}

TEST_CASE_METHOD(ChildFixture, "a child whose handle goes is reaped by the loop") {
  in_thread([&] {
    pid_t running;
    pid_t ended;
    pid_t killed;
    {
      Command reader{.arguments = {"cat"}, .in = Redirect::socket()};
      Child child = Child::start(reader).value();
      running = child.id();  // until its input ends, with the handle
      reader.in = Redirect::null();
      const Child other = Child::start(reader).value();
      ended = other.id();
      siginfo_t info;
      REQUIRE(::waitid(P_PID, static_cast<id_t>(ended), &info, WEXITED | WNOWAIT) == 0);
      const Child doomed =
          Child::start({.arguments = {"sleep", "1000"}, .kill_on_destruction = true}).value();
      killed = doomed.id();
    }
    REQUIRE(ends_soon(running));
    REQUIRE(ends_soon(ended));
    REQUIRE(ends_soon(killed));
  });
}

TEST_CASE_METHOD(ChildFixture, "a child may outlive its loop, and a wait ends with the handle") {
  std::optional<Child> child;
  in_thread([&] {
    child = Child::start({.arguments = {"sleep", "1000"}}).value();
    Thread waiter = loop->spawn([&] { return child->wait().error(); }).value();
    REQUIRE(support::until_parked(waiter));
    Thread second = loop->spawn([&] { return child->wait().error(); }).value();
    REQUIRE(second.join().value() == Errc::second_reader);
    const pid_t pid = child->id();
    child.reset();
    REQUIRE(waiter.join().value() == std::errc::operation_canceled);
    REQUIRE(::kill(pid, SIGKILL) == 0);
    child = Child::start({.arguments = {"sleep", "1000"}}).value();
  });
  REQUIRE(child->wait().error() == Errc::not_in_a_thread);
  loop.reset();
  REQUIRE(!child->kill(SIGKILL));
  int status = 0;
  REQUIRE(::waitpid(child->id(), &status, 0) == child->id());
  child.reset();
}

TEST_CASE_METHOD(ChildFixture, "run feeds and takes more than any buffer holds, up to a limit") {
  in_thread([&] {
    const std::string much(3 << 20, 'x');
    const CommandResult all =
        run({.arguments = {"cat"}}, {.input = much, .output_limit = much.size()}, long_time);
    REQUIRE(!all.error);
    REQUIRE(all.output == much);
    Command both = shell("cat >&2; echo done");
    both.errors = Redirect::socket();
    const CommandResult errors = run(both, {.input = much, .output_limit = 4 << 20}, long_time);
    REQUIRE(errors.errors == much);
    REQUIRE(errors.output == "done\n");
    for (const Redirect where : {Redirect::output(), Redirect::socket()}) {
      both.errors = where;
      const CommandResult cut = run(both, {.input = much, .output_limit = 1000}, long_time);
      REQUIRE(cut.error == std::errc::message_size);
      REQUIRE(cut.output.size() + cut.errors.size() == 1000);
    }
  });
}

TEST_CASE_METHOD(ChildFixture, "run has one input, or none") {
  in_thread([&] {
    for (const Redirect in : {Redirect::socket(), Redirect::inherit(), Redirect::to(0)}) {
      const CommandResult both =
          run({.arguments = {"cat"}, .in = in}, {.input = "text"}, long_time);
      REQUIRE(both.error == std::errc::invalid_argument);
    }
    const CommandResult nothing = run({.arguments = {"cat"}, .in = Redirect::socket()}, long_time);
    REQUIRE(!nothing.error);
    REQUIRE(nothing.status.succeeded());
    REQUIRE(nothing.output.empty());
  });
}

TEST_CASE_METHOD(ChildFixture, "run kills the command and its group at the deadline") {
  in_thread([&] {
    int held[2];
    REQUIRE(::pipe2(held, O_CLOEXEC) == 0);
    Command command = shell("sleep 1000 & echo started; wait");
    command.errors = Redirect::to(held[1]);
    const CommandResult late = run(command, 100ms);
    ::close(held[1]);
    REQUIRE(late.error == std::errc::timed_out);
    REQUIRE(late.output == "started\n");
    char byte;
    REQUIRE(::read(held[0], &byte, 1) == 0);  // both have gone
    ::close(held[0]);
  });
}

TEST_CASE_METHOD(ChildFixture, "run can be cancelled wherever it waits") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [](bool& cancelled) {
      Command command = shell("echo out; exec >&-; sleep 0.01; exec 2>&-; sleep 0.01");
      command.errors = Redirect::socket();
      const CommandResult result = run(command, long_time);
      CHECK((result.error == std::errc::operation_canceled) == cancelled);
    });
    REQUIRE(parks >= 1);
  });
}

TEST_CASE_METHOD(support::Application,
                 "a child in an application's base keeps it alive while it is waited for") {
  support::skip_without_pidfd();
  int code = 0;
  spawn([&] { code = run(shell("exit 5"), long_time).status.code; });
  dispatch();
  REQUIRE(code == 5);
}

TEST_CASE_METHOD(ChildFixture, "in a process that is forked, a Child is the parent's") {
  in_thread([&] {
    std::optional<Child> child =
        Child::start({.arguments = {"cat"}, .in = Redirect::socket(), .kill_on_destruction = true})
            .value();
    const auto ended = support::in_child([&] {
      std::puts(child->wait(no_wait).error() == Errc::parents_loop ? "named" : "not named");
      std::puts(child->kill() == Errc::parents_loop ? "named" : "not named");
      std::puts(Child::start({.arguments = {"true"}}).error() == Errc::parents_loop ? "named" : "");
      std::puts(wait_child(1).error() == Errc::parents_loop ? "named" : "not named");
      child.reset();
    });
    REQUIRE(ended.output == "named\nnamed\nnamed\nnamed\n");
    REQUIRE(child->wait(1ms).error() == std::errc::timed_out);  // it lives
    child->in().close();
    REQUIRE(child->wait(long_time)->succeeded());
  });
}

TEST_CASE_METHOD(ChildFixture,
                 "a Child's wait is cancelled wherever it parks, and can be repeated") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Child child =
          Child::start({.arguments = {"sleep", "60"}, .kill_on_destruction = true}).value();
      const Thread killer = loop->spawn([&] {
                                  (void)this_thread::yield();
                                  (void)this_thread::yield();
                                  if (!cancelled) CHECK(!child.kill(SIGKILL));
                                })
                                .value();
      const auto status = child.wait();
      CHECK((status.error() == std::errc::operation_canceled) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      CHECK(!child.kill(SIGTERM));
      CHECK(child.wait(long_time)->signal == SIGTERM);
    });
    REQUIRE(parks >= 1);
  });
}
