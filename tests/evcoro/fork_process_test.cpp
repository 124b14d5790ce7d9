// fork_process(): a function in a child process, and the parent unharmed by it.
#include <evcoro/fork.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <evcoro/scope.hpp>
#include <evcoro/signals.hpp>
#include <evcoro/timer.hpp>
#include <support/acceptor.hpp>
#include <support/contains.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::RawSocket;

namespace {

struct NeedsPidfd {
  NeedsPidfd() { support::skip_without_pidfd(); }
};

struct ForkFixture : NeedsPidfd, support::LoopFixture {};

ExitStatus end_of(Result<Child> child) { return child.value().wait(long_time).value(); }

// Runs function in a child, outside of fork_process()'s own reports; its result is the status.
template <class F>
int status_of(F&& function) {
  return end_of(fork_process(function)).code;
}

template <class F>
bool is_refused(F&& function) {
  try {
    function();
    return false;
  } catch (const std::logic_error&) {
    return true;
  }
}

// Bits are easier to tell from outside than a child's assertions.
int bit(int number, bool is_set) { return is_set ? 1 << number : 0; }

}  // namespace

TEST_CASE_METHOD(ForkFixture, "a forked function's result is the exit status") {
  in_thread([&] {
    REQUIRE(end_of(fork_process([] { return 7; })).code == 7);
    REQUIRE(end_of(fork_process([] {})).succeeded());
    REQUIRE(end_of(fork_process([] { std::raise(SIGKILL); })).signal == SIGKILL);
    const auto constant = [] { return 3; };
    Child child = fork_process(constant).value();
    REQUIRE(wait_child(child.id(), long_time).value().code == 3);
    REQUIRE(child.wait(long_time).error() == std::errc::no_child_process);
  });
  REQUIRE(fork_process([] {}).error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(ForkFixture, "an exception in a forked child is reported, and stdio is flushed") {
  const auto ended = support::in_child_with_loop([](std::optional<Loop>& own) {
    const auto parent = [] {
      std::fputs("before ", stdout);
      std::printf("(%d)\n", end_of(fork_process([] { std::cout << "in the child\n"; })).code);
      std::fflush(stdout);
      const auto thrower = [] { throw std::runtime_error("too bad"); };
      std::printf("(%d)\n", end_of(fork_process(thrower)).code);
      std::printf("(%d)\n", end_of(fork_process([] { throw 1; })).code);
    };
    own->spawn(parent).value().detach();
    own->run();
  });
  REQUIRE(ended.output ==
          "before in the child\n(0)\n"
          "evcoro: a function of fork_process() ended with an exception: too bad\n(70)\n"
          "evcoro: a function of fork_process() ended with an exception: an exception that is no "
          "std::exception\n"
          "(70)\n");
}

TEST_CASE_METHOD(ForkFixture, "a forked child serves in a loop of its own") {
  in_thread([&] {
    RawSocket listener = RawSocket::open(AF_INET);
    const Address any = support::loopback();
    REQUIRE(::bind(listener.get(), any.data(), any.size()) == 0);
    REQUIRE(::listen(listener.get(), 10) == 0);
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
    const auto serve = [&] {
      Loop own{{.capacity = 4, .stack_size = support::test_stack_size}};
      const auto one = [&] {
        const int connection = ::accept(listener.get(), nullptr, nullptr);
        Socket socket = Socket::adopt(own, connection).value();
        if (this_thread::sleep_for(1ms)) return;
        support::echo(socket);
      };
      own.spawn(one).value().detach();
      return own.run() == Loop::End::idle ? 5 : 6;
    };
    Child child = fork_process(serve).value();
    {
      const RawSocket client =
          RawSocket::connected_to(Address{reinterpret_cast<sockaddr*>(&bound), size});
      REQUIRE(support::is_served(client));
    }
    REQUIRE(child.wait(long_time).value().code == 5);
  });
}

TEST_CASE_METHOD(ForkFixture, "in a forked child all that is the parent's refuses, by name") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    Timer timer;
    SignalWaiter signals{SIGUSR1};
    Thread sleeper = loop->spawn([] { return this_thread::sleep_until(never); }).value();
    REQUIRE(support::until_parked(sleeper));
    Child cat = Child::start({.arguments = {"cat"}, .in = Redirect::socket()}).value();
    Scope scope;
    const int threads = status_of([&] {
      return bit(0, loop->spawn([] {}).error() == Errc::parents_loop) |
             bit(1, loop->spawn_wait({}, [] {}).error() == Errc::parents_loop) |
             bit(2, sleeper.join().error() == Errc::parents_loop) |
             bit(3, scope.spawn([] {}).error() == Errc::parents_loop) |
             bit(4, this_thread::sleep_for(1ms) == Errc::not_in_a_thread) |
             bit(5, timer.wait().error() == Errc::not_the_owner) |
             bit(6, Loop::current() == nullptr);
    });
    REQUIRE(threads == 127);
    const int objects = status_of([&, &s = socket] {
      return bit(0, support::receive(s).error == Errc::parents_loop) |
             bit(1, s.send("text").error == Errc::parents_loop) |
             bit(2, signals.wait(1ms).error() == Errc::parents_loop) |
             bit(3, cat.wait(1ms).error() == Errc::parents_loop) |
             bit(4, cat.kill() == Errc::parents_loop) |
             bit(5, Child::start(*loop, {.arguments = {"true"}}).error() == Errc::parents_loop) |
             bit(6, fork_process(*loop, [] {}).error() == Errc::parents_loop);
    });
    REQUIRE(objects == 127);
    const int exceptions = status_of([&] {
      return bit(0, is_refused([&] { loop->run(); })) |
             bit(1, is_refused([&] { loop->run_once(no_wait); })) |
             bit(2, is_refused([&] { (void)loop->shutdown(1s); })) |
             bit(3, is_refused([&] {
                   SignalWaiter{*loop, {SIGUSR1}};
                 })) |
             bit(4, is_refused([&] {
                   TcpAcceptor{*loop, support::loopback(), support::echo};
                 }));
    });
    REQUIRE(exceptions == 31);
    // In threads of a loop of the child's, too.
    const int inside = status_of([&, &s = socket] {
      Loop own{{.capacity = 4, .stack_size = support::test_stack_size}};
      int result = 0;
      const auto use = [&] {
        result = bit(0, support::receive(s).error == Errc::parents_loop) |
                 bit(1, sleeper.join().error() == Errc::parents_loop) |
                 bit(2, cat.wait(1ms).error() == Errc::parents_loop) |
                 bit(3, Loop::current() == &own);
      };
      own.spawn(use).value().detach();
      own.run();
      return result;
    });
    REQUIRE(inside == 15);
    REQUIRE(support::ping_pong(socket, peer));
    sleeper.request_stop();
    REQUIRE(sleeper.join().value() == std::errc::operation_canceled);
    cat.in().close();
    REQUIRE(cat.wait(long_time).value().succeeded());
  });
}

TEST_CASE_METHOD(ForkFixture,
                 "the parent is unharmed while its child closes what it has, and ends") {
  in_thread([&] {
    auto pair = support::connected_pair(*loop);
    Socket& socket = pair.socket;
    std::optional<TcpAcceptor> acceptor;
    acceptor.emplace(*loop, support::loopback(), support::echo);
    const RawSocket client = RawSocket::connected_to(acceptor->local_address());
    REQUIRE(support::is_served(client));
    Timer timer;
    timer.start_periodic(1ms);
    Thread reader = loop->spawn([&] { return support::receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    const int status = status_of([&] {
      socket.close();
      acceptor.reset();
      loop->stop();
      loop->abort();
      loop->post([] { std::puts("ran"); });
      loop.reset();
      return 9;
    });
    REQUIRE(status == 9);
    REQUIRE(timer.wait(long_time).has_value());
    REQUIRE(support::is_served(client));
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor->local_address())));
    pair.peer.send("for the parent");
    REQUIRE(reader.join().value().text == "for the parent");
    std::thread{[&] { loop->post([&] { acceptor->close(); }); }}.join();
    REQUIRE(support::eventually([&] { return !acceptor->is_open(); }));
  });
}

TEST_CASE_METHOD(ForkFixture, "a hundred forked children, each with a loop, are waited for") {
  in_thread([&] {
    std::vector<Child> children;
    for (int i = 0; i < 100; ++i) {
      const auto sleep = [i] {
        Loop own{{.capacity = 1, .stack_size = support::test_stack_size}};
        own.spawn([] { (void)this_thread::sleep_for(1ms); }).value().detach();
        own.run();
        return i;
      };
      children.push_back(fork_process(sleep).value());
    }
    for (int i = 0; i < 100; ++i) {
      REQUIRE(children[static_cast<std::size_t>(i)].wait(long_time).value().code == i);
    }
    REQUIRE((::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD));
  });
}

TEST_CASE_METHOD(ForkFixture, "a forked child may fork, and is killed with its group") {
  in_thread([&] {
    const int status = status_of([] {
      Loop own{{.capacity = 2, .stack_size = support::test_stack_size}};
      int code = 0;
      own.spawn([&] { code = end_of(fork_process([] { return 4; })).code; }).value().detach();
      own.run();
      return code;
    });
    REQUIRE(status == 4);
    int held[2];
    REQUIRE(::pipe2(held, O_CLOEXEC) == 0);
    const auto both_pause = [&] {
      ::close(held[0]);
      if (::fork() != 0) (void)!::write(held[1], "x", 1);
      ::pause();
    };
    char byte;
    {
      const Child doomed =
          fork_process(both_pause, {.own_group = true, .kill_on_destruction = true}).value();
      ::close(held[1]);
      REQUIRE(::read(held[0], &byte, 1) == 1);
    }
    REQUIRE(::read(held[0], &byte, 1) == 0);  // both have gone
    ::close(held[0]);
  });
}

TEST_CASE_METHOD(ForkFixture, "outside of threads a process is forked into the loop given") {
  std::optional<Child> child = fork_process(*loop, [] { return 2; }).value();
  in_thread([&] { REQUIRE(child->wait(long_time).value().code == 2); });
  child.reset();
}
