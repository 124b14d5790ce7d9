#include <sys/resource.h>

#include <chrono>
#include <vector>

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

// Uses up all descriptors that the process may have.
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

}  // namespace

TEST_CASE_METHOD(support::LoopFixture,
                 "out of descriptors, an acceptor idles, and resumes when there are some") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket before = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::is_served(before));
    RawSocket waiting = RawSocket::open(AF_INET);
    {
      const NoDescriptorsLeft none;
      const Address address = acceptor.local_address();
      REQUIRE(::connect(waiting.get(), address.data(), address.size()) == 0);
      waiting.send("ping");
      REQUIRE(!this_thread::sleep_for(50ms));
      const auto cpu_before = cpu_time();
      const auto begin = Clock::now();
      REQUIRE(!this_thread::sleep_for(1s));
      const double share = std::chrono::duration<double>(cpu_time() - cpu_before) /
                           std::chrono::duration<double>(Clock::now() - begin);
      if (!support::running_on_valgrind() && !support::under_sanitizer()) REQUIRE(share < 0.05);
      REQUIRE(acceptor.counters().accepted == 1);
      REQUIRE(acceptor.counters().waiting == 1);
      REQUIRE(support::is_served(before));  // who is there is served meanwhile
    }
    REQUIRE(support::reply(waiting, 4) == "ping");
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
    REQUIRE(acceptor.counters().refused == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "out of descriptors, an acceptor can be closed") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket waiting = RawSocket::open(AF_INET);
    const NoDescriptorsLeft none;
    const Address address = acceptor.local_address();
    REQUIRE(::connect(waiting.get(), address.data(), address.size()) == 0);
    REQUIRE(!this_thread::sleep_for(10ms));
    acceptor.close();
    REQUIRE(support::has_ended(waiting));
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "out of descriptors, an acceptor drains until its deadline") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket waiting = RawSocket::open(AF_INET);
    const NoDescriptorsLeft none;
    const Address address = acceptor.local_address();
    REQUIRE(::connect(waiting.get(), address.data(), address.size()) == 0);
    REQUIRE(acceptor.drain(150ms) == std::errc::timed_out);
    REQUIRE(!acceptor.is_open());
  });
}
