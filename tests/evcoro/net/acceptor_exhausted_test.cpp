#include <sys/resource.h>

#include <chrono>
#include <optional>
#include <vector>

#include <stacks/report.hpp>
#include <support/acceptor.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

namespace {

std::chrono::microseconds cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec};
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// Uses up all descriptors that the process may have. Assertions come after it: UBSan opens a pipe
// to look at an object, and takes one that it can't look at for a bad one.
class NoDescriptorsLeft {
 public:
  NoDescriptorsLeft() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    low.rlim_cur = std::min<rlim_t>(before_.rlim_cur, 256);
    ::setrlimit(RLIMIT_NOFILE, &low);
    for (int descriptor; (descriptor = ::dup(0)) >= 0;) hoard_.emplace_back(descriptor);
  }
  ~NoDescriptorsLeft() {
    for (const int each : hoard_) ::close(each);
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }

 private:
  rlimit before_{};
  std::vector<int> hoard_;
};

// Counts the library's reports, as long as it lives.
class ReportCounter {
 public:
  ReportCounter() : before_(stacks::set_report_sink(count)) { count_ = 0; }
  ~ReportCounter() { stacks::set_report_sink(before_); }
  ReportCounter(const ReportCounter&) = delete;
  ReportCounter& operator=(const ReportCounter&) = delete;

  int reports() const { return count_; }

 private:
  static void count(const char*, std::size_t) noexcept { ++count_; }

  static inline int count_ = 0;
  stacks::ReportSink before_;
};

void connect(const RawSocket& socket, const TcpAcceptor& acceptor) {
  const Address address = acceptor.local_address();
  if (::connect(socket.get(), address.data(), address.size()) != 0) support::throw_errno("connect");
}

void warm_up(Loop& loop) {
  TcpAcceptor drained{loop, support::loopback(), support::echo};
  static_cast<void>(support::is_served(RawSocket::connected_to(drained.local_address())));
  drained.drain(1ms);
  TcpAcceptor{loop, support::loopback(), support::echo}.close();
}

// Valgrind has a limit of its own: accept(2) succeeds, and what it brought is closed.
void skip_on_valgrind() {
  if (support::running_on_valgrind()) support::skip("Valgrind doesn't run out in accept(2)");
}

// Lets an acceptor and, behind it, a thread wait for the only stack, which becomes free when there
// are no descriptors, if so wanted. Returns whether the thread has got it then.
bool thread_gets_stack(Loop& loop, stacks::StackPool& connections, bool without_descriptors) {
  REQUIRE(support::eventually([&] { return connections.available() == 1; }));
  const SpawnOptions on_connections{.stacks = &connections};
  TcpAcceptor acceptor{loop, support::loopback(), support::echo, {.stacks = &connections}};
  Thread holder = loop.spawn(on_connections, [] { return this_thread::sleep_for(1h); }).value();
  RawSocket client = RawSocket::connected_to(acceptor.local_address());
  REQUIRE(!this_thread::sleep_for(1ms));  // the acceptor sees that it has no stack
  Thread spawner = loop.spawn([&] {
                         auto thread = loop.spawn_wait(on_connections, [] {});
                         if (thread) static_cast<void>(thread->join());
                       })
                       .value();
  REQUIRE(support::until_parked(spawner));
  REQUIRE(spawner.info().wait_reason == "a stack");
  if (!without_descriptors) client.close();
  std::optional<NoDescriptorsLeft> none;
  if (without_descriptors) none.emplace();
  holder.request_stop();
  static_cast<void>(holder.join());
  return support::eventually([&] { return spawner.has_ended(); });
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture,
                 "out of descriptors, an acceptor idles, and resumes when there are some") {
  skip_on_valgrind();
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket before = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::is_served(before));
    RawSocket waiting = RawSocket::open(AF_INET);
    double share = 0;
    TcpAcceptor::Counters counters;
    bool before_is_served = false;
    const ReportCounter counter;
    {
      const NoDescriptorsLeft none;
      connect(waiting, acceptor);
      waiting.send("ping");
      this_thread::sleep_for(50ms);
      const auto cpu_before = cpu_time();
      const auto begin = Clock::now();
      this_thread::sleep_for(1s);
      share = std::chrono::duration<double>(cpu_time() - cpu_before) /
              std::chrono::duration<double>(Clock::now() - begin);
      counters = acceptor.counters();
      before_is_served = support::is_served(before);
    }
    if (!support::under_sanitizer()) REQUIRE(share < 0.05);
    REQUIRE(counter.reports() <= 1);
    REQUIRE(counters.accepted == 1);
    REQUIRE(counters.waiting == 1);
    REQUIRE(before_is_served);
    REQUIRE(support::reply(waiting, 4) == "ping");
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
    REQUIRE(acceptor.counters().refused == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "out of descriptors, an acceptor can be closed") {
  in_thread([&] {
    warm_up(*loop);
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket waiting = RawSocket::open(AF_INET);
    {
      const NoDescriptorsLeft none;
      connect(waiting, acceptor);
      this_thread::sleep_for(10ms);
      acceptor.close();
    }
    REQUIRE(support::has_ended(waiting));
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "out of descriptors, an acceptor drains until its deadline") {
  skip_on_valgrind();
  in_thread([&] {
    warm_up(*loop);
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket waiting = RawSocket::open(AF_INET);
    std::error_code drained;
    {
      const NoDescriptorsLeft none;
      connect(waiting, acceptor);
      drained = acceptor.drain(150ms);
    }
    REQUIRE(drained == std::errc::timed_out);
    REQUIRE(!acceptor.is_open());
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "out of descriptors, an acceptor passes a stack on to a thread that waits") {
  skip_on_valgrind();
  stacks::StackPool connections{support::connection_stacks(1)};
  in_thread([&] {
    REQUIRE(thread_gets_stack(*loop, connections, false));  // warms up
    REQUIRE(thread_gets_stack(*loop, connections, true));
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "without the memory for stacks, clients wait in the backlog") {
  stacks::StackPool connections{{.capacity = 4,
                                 .stack_size = SIZE_MAX / 8,
                                 .allocation = stacks::StackPool::Allocation::on_demand}};
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, {.stacks = &connections}};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 3; ++i)
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    REQUIRE(!this_thread::sleep_for(20ms));
    REQUIRE(acceptor.counters().waiting == 3);
    REQUIRE(acceptor.counters().refused == 0);
    for (const RawSocket& each : clients) REQUIRE(!support::has_ended(each));
    acceptor.close();
    REQUIRE(acceptor.counters().refused == 3);
    for (const RawSocket& each : clients) REQUIRE(support::has_ended(each));
  });
}
