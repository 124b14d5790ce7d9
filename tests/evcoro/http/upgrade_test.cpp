// Upgraded connections, and what becomes of them when the server drains.
#include <array>

#include <evcoro/http/server.hpp>
#include <support/acceptor.hpp>
#include <support/http.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::LoopFixture;
using support::RawSocket;

TEST_CASE_METHOD(LoopFixture, "upgrades: handlers are told that the server drains") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    bool was_draining = true;
    std::error_code again;
    const auto echo = [&](Request&, Response& response) {
      Upgraded upgraded = response.upgrade("echo").value();
      was_draining = upgraded.is_draining();
      std::array<std::byte, 100> buffer;
      while (!upgraded.wait_for_message(support::long_time)) {
        const IoResult in = upgraded.recv(buffer, support::long_time);
        if (in.count == 0) return;
        CHECK(upgraded.send(std::span{buffer}.first(in.count)));
      }
      CHECK(upgraded.is_draining());
      again = upgraded.wait_for_message(support::long_time);
      CHECK(upgraded.send("bye"));
      CHECK(upgraded.recv(buffer, support::long_time).count == 3);  // who hasn't left says so, too
    };
    Server server{*loop, support::loopback(), echo, options};
    const auto client = RawSocket::connected_to(server.local_address());
    const auto arrives = [&](std::string_view text) {
      std::string all;
      return support::eventually([&] { return (all += support::arrived(client)).ends_with(text); });
    };
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst");
    CHECK(arrives("first"));
    client.send("second");
    CHECK(arrives("second"));
    Thread drain =
        loop->spawn([&] { return support::Outcome{server.drain(support::long_time)}; }).value();
    CHECK(arrives("bye"));
    CHECK(!drain.has_ended());
    client.send("bye");
    CHECK(support::eventually([&] { return support::has_ended(client); }));
    CHECK(!drain.join().value().error);
    CHECK(again == std::errc::operation_canceled);
    CHECK(!was_draining);
  });
}
