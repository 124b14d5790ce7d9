// GroupAcceptor: limits, and the end: close(), drain(), and its group's shutdown.
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <evcoro/net/group_acceptor.hpp>
#include <support/acceptor.hpp>
#include <support/group.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::group_options;
using support::is_timed_out;
using support::long_time;
using support::RawSocket;

namespace {

// answers() exchanges a message with an echo server, and blocks.
bool answers(const RawSocket& client) {
  client.send("ping");
  return client.recv_all(4) == "ping";
}

class GroupFixture : public support::LoopFixture {
 public:
  explicit GroupFixture(std::size_t stacks = 16) { group.emplace(group_options(2, stacks)); }

  void open(Spread how, const GroupAcceptorOptions& its_options = {}) {
    GroupAcceptorOptions options = its_options;
    options.spread = how;
    acceptor.emplace(*group, support::loopback(), support::echo, options);
  }
  RawSocket connect() const { return RawSocket::connected_to(acceptor->local_address()); }
  RawSocket connect_from(const char* address) const {
    RawSocket client = RawSocket::open(AF_INET);
    const Address from = Address::parse(address).value();
    const Address to = acceptor->local_address();
    if (::bind(client.get(), from.data(), from.size()) != 0) support::throw_errno("bind");
    if (::connect(client.get(), to.data(), to.size()) != 0) support::throw_errno("connect");
    return client;
  }
  std::vector<RawSocket> served(int count) const {
    std::vector<RawSocket> clients;
    for (int i = 0; i < count; ++i) {
      clients.push_back(connect());
      REQUIRE(answers(clients.back()));
    }
    return clients;
  }
  bool eventually(bool (*condition)(const GroupAcceptor::Counters&)) const {
    return support::eventually_outside([&] { return condition(acceptor->counters()); });
  }

  std::optional<LoopGroup> group;
  std::optional<GroupAcceptor> acceptor;
};

struct FourStacks : GroupFixture {
  FourStacks() : GroupFixture(2) {}
};

}  // namespace

TEST_CASE_METHOD(GroupFixture, "each loop has so many connections at most") {
  open(Spread::hand_out, {.max_per_loop = 2});
  auto clients = served(4);
  const RawSocket waits = connect();
  waits.send("ping");
  REQUIRE(eventually([](auto& counters) { return counters.waiting == 1; }));
  REQUIRE(!waits.is_readable());
  REQUIRE(acceptor->counters().active == 4);
  clients.pop_back();
  REQUIRE(waits.recv_all(4) == "ping");
}

TEST_CASE_METHOD(GroupFixture, "all loops together have so many connections at most") {
  GroupAcceptorOptions options;
  options.acceptor.max_connections = 3;
  open(Spread::hand_out, options);
  auto clients = served(3);
  const RawSocket waits = connect();
  waits.send("ping");
  REQUIRE(eventually([](auto& counters) { return counters.waiting == 1; }));
  REQUIRE(!waits.is_readable());
  clients.clear();
  REQUIRE(waits.recv_all(4) == "ping");
  REQUIRE(acceptor->counters().peak == 3);
}

TEST_CASE_METHOD(GroupFixture,
                 "by the kernel's choice, each loop has its share of the connections") {
  GroupAcceptorOptions options;
  options.acceptor.max_connections = 4;
  options.acceptor.when_full = WhenFull::reject;
  options.acceptor.refuse = [](Refusal& refusal) {
    refusal.write(refusal.reason() == Refusal::Reason::max_connections ? "most" : "????");
  };
  open(Spread::reuse_port, options);
  std::vector<RawSocket> clients;
  int refused = 0;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(connect());
    clients.back().send("ping");
    const std::string answer = clients.back().recv_all(4);
    REQUIRE((answer == "ping" || answer == "most"));
    if (answer == "most") ++refused;
  }
  REQUIRE(refused >= 16);
  REQUIRE(acceptor->counters().refused_max_connections == static_cast<std::size_t>(refused));
}

TEST_CASE_METHOD(GroupFixture, "an address has so many connections on all loops together") {
  GroupAcceptorOptions options;
  options.acceptor.max_per_address = 3;
  open(Spread::hand_out, options);
  std::vector<RawSocket> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect_from("127.0.0.1"));
    REQUIRE(answers(clients.back()));
  }
  REQUIRE(connect_from("127.0.0.1").recv_all(1).empty());
  REQUIRE(answers(connect_from("127.0.0.2")));
  REQUIRE(acceptor->counters().refused_max_per_address == 1);
  clients.pop_back();
  REQUIRE(eventually([](auto& counters) { return counters.active == 2; }));
  REQUIRE(answers(connect_from("127.0.0.1")));
}

TEST_CASE_METHOD(GroupFixture, "who is held for his address is served when one of it has ended") {
  GroupAcceptorOptions options;
  options.acceptor.max_per_address = 1;
  options.acceptor.when_address_full = WhenFull::pause;
  open(Spread::hand_out, options);
  std::vector<RawSocket> clients;
  clients.push_back(connect_from("127.0.0.1"));
  REQUIRE(answers(clients.back()));
  const RawSocket held = connect_from("127.0.0.1");
  held.send("ping");
  REQUIRE(eventually([](auto& counters) { return counters.waiting == 1; }));
  REQUIRE(answers(connect_from("127.0.0.2")));
  clients.clear();
  REQUIRE(held.recv_all(4) == "ping");
}

TEST_CASE_METHOD(GroupFixture, "new connections of all loops come at the rate") {
  GroupAcceptorOptions options;
  const auto tokens = std::make_shared<TokenBucket>(Rate{0, 2});
  options.acceptor.accept_rate = tokens;
  options.acceptor.when_full = WhenFull::reject;
  open(Spread::hand_out, options);
  const auto clients = served(2);
  REQUIRE(connect().recv_all(1).empty());
  REQUIRE(acceptor->counters().refused_rate == 1);
}

TEST_CASE_METHOD(GroupFixture, "a closed acceptor lets nobody in, and its connections go on") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  open(how);
  const auto clients = served(6);
  acceptor->close();
  REQUIRE_THROWS_AS(connect(), std::system_error);
  for (const RawSocket& each : clients) REQUIRE(answers(each));
  acceptor->close();
  REQUIRE(acceptor->counters().active == 6);
  REQUIRE(acceptor->counters().accepted == 6);
}

TEST_CASE_METHOD(GroupFixture, "connections outlive their acceptor") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  open(how);
  auto clients = served(6);
  acceptor.reset();
  for (const RawSocket& each : clients) REQUIRE(answers(each));
  SECTION("and end before the group") { clients.clear(); }
  SECTION("and end with the group") {
    group.reset();
    for (const RawSocket& each : clients) REQUIRE(each.recv_all(1).empty());
  }
}

TEST_CASE_METHOD(GroupFixture, "drain waits for the end of all connections") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  open(how);
  auto clients = served(6);
  REQUIRE(is_timed_out(acceptor->drain(5ms)));
  REQUIRE_THROWS_AS(connect(), std::system_error);
  for (const RawSocket& each : clients) each.shutdown(SHUT_WR);
  REQUIRE(!acceptor->drain(long_time));
  REQUIRE(acceptor->counters().active == 0);
}

TEST_CASE_METHOD(GroupFixture, "one drains at a time, and another is told so") {
  open(GENERATE(Spread::hand_out, Spread::reuse_port));
  const auto clients = served(1);
  std::atomic<int> drained{0};
  std::atomic<int> busy{0};
  const auto drain = [&] {
    const std::error_code error = acceptor->drain(long_time);
    if (!error) ++drained;
    if (error == std::errc::device_or_resource_busy) ++busy;
  };
  {
    const support::OsThread one{drain};
    const support::OsThread other{drain};
    CHECK(support::eventually_outside([&] { return busy == 1; }));
    clients.front().shutdown(SHUT_WR);
  }
  REQUIRE(drained == 1);
  REQUIRE(busy == 1);
}

TEST_CASE_METHOD(FourStacks, "drain serves who waits in the backlog") {
  open(Spread::hand_out);
  std::vector<RawSocket> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(connect());
    clients.back().send("ping");
    clients.back().shutdown(SHUT_WR);
  }
  REQUIRE(!acceptor->drain(long_time));
  for (const RawSocket& each : clients) REQUIRE(each.recv_all(10) == "ping");
  REQUIRE(acceptor->counters().accepted == 12);
}

TEST_CASE_METHOD(FourStacks, "drain keeps its deadline though connections have all stacks") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  open(how, {.spread = how, .max_per_loop = SIZE_MAX, .acceptor = {.when_full = WhenFull::reject}});
  std::vector<RawSocket> clients;
  while (acceptor->counters().active < 4) {
    clients.push_back(connect());
    clients.back().send("ping");
    (void)clients.back().recv_all(4);
  }
  std::atomic<bool> is_over{false};
  std::error_code error;
  support::OsThread drainer{[&] {
    error = acceptor->drain(10ms);
    is_over = true;
  }};
  const auto deadline = Clock::now() + 3s;
  while (!is_over && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  const bool was_over = is_over;
  clients.clear();
  drainer.join();
  REQUIRE(was_over);
  REQUIRE(is_timed_out(error));
}

TEST_CASE_METHOD(GroupFixture, "a thread drains, of the group or of another loop") {
  open(Spread::hand_out);
  const auto clients = served(4);
  in_thread([&] { REQUIRE(is_timed_out(acceptor->drain(5ms))); });
  for (const RawSocket& each : clients) each.shutdown(SHUT_WR);
  const auto error = group->spawn_on(1, [&] { return acceptor->drain(long_time); }).join(long_time);
  REQUIRE(!error.value());
}

TEST_CASE_METHOD(GroupFixture, "a group's shutdown closes its acceptors and ends the connections") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  open(how);
  const auto clients = served(6);
  REQUIRE(group->shutdown(long_time).empty());
  for (const RawSocket& each : clients) REQUIRE(each.recv_all(1).empty());
  REQUIRE_THROWS_AS(connect(), std::system_error);
  REQUIRE(eventually([](auto& counters) { return counters.active == 0; }));
}

TEST_CASE_METHOD(GroupFixture, "an acceptor goes while clients come") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  for (int round = 0; round < support::rounds(30); ++round) {
    open(how);
    std::atomic<bool> ends{false};
    const Address address = acceptor->local_address();
    support::OsThread client{[&] {
      while (!ends) {
        try {
          const RawSocket socket = RawSocket::connected_to(address);
          socket.send("x");
          (void)socket.recv();
        } catch (const std::system_error&) {  // it is gone, or resets
        }
      }
    }};
    REQUIRE(eventually([](auto& counters) { return counters.accepted >= 3; }));
    acceptor.reset();
    ends = true;
  }
}

TEST_CASE("loops that have more stacks take more connections") {
  const std::size_t descriptors = support::open_descriptors();
  {
    Loop own{{.capacity = 1, .stack_size = support::test_stack_size}};
    auto options = group_options(3, 4);
    options.own = &own;
    LoopGroup group{options};
    GroupAcceptor acceptor{group, support::loopback(), support::echo};
    bool all_are_served = true;
    support::OsThread clients_side{[&] {
      std::vector<RawSocket> clients;
      for (int i = 0; i < 9; ++i) {
        clients.push_back(RawSocket::connected_to(acceptor.local_address()));
        clients.back().set_receive_timeout(3s);
        try {
          all_are_served = all_are_served && answers(clients.back());
        } catch (const std::system_error&) {
          all_are_served = false;
        }
      }
      clients.clear();
      own.stop();
    }};
    own.run();
    clients_side.join();
    REQUIRE(all_are_served);
    REQUIRE(own.shutdown(long_time).empty());
  }
  REQUIRE(support::open_descriptors() == descriptors);
}
