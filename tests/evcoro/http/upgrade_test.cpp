// Upgraded connections, and what becomes of them when the server drains.
#include <array>

#include <evcoro/http/error.hpp>
#include <evcoro/http/server.hpp>
#include <support/acceptor.hpp>
#include <support/http.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::ask;
using support::get_request;
using support::LoopFixture;
using support::RawSocket;
using support::send_pieces;

TEST_CASE("upgrades: the handler gets the stream with what has come already") {
  const std::string head =
      get_request("/", "Connection: keep-alive, Upgrade\r\nUpgrade: foo/1, Echo\r\n");
  support::PieceStream stream{{head + "hel", "lo"}};
  serve(stream, [&](Request&, Response& response) {
    CHECK(response.upgrade("bar").error() == http::Errc::not_an_upgrade);
    response.fields().set("A", "b");
    auto upgraded = response.upgrade("echo").value();
    CHECK(response.is_complete());
    static_assert(WaitingStream<Upgraded>);
    CHECK(!upgraded.wait_readable());
    std::array<std::byte, 2> buffer;
    while (const IoResult in = upgraded.recv(buffer)) {
      if (in.count == 0) break;
      CHECK(upgraded.send(std::span{buffer}.first(in.count)));
    }
  });
  std::string_view sent = stream.sent;
  const auto reply = support::parse_reply(sent);
  CHECK(reply.status == 101);
  CHECK(reply.field("Upgrade") == "echo");
  CHECK(reply.field("Connection") == "Upgrade");
  CHECK(reply.field("A") == "b");
  CHECK(sent == "hello");
}

TEST_CASE("upgrades: a request that asks for one may be answered as others") {
  const std::string text = get_request("/", "Connection: Upgrade\r\nUpgrade: h2c\r\n");
  CHECK(ask(text + text).size() == 2);
  ask(get_request("/", "Upgrade: echo\r\n"), [&](Request&, Response& response) {
    CHECK(response.upgrade("echo").error() == http::Errc::not_an_upgrade);
  });
}

TEST_CASE("upgrades: protocols may be offered in several fields") {
  const std::string text =
      get_request("/", "Connection: Upgrade\r\nUpgrade: echo, \r\nUpgrade: h2c\r\n");
  for (const char* protocol : {"echo", "h2c", "", "h3"}) {
    std::error_code error;
    send_pieces({text}, [&](Request&, Response& response) {
      const auto upgraded = response.upgrade(protocol);
      if (!upgraded) error = upgraded.error();
    });
    const std::string_view name = protocol;
    CHECK(error ==
          (name == "echo" || name == "h2c" ? std::error_code{} : http::Errc::not_an_upgrade));
  }
}

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
