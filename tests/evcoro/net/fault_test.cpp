// What went wrong in other libraries of this kind, and has no better place among the tests.
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <thread>

#include <evcoro/scope.hpp>
#include <evcoro/timer.hpp>
#include <support/acceptor.hpp>
#include <support/application.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::Pair;
using support::RawSocket;
using support::receive;

namespace {

volatile std::sig_atomic_t signals = 0;

// A signal every 50 microseconds of real time, to whatever OS thread; no system call is restarted.
// Valgrind would do nothing else any more.
class Storm {
 public:
  Storm() {
    struct sigaction action {};
    action.sa_handler = [](int) { signals = signals + 1; };
    ::sigaction(SIGALRM, &action, nullptr);
    set_interval(support::running_on_valgrind() ? 5000 : 50);
  }
  ~Storm() { set_interval(0); }
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;

 private:
  static void set_interval(suseconds_t microseconds) {
    const itimerval timer{{0, microseconds}, {0, microseconds}};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
};

rusage usage() {
  rusage result{};
  ::getrusage(RUSAGE_SELF, &result);
  return result;
}

// events_in_kernel() is what epoll has registered for descriptor, or 0; see proc(5), fdinfo.
std::uint32_t events_in_kernel(int descriptor) {
  for (const auto& file : std::filesystem::directory_iterator{"/proc/self/fdinfo"}) {
    std::ifstream lines{file.path()};
    for (std::string line; std::getline(lines, line);) {
      int number = 0;
      unsigned events = 0;
      const int found = std::sscanf(line.c_str(), "tfd: %d events: %x", &number, &events);
      if (found == 2 && number == descriptor) return events;
    }
  }
  return 0;
}

std::size_t heap_in_use() { return ::mallinfo2().uordblks; }

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a storm of signals harms neither clients nor server") {
  const std::string message = support::pattern(100'000);
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    int rounds = 0;
    {
      const Storm storm;
      for (; signals < 50 || rounds < 10; ++rounds) {
        Socket client = connect(acceptor.local_address(), support::long_time).value();
        Thread sender = loop->spawn([&] { return client.send(message, never); }).value();
        REQUIRE(support::receive_all(client, message.size()).text == message);
        REQUIRE(sender.join().value().count == message.size());
        const TimePoint began = Clock::now();
        REQUIRE(receive(client, 10, 1ms).error == std::errc::timed_out);
        REQUIRE(Clock::now() - began >= 1ms);
        REQUIRE(!this_thread::sleep_for(100us));
      }
    }
    REQUIRE(!acceptor.drain(support::long_time));
    REQUIRE(acceptor.counters().accepted == static_cast<std::uint64_t>(rounds));
  });
}

// libevent used to forget such a break, or to keep it for a run that it was not meant for.
TEST_CASE_METHOD(support::LoopFixture, "a stop from another OS thread is never lost") {
  spawn([] { (void)this_thread::sleep_until(never); });
  for (int i = 0; i < 300; ++i) {
    std::thread other{[&] {
      for (int spins = i % 30 * 100; spins > 0; --spins)
        std::atomic_signal_fence(std::memory_order_seq_cst);
      loop->stop();
    }};
    REQUIRE(loop->run() == Loop::End::stopped);  // or it would wait for ever
    other.join();
  }
  loop->shutdown(support::long_time);
}

// 2^32 microseconds, 2^32 milliseconds, and more nanoseconds than 64 bits have.
TEST_CASE_METHOD(support::LoopFixture, "long timeouts are long, whatever waits") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    support::fill(socket);
    for (const Timeout timeout : {Timeout{72min}, Timeout{50 * 24h}, Timeout{300 * 365 * 24h}}) {
      TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
      const RawSocket client = RawSocket::connected_to(acceptor.local_address());
      REQUIRE(support::is_served(client));
      std::vector<Thread<std::error_code>> waiting;
      const auto wait = [&](auto&& operation) {
        waiting.push_back(loop->spawn(operation).value());
      };
      wait([&] { return acceptor.drain(timeout); });
      wait([&, &socket = socket] { return receive(socket, 1, timeout).error; });
      wait([&, &socket = socket] { return socket.send("x", timeout).error; });
      wait([&] { return detail::current_thread()->wait_for_wake(timeout); });
      wait([&] { return this_thread::sleep_until(timeout.deadline()); });
      wait([&] {
        Timer timer;
        timer.start(timeout);
        return timer.wait(timeout).error();
      });
      wait([&] {
        const Scope scope{timeout};
        return this_thread::sleep_until(never);
      });
      REQUIRE(!this_thread::sleep_for(2ms));
      for (auto& each : waiting) {
        REQUIRE(each.info().state == TaskState::parked);
        each.request_stop();
      }
      for (auto& each : waiting) REQUIRE(each.join().value() == std::errc::operation_canceled);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "of waits with one and the same deadline each ends by itself") {
  in_thread([&] {
    std::deque<Pair> pairs;
    std::vector<Thread<support::Received>> readers;
    const TimePoint deadline = Clock::now() + 20ms;
    for (int i = 0; i < 9; ++i) {
      pairs.push_back(connected_pair(*loop));
      readers.push_back(loop->spawn([&, i] {
                              return receive(pairs[static_cast<std::size_t>(i)].socket, 10,
                                             deadline);
                            })
                            .value());
    }
    REQUIRE(!this_thread::yield());
    for (std::size_t i = 0; i < 9; i += 3) pairs[i].peer.send("x");
    for (std::size_t i = 1; i < 9; i += 3) readers[i].request_stop();
    for (std::size_t i = 0; i < 9; ++i) {
      const auto in = readers[i].join().value();
      if (i % 3 == 0) REQUIRE(in.text == "x");
      if (i % 3 == 1) REQUIRE(in.error == std::errc::operation_canceled);
      if (i % 3 == 2) REQUIRE(in.error == std::errc::timed_out);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the memory of many timers is given back") {
  const bool is_slow = support::running_on_valgrind() || support::under_sanitizer();
  const std::size_t count = is_slow ? 20'000 : 200'000;
  in_thread([&] {
    const std::size_t before = heap_in_use();
    {
      std::deque<Timer> timers(count);
      for (std::size_t i = 0; i < count; ++i) timers[i].start(i % 2 == 0 ? 1h : 1us * (i % 1000));
      const std::size_t armed = heap_in_use();
      REQUIRE(!this_thread::sleep_for(2ms));
      std::size_t expired = 0;
      for (std::size_t i = 1; i < count; i += 2) expired += timers[i].has_expired() ? 1 : 0;
      REQUIRE(expired == count / 2);
      REQUIRE(heap_in_use() <= armed + 100'000);  // they are no entries of anything
    }
    if (!support::under_sanitizer()) REQUIRE(heap_in_use() <= before + 100'000);
    REQUIRE(!this_thread::sleep_for(1us));
  });
}

// A child process that has the connection, too, keeps it open, and with epoll its registration.
TEST_CASE_METHOD(support::LoopFixture, "what a child process has open still disturbs nobody") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    int ends[2];  // the child lives until it reads the end of file
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[1]);
      char byte;
      ::_exit(static_cast<int>(::read(ends[0], &byte, 1)));
    }
    socket.close();
    peer.send("for nobody");
    Pair fresh = connected_pair(*loop);
    Thread reader = loop->spawn([&] { return receive(fresh.socket); }).value();
    const rusage before = usage();
    CHECK(!this_thread::sleep_for(10ms));
    CHECK(usage().ru_nvcsw - before.ru_nvcsw <= 2);  // the loop waits once
    fresh.peer.send("for the parent");
    CHECK(reader.join().value().text == "for the parent");
    ::close(ends[0]);
    ::close(ends[1]);
    int status = -1;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  });
}

// libevent used to forget that the event which stays is edge-triggered (issue 636): what nobody
// reads would be reported again and again.
TEST_CASE_METHOD(support::LoopFixture, "half of an edge-triggered event goes, not the edges") {
  if (!support::has_edges(*loop)) support::skip("there are no edge-triggered events");
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    REQUIRE((events_in_kernel(socket.native_handle()) & EPOLLET) != 0);
    for (const short half : {EV_READ, EV_WRITE}) {
      const auto nothing = [](evutil_socket_t, short, void*) {};
      const int events = half | EV_ET | EV_PERSIST;
      event* const other = event_new(loop->base(), socket.native_handle(),
                                     static_cast<short>(events), nothing, nullptr);
      REQUIRE(event_add(other, nullptr) == 0);
      REQUIRE(!this_thread::sleep_for(1us));
      event_free(other);
      REQUIRE((events_in_kernel(socket.native_handle()) & EPOLLET) != 0);
      REQUIRE(support::ping_pong(socket, peer));
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "what is closed twice closes nothing of others") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    socket.close();
    acceptor.close();
    auto [other, other_peer] = connected_pair(*loop);  // has their numbers
    const TcpAcceptor other_acceptor{*loop, support::loopback(), support::echo};
    socket.close();
    acceptor.close();
    REQUIRE(socket.release() == -1);
    REQUIRE(support::ping_pong(other, other_peer));
    REQUIRE(support::is_served(RawSocket::connected_to(other_acceptor.local_address())));
  });
}
