// GroupAcceptor: connections that go to all loops of a group, in either way.
#include <evcoro/net/group_acceptor.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <evcoro/sync/mutex.hpp>
#include <support/acceptor.hpp>
#include <support/group.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::group_options;
using support::long_time;
using support::RawSocket;

namespace {

bool is_refused(std::error_code error) { return error == std::errc::invalid_argument; }

// ask() exchanges a message with a server; "" if the connection ends instead. It blocks.
std::string ask(const RawSocket& client, std::string_view text = "ping") {
  client.send(text);
  return client.recv_all(text.size());
}

// Clients are connections, each of which has been served once.
class Clients {
 public:
  explicit Clients(const GroupAcceptor& acceptor) : address_(acceptor.local_address()) {}
  void connect(int count) {
    for (int i = 0; i < count; ++i) {
      sockets_.push_back(RawSocket::connected_to(address_));
      REQUIRE(ask(sockets_.back()) == "ping");
    }
  }
  void leave() { sockets_.clear(); }
  RawSocket& operator[](std::size_t index) { return sockets_[index]; }

 private:
  Address address_;
  std::vector<RawSocket> sockets_;
};

// GroupFixture has a group of two loops, and notes which of them serve.
class GroupFixture : public support::LoopFixture {
 public:
  explicit GroupFixture(std::size_t stacks = 16) : group(group_options(2, stacks)) {}

  GroupAcceptorOptions spread(Spread how) {
    GroupAcceptorOptions options;
    options.spread = how;
    return options;
  }

  // serve() is an echo handler that notes where it runs.
  auto serve() {
    return [this](Socket& socket) {
      {
        const std::scoped_lock lock{mutex_};
        ++served_[group.index_of_caller().value_or(9)];
      }
      support::echo(socket);
    };
  }
  // served() is how many connections a loop has served.
  int served(std::size_t index) {
    const std::scoped_lock lock{mutex_};
    return served_[index];
  }
  bool eventually_active(const GroupAcceptor& acceptor, std::size_t count) {
    return support::eventually_outside([&] { return acceptor.counters().active == count; });
  }

  LoopGroup group;

 private:
  Mutex mutex_;
  std::array<int, 10> served_{};
};

struct FourStacks : GroupFixture {
  FourStacks() : GroupFixture(2) {}
};

}  // namespace

TEST_CASE_METHOD(GroupFixture, "connections go to all loops of a group") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  GroupAcceptor acceptor{group, support::loopback(), serve(), spread(how)};
  REQUIRE(acceptor.spread() == how);
  REQUIRE(acceptor.local_address().port() != 0);
  Clients clients{acceptor};
  for (int rounds = 0; served(0) == 0 || served(1) == 0; ++rounds) {
    REQUIRE(rounds < 50);  // the kernel chooses at random
    clients.connect(2);
    clients.leave();
  }
  REQUIRE(served(0) + served(1) == static_cast<int>(acceptor.counters().accepted));
  REQUIRE(acceptor.counters().refused == 0);
}

TEST_CASE_METHOD(GroupFixture, "each connection is handed to the loop that has the fewest") {
  GroupAcceptor acceptor{group, support::loopback(), serve(), spread(Spread::hand_out)};
  Clients clients{acceptor};
  clients.connect(4);
  REQUIRE(served(0) == 2);
  REQUIRE(served(1) == 2);
  clients[0].close();  // its loop has the fewest now
  REQUIRE(eventually_active(acceptor, 3));
  clients.connect(1);
  REQUIRE(served(0) == 3);
  REQUIRE(acceptor.counters().active == 4);
  REQUIRE(acceptor.counters().peak == 4);
}

TEST_CASE_METHOD(GroupFixture, "how connections are spread follows from what is asked for") {
  const auto chosen = [&](WhenFull when, const Address& address) {
    auto options = spread(Spread::automatic);
    options.acceptor.when_full = when;
    return GroupAcceptor{group, address, serve(), options}.spread();
  };
  REQUIRE(chosen(WhenFull::pause, support::loopback()) == Spread::hand_out);
  REQUIRE(chosen(WhenFull::reject, support::loopback()) == Spread::reuse_port);
  REQUIRE(chosen(WhenFull::reject, Address::unix_any()) == Spread::hand_out);
  REQUIRE(GroupAcceptor{group, support::loopback(), serve()}.spread() == Spread::hand_out);
}

TEST_CASE_METHOD(FourStacks, "with pause, more clients than stacks are all served in the end") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  GroupAcceptor acceptor{group, support::loopback(), support::echo, spread(how)};
  constexpr int count = 40;
  std::vector<RawSocket> clients;
  for (int i = 0; i < count; ++i) {
    clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    clients.back().send("ping");
    clients.back().shutdown(SHUT_WR);
  }
  for (const RawSocket& each : clients) REQUIRE(each.recv_all(100) == "ping");  // and no reset
  REQUIRE(eventually_active(acceptor, 0));
  const auto counters = acceptor.counters();
  REQUIRE(counters.accepted == count);
  REQUIRE(counters.refused == 0);
  REQUIRE(counters.peak <= 4);
}

TEST_CASE_METHOD(FourStacks, "with hand_out, whoever is free serves the next who waits") {
  GroupAcceptor acceptor{group, support::loopback(), serve(), spread(Spread::hand_out)};
  Clients clients{acceptor};
  clients.connect(4);
  const RawSocket waits = RawSocket::connected_to(acceptor.local_address());
  waits.send("ping");
  REQUIRE(support::eventually_outside([&] { return acceptor.counters().waiting == 1; }));
  REQUIRE(!waits.is_readable());
  const std::size_t leaver = GENERATE(0, 1, 2, 3);
  clients[leaver].close();
  REQUIRE(waits.recv_all(4) == "ping");
  REQUIRE(acceptor.counters().active == 4);
}

TEST_CASE_METHOD(FourStacks, "with reject, who finds all loops full is told so") {
  auto options = spread(Spread::hand_out);
  options.acceptor.when_full = WhenFull::reject;
  options.acceptor.refuse = [](Refusal& refusal) { refusal.write("full"); };
  GroupAcceptor acceptor{group, support::loopback(), serve(), options};
  Clients clients{acceptor};
  clients.connect(4);
  REQUIRE(RawSocket::connected_to(acceptor.local_address()).recv_all(10) == "full");
  REQUIRE(acceptor.counters().refused == 1);
  clients[2].close();
  REQUIRE(eventually_active(acceptor, 3));
  clients.connect(1);
}

TEST_CASE_METHOD(FourStacks, "with reject by the kernel's choice, everyone gets an answer") {
  auto options = spread(Spread::reuse_port);
  options.acceptor.when_full = WhenFull::reject;
  options.acceptor.refuse = [](Refusal& refusal) { refusal.write("full"); };
  GroupAcceptor acceptor{group, support::loopback(), serve(), options};
  std::vector<RawSocket> clients;
  std::size_t refused = 0;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    clients.back().send("ping");
    const std::string answer = clients.back().recv_all(4);
    REQUIRE((answer == "ping" || answer == "full"));
    if (answer == "full") ++refused;
  }
  REQUIRE(refused >= 16);
  REQUIRE(acceptor.counters().refused == refused);
  REQUIRE(acceptor.counters().refused_no_stack == refused);
  REQUIRE(acceptor.counters().active == 20 - refused);
}

TEST_CASE_METHOD(GroupFixture, "a factory decides about each connection, and names its thread") {
  std::atomic<int> asked{0};
  const auto factory = [&](Accepted& accepted) {
    if (++asked % 2 == 0) return -1;
    accepted.set_name("odd");
    accepted.run([](Socket& socket) { (void)socket.send(this_thread::name(), long_time); });
    return 0;
  };
  GroupAcceptor acceptor{group, support::loopback(), factory, spread(Spread::hand_out)};
  for (int i = 0; i < 4; ++i) {
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(client.recv_all(10) == (i % 2 == 0 ? "odd" : ""));
  }
  REQUIRE(acceptor.counters().accepted == 2);
  REQUIRE(acceptor.counters().refused == 2);
  REQUIRE(eventually_active(acceptor, 0));
}

TEST_CASE_METHOD(GroupFixture, "a factory that throws costs nothing but its connection") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  static std::atomic<int> reports;
  reports = 0;
  const auto before = stacks::set_report_sink([](const char*, std::size_t) noexcept { ++reports; });
  std::atomic<bool> throws{true};
  const auto factory = [&](Accepted& accepted) -> int {
    if (throws) throw std::runtime_error("by the factory");
    accepted.run(support::echo);
    return 0;
  };
  {
    GroupAcceptor acceptor{group, support::loopback(), factory, spread(how)};
    REQUIRE(RawSocket::connected_to(acceptor.local_address()).recv_all(1).empty());
    throws = false;
    Clients clients{acceptor};
    clients.connect(1);
    REQUIRE(acceptor.counters().refused == 1);
    REQUIRE(acceptor.counters().active == 1);
  }
  stacks::set_report_sink(before);
  REQUIRE(reports == 1);
}

TEST_CASE_METHOD(FourStacks, "a connection whose handler throws gives its place back") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  static std::atomic<int> reports;
  reports = 0;
  const auto before = stacks::set_report_sink([](const char*, std::size_t) noexcept { ++reports; });
  {
    GroupAcceptor acceptor{group, support::loopback(),
                           [](Socket&) { throw std::runtime_error("by the handler"); },
                           spread(how)};
    for (int i = 0; i < 10; ++i) {  // more than there are stacks
      REQUIRE(RawSocket::connected_to(acceptor.local_address()).recv_all(1).empty());
    }
    REQUIRE(eventually_active(acceptor, 0));
    REQUIRE(acceptor.counters().accepted == 10);
  }
  REQUIRE(support::eventually_outside([&] { return reports == 10; }));
  stacks::set_report_sink(before);
}

TEST_CASE_METHOD(GroupFixture, "a group accepts at the path of a UNIX socket") {
  const std::string path = "/tmp/evcoro-group-" + std::to_string(::getpid());
  {
    GroupAcceptor acceptor{group, Address::unix_path(path).value(), serve()};
    REQUIRE(acceptor.spread() == Spread::hand_out);
    Clients clients{acceptor};
    clients.connect(4);
    REQUIRE(served(0) == 2);
    REQUIRE(served(1) == 2);
  }
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) != 0);  // it is removed
}

TEST_CASE_METHOD(GroupFixture, "options that belong to one loop can't be had") {
  const auto error_of = [&](AcceptorOptions acceptor, Spread how = Spread::hand_out) {
    auto options = spread(how);
    options.acceptor = std::move(acceptor);
    try {
      GroupAcceptor refused{group, support::loopback(), support::echo, options};
    } catch (const std::system_error& error) {
      return error.code();
    }
    return std::error_code{};
  };
  REQUIRE(!error_of({}));
  REQUIRE(is_refused(error_of({.reserve = 1})));
  const auto bucket = std::make_shared<TokenBucket>(Rate{1000, 1000});
  REQUIRE(is_refused(error_of({.bandwidth = {.receive = bucket, .send = nullptr}})));
  REQUIRE(is_refused(error_of({.bandwidth = {.receive = nullptr, .send = bucket}})));
  REQUIRE(is_refused(error_of({.stacks = &pool})));
  REQUIRE(!error_of({.accept_rate = bucket}));
  REQUIRE(is_refused(error_of({.accept_rate = bucket}, Spread::reuse_port)));
}

TEST_CASE_METHOD(GroupFixture, "where it can't listen, an acceptor isn't made") {
  const Spread how = GENERATE(Spread::hand_out, Spread::reuse_port);
  const support::Listener taken{support::loopback(), 1};
  REQUIRE_THROWS_AS((GroupAcceptor{group, taken.address(), support::echo, spread(how)}),
                    std::system_error);
}
