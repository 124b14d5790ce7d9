// What a factory and a refuse callback may do to their acceptor and its loop.
#include <csignal>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <support/acceptor.hpp>
#include <support/contains.hpp>
#include <support/failing_new.hpp>

using namespace evcoro;
using support::RawSocket;

namespace {

// A client that has said all it has to say: its connection ends when it has been served.
RawSocket brief_client(const TcpAcceptor& acceptor) {
  RawSocket client = RawSocket::connected_to(acceptor.local_address());
  client.send("ping");
  client.shutdown(SHUT_WR);
  return client;
}

// A factory that destroys its acceptor, whose inside, and so the factory, must live on for as long
// as it is at work: count says how often it did.
auto destroyer_of(std::optional<TcpAcceptor>& acceptor, int& count) {
  return [&, token = std::make_shared<int>()](Accepted&) {
    int& outlived = count;  // nothing that is captured is touched any more
    const std::weak_ptr<int> watched = token;
    acceptor.reset();
    if (!watched.expired()) ++outlived;
    return 1;
  };
}

// What becomes of a process in which a factory or a refuse callback destroys the loop, once start
// has been called.
using Start = std::function<void(Loop& loop, TcpAcceptor& acceptor)>;

support::Ended destroy_in_factory(const Start& start) {
  return support::in_child_with_loop([&](std::optional<Loop>& loop) {
    TcpAcceptor acceptor{*loop, support::loopback(), [&](Accepted&) {
                           loop.reset();
                           return 0;
                         }};
    const RawSocket client = brief_client(acceptor);
    start(*loop, acceptor);
  });
}

support::Ended destroy_in_refuse(const Start& start) {
  return support::in_child_with_loop([&](std::optional<Loop>& loop) {
    stacks::StackPool connections{support::connection_stacks(1)};
    std::error_code error;
    static_cast<void>(connections.take(error));
    TcpAcceptor acceptor{*loop,
                         support::loopback(),
                         support::echo,
                         {.when_full = TcpAcceptor::WhenFull::reject,
                          .refuse = [&](Refusal&) { loop.reset(); },
                          .stacks = &connections}};
    const RawSocket client = brief_client(acceptor);
    start(*loop, acceptor);
  });
}

void require_misuse(const support::Ended& ended) {
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output,
               support::contains("a Loop was destroyed by a function that it called"));
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture,
                 "a factory may close its acceptor while further clients wait") {
  std::optional<TcpAcceptor> acceptor;
  acceptor.emplace(*loop, support::loopback(), [&](Accepted& accepted) {
    acceptor->close();
    accepted.run(support::echo);
    return 0;
  });
  std::vector<RawSocket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(brief_client(*acceptor));
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(!acceptor->is_open());
  for (const RawSocket& each : clients) REQUIRE(each.recv_all(100) == "ping");
  REQUIRE(acceptor->counters().accepted == 3);
  REQUIRE(acceptor->counters().refused == 0);
}

// If closing released the loop twice, nothing would be left to keep it running.
TEST_CASE_METHOD(support::LoopFixture,
                 "an acceptor that its factory closes leaves others to keep the loop running") {
  std::optional<TcpAcceptor> acceptor;
  acceptor.emplace(*loop, support::loopback(), [&](Accepted&) {
    acceptor->close();
    return 1;
  });
  TcpAcceptor other{*loop, support::loopback(), [&](Socket&) { loop->stop(); }};
  const RawSocket first = brief_client(*acceptor);
  const RawSocket second = brief_client(*acceptor);
  spawn([&] {
    REQUIRE(support::eventually([&] { return acceptor->counters().refused == 2; }));
    static_cast<void>(brief_client(other));
  });
  REQUIRE(loop->run() == Loop::End::stopped);
  other.close();
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "a factory may destroy its acceptor") {
  std::optional<TcpAcceptor> acceptor;
  int outlived = 0;
  acceptor.emplace(*loop, support::loopback(), destroyer_of(acceptor, outlived));
  std::vector<RawSocket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(RawSocket::connected_to(acceptor->local_address()));
  SECTION("while the loop runs") {}
  SECTION("while it serves the backlog to close") { acceptor->close(); }
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(!acceptor.has_value());
  REQUIRE(outlived == 3);
  for (const RawSocket& each : clients) REQUIRE(each.recv().empty());
}

TEST_CASE_METHOD(support::LoopFixture,
                 "without memory, a factory that throws is told of all the same") {
  int called = 0;
  int told = 0;
  loop->set_exception_handler([&](const ThreadInfo&, std::exception_ptr) { ++told; });
  const TcpAcceptor acceptor{*loop,
                             support::loopback(),
                             [&](Accepted&) -> int {
                               ++called;
                               throw 1;
                             },
                             {.name = std::string(40, 'x')}};  // it would have to be copied
  int with_call = 0;
  support::fail_each_new([&](support::FailingNew& failing) {
    called = told = 0;
    const std::uint64_t refused = acceptor.counters().refused;
    const RawSocket client = brief_client(acceptor);
    (void)failing.run([&] {
      while (acceptor.counters().refused == refused) loop->run_once();
    });
    REQUIRE(acceptor.counters().refused == refused + 1);
    REQUIRE(told == called);
    if (failing.has_failed()) with_call += called;
  });
  REQUIRE(with_call > 0);
}

TEST_CASE("a factory that destroys the loop is a misuse that is named") {
  require_misuse(destroy_in_factory([](Loop& loop, TcpAcceptor&) { loop.run(); }));
  require_misuse(destroy_in_factory([](Loop&, TcpAcceptor& acceptor) { acceptor.close(); }));
}

TEST_CASE("a refuse callback that destroys the loop is a misuse that is named") {
  require_misuse(destroy_in_refuse([](Loop& loop, TcpAcceptor&) { loop.run(); }));
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a connection whose factory shuts the loop down gets no thread") {
  TcpAcceptor acceptor{*loop, support::loopback(), [&](Accepted& accepted) {
                         static_cast<void>(loop->shutdown(no_wait));
                         accepted.run(support::echo);
                         return 0;
                       }};
  const RawSocket client = RawSocket::connected_to(acceptor.local_address());
  client.shutdown(SHUT_WR);
  SECTION("in a callback") { REQUIRE(loop->run() == Loop::End::idle); }
  SECTION("called by close()") { acceptor.close(); }
  REQUIRE(loop->thread_count() == 0);
  REQUIRE(!acceptor.is_open());
  REQUIRE(acceptor.counters().accepted == 0);
  REQUIRE(acceptor.counters().refused == 1);
  REQUIRE(client.recv().empty());
}
