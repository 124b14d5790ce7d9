// The errors of accept(2), and what an acceptor makes of them.
#include <string>
#include <vector>

#include <stacks/report.hpp>
#include <support/acceptor.hpp>
#include <support/system_calls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

namespace {

std::string reported;

// Collects what the library reports while it lives.
class Sink {
 public:
  Sink() {
    reported.clear();
    before_ = stacks::set_report_sink(
        [](const char* text, std::size_t size) noexcept { reported.append(text, size); });
  }
  ~Sink() { stacks::set_report_sink(before_); }

 private:
  stacks::ReportSink before_;
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture,
                 "without the resources for a connection, an acceptor waits for them") {
  support::require_interposition();
  const int error = GENERATE(EMFILE, ENFILE, ENOBUFS, ENOMEM);
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    support::calls.accept = {.failures = 2, .error = error};
    const auto begin = Clock::now();
    REQUIRE(support::is_served(client));
    REQUIRE(Clock::now() - begin >= 200ms);  // 100 ms each
    REQUIRE(support::calls.accept.count == 2 + 1);
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
    REQUIRE(acceptor.counters().accepted == 2);
    REQUIRE(acceptor.counters().refused == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "after an error of one connection, an acceptor goes on with the next at once") {
  support::require_interposition();
  const int error = GENERATE(ECONNABORTED, EPROTO, EINTR, EPERM, ENETDOWN, EHOSTUNREACH);
  TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
  const RawSocket client = RawSocket::connected_to(acceptor.local_address());
  client.shutdown(SHUT_WR);
  support::calls.accept = {.failures = 3, .error = error};
  loop->run_once(support::long_time);  // all in this one pass
  REQUIRE(support::calls.accept.count == 3 + 2);
  REQUIRE(acceptor.counters().accepted == 1);
  REQUIRE(acceptor.counters().refused == 0);
  REQUIRE(acceptor.is_open());
  acceptor.close();
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "who comes alone is accepted without a look for others") {
  support::require_interposition();
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    support::calls.accept = {};
    for (int i = 1; i <= 20; ++i) {
      REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
      REQUIRE(support::eventually([&] { return acceptor.counters().active == 0; }));
      REQUIRE(support::calls.accept.count == i);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "who come together are accepted together") {
  support::require_interposition();
  TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
  std::vector<RawSocket> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    clients.back().shutdown(SHUT_WR);
  }
  support::calls.accept = {};
  loop->run_once(support::long_time);
  REQUIRE(acceptor.counters().accepted == 40);
  REQUIRE(support::calls.accept.count == 40 + 1);  // the last one finds nobody
  acceptor.close();
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an acceptor whose listener is of no more use closes itself, and says so") {
  support::require_interposition();
  const auto [error, name] = GENERATE(
      table<int, std::string>({{EINVAL, "EINVAL"}, {EBADF, "EBADF"}, {ENOTSOCK, "ENOTSOCK"}}));
  const Sink sink;
  in_thread([&, &error = error, &name = name] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, {.name = "greeter"}};
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    support::calls.accept = {.failures = 1, .error = error};
    REQUIRE(support::eventually([&] { return !acceptor.is_open(); }));
    REQUIRE(reported ==
            "evcoro: acceptor 'greeter' is closed: accept(2) fails with " + name + "\n");
    REQUIRE(support::has_ended(client));
    REQUIRE(acceptor.counters().refused == 1);
  });
}

// As above, without a made-up error: somebody has shut the listener down.
TEST_CASE_METHOD(support::LoopFixture, "an acceptor whose listener is shut down closes itself") {
  const Sink sink;
  support::Listener listener;
  const int descriptor = listener.release();
  TcpAcceptor acceptor{*loop, descriptor, support::echo};
  loop->run_once(no_wait);
  REQUIRE(::shutdown(descriptor, SHUT_RDWR) == 0);
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(!acceptor.is_open());
  REQUIRE(reported == "evcoro: acceptor 'connection' is closed: accept(2) fails with EINVAL\n");
}
