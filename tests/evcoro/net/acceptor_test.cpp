#include <stdexcept>
#include <vector>

#include <support/acceptor.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

namespace {

// Runs the acceptor in a test's thread; it must be closed for that to end.
class AcceptorFixture : public support::LoopFixture {
 public:
  AcceptorFixture() {
    loop->set_exception_handler([this](const ThreadInfo& thread, std::exception_ptr exception) {
      try {
        std::rethrow_exception(exception);
      } catch (const std::exception& error) {
        reports.push_back(thread.name + ": " + error.what());
      } catch (int number) {
        reports.push_back(thread.name + ": " + std::to_string(number));
      }
    });
  }
  std::vector<std::string> reports;
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "an acceptor runs its handler on each connection") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    REQUIRE(acceptor.is_open());
    REQUIRE(acceptor.local_address().port() != 0);
    std::vector<RawSocket> clients;
    for (int i = 0; i < 10; ++i) {
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
      REQUIRE(support::is_served(clients.back()));
    }
    REQUIRE(acceptor.counters().accepted == 10);
    REQUIRE(acceptor.counters().active == 10);
    clients.clear();
    REQUIRE(support::eventually([&] { return acceptor.counters().active == 0; }));
    REQUIRE(acceptor.counters().peak == 10);
    REQUIRE(acceptor.counters().refused == 0);
    REQUIRE(acceptor.counters().waiting == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an acceptor keeps the loop running until it is closed") {
  TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
  loop->post([&] { acceptor.close(); });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(!acceptor.is_open());
  REQUIRE(acceptor.local_address().family() == AF_UNSPEC);
}

TEST_CASE_METHOD(support::LoopFixture, "a connection is closed when its handler returns") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(),
                         [](Socket& socket) { static_cast<void>(socket.send("bye")); }};
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::reply(client, 100) == "bye");
    REQUIRE(client.recv().empty());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a handler need not be copyable, and keeps its state") {
  in_thread([&] {
    auto count = std::make_unique<int>(0);
    TcpAcceptor acceptor{*loop, support::loopback(), [count = std::move(count)](Socket& socket) {
                           static_cast<void>(socket.send(std::to_string(++*count)));
                         }};
    for (const char* const expected : {"1", "2", "3"}) {
      REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 1) == expected);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a factory chooses what runs, and the thread's name") {
  in_thread([&] {
    int made = 0;
    TcpAcceptor acceptor{*loop, support::loopback(), [&](Accepted& accepted) {
                           REQUIRE(accepted.peer_address().family() == AF_INET);
                           REQUIRE(accepted.native_handle() >= 0);
                           accepted.set_name("client " + std::to_string(++made));
                           accepted.run([number = made](Socket& socket) {
                             static_cast<void>(socket.send(std::to_string(number) + " is " +
                                                           std::string{this_thread::name()}));
                           });
                           return 0;
                         }};
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 100) ==
            "1 is client 1");
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 100) ==
            "2 is client 2");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "threads of connections have the name that the options say") {
  in_thread([&] {
    const auto tell_name = [](Socket& socket) {
      static_cast<void>(socket.send(this_thread::name()));
    };
    TcpAcceptor plain{*loop, support::loopback(), tell_name};
    REQUIRE(support::reply(RawSocket::connected_to(plain.local_address()), 100) == "connection");
    TcpAcceptor named{*loop, support::loopback(), tell_name, {.name = "greeter"}};
    REQUIRE(support::reply(RawSocket::connected_to(named.local_address()), 100) == "greeter");
  });
}

TEST_CASE_METHOD(AcceptorFixture, "a factory that returns non-zero closes the connection at once") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), [](Accepted& accepted) {
                           accepted.run(support::echo);
                           return 1;
                         }};
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 1).empty());
    REQUIRE(acceptor.counters().refused == 1);
    REQUIRE(acceptor.counters().accepted == 0);
    REQUIRE(reports.empty());
  });
}

TEST_CASE_METHOD(AcceptorFixture, "a factory that chooses nothing closes the connection at once") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), [](Accepted&) { return 0; }};
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 1).empty());
    REQUIRE(acceptor.counters().refused == 1);
  });
}

TEST_CASE_METHOD(AcceptorFixture,
                 "a factory that throws closes the connection, and the exception is reported") {
  in_thread([&] {
    int calls = 0;
    TcpAcceptor acceptor{*loop, support::loopback(), [&](Accepted& accepted) -> int {
                           if (++calls == 1) throw std::runtime_error("no luck");
                           if (calls == 2) throw 42;
                           accepted.run(support::echo);
                           return 0;
                         }};
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 1).empty());
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 1).empty());
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
    REQUIRE(acceptor.counters().refused == 2);
    REQUIRE(acceptor.counters().accepted == 1);
    REQUIRE(reports ==
            std::vector<std::string>{"connection (factory): no luck", "connection (factory): 42"});
  });
}

TEST_CASE_METHOD(AcceptorFixture,
                 "a handler that throws ends its own connection only, and is reported") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), [](Socket& socket) {
                           const auto in = support::receive(socket);
                           if (in.text == "exception") throw std::runtime_error("thrown");
                           if (in.text == "int") throw 42;
                           static_cast<void>(socket.send(in.text));
                         }};
    const auto ask = [&](const char* text) {
      const RawSocket client = RawSocket::connected_to(acceptor.local_address());
      client.send(text);
      return support::reply(client, 4);
    };
    const RawSocket bystander = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(ask("exception").empty());
    REQUIRE(ask("int").empty());
    REQUIRE(support::is_served(bystander));
    REQUIRE(reports == std::vector<std::string>{"connection: thrown", "connection: 42"});
    REQUIRE(acceptor.counters().active == 0);
  });
}
