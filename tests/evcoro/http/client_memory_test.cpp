// The client without memory, and on a small stack.
#include <evcoro/http/error.hpp>
#include <support/failing_new.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::long_time;
using support::LoopFixture;

TEST_CASE_METHOD(LoopFixture, "client memory: whatever allocation fails nothing is left") {
  in_thread([&] {
    const int failed = support::fail_each_new([&](support::FailingNew& failing) {
      support::Wire wire;
      wire.push({"HTTP/1.1 307 Go\r\nLocation: https://b/x\r\nContent-Length: 1\r\n\r\nx"});
      wire.push({"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
                 "\r\n5\r\nhello\r\n", "0\r\nA: b\r\n\r\n"});
      auto options = wire.options();
      options.idle_timeout = long_time;
      Client client{*loop, options};
      ClientRequest request{.url = "https://a/", .method = Method::post, .body = "body"};
      request.fields.add("Accept", "text/html");
      const auto body = failing.run([&]() -> Result<std::string> {
        auto response = client.send(std::move(request));
        if (!response) return response.error();
        return response->read_body();
      });
      if (body) {
        CHECK(body->error() == std::error_code{});
        CHECK(body->value() == "hello");
      }
      CHECK(client.open() == client.idle());
      client.close_idle();
      CHECK(client.open() == 0);
    });
    CHECK(failed > 10);
  });
}

TEST_CASE_METHOD(LoopFixture, "client memory: a connection that can't be kept is closed") {
  in_thread([&] {
    support::ScriptedServer server{*loop, [](Socket& socket, int) {
                                     while (!support::receive_request(socket).empty()) {
                                       support::say(socket,
                                                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
                                       support::say(socket, "ok");
                                     }
                                   }};
    Client client{support::direct()};
    const std::string url = server.url("/");
    support::fail_each_new([&](support::FailingNew& failing) {
      auto response = client.get(url, long_time).value();
      std::array<std::byte, 2> buffer;
      std::size_t count = 0;
      while (count < 2) {
        const auto in = failing.run([&] { return response.recv(buffer, long_time); });
        if (!in) continue;  // it can be called again
        REQUIRE(!in->error);
        count += in->count;
      }
      CHECK(response.is_complete());
      CHECK(client.open() == client.idle());
    });
    CHECK(client.idle() == 1);
  });
}

TEST_CASE("client memory: a stack of 16 KiB is enough") {
  evcoro::stacks::StackPool pool{{.capacity = 8, .stack_size = support::test_stack_size}};
  evcoro::stacks::StackPool small{{.capacity = 1, .stack_size = 16 * 1024}};
  Loop loop{pool};
  auto server = std::make_optional<support::ScriptedServer>(loop, [](Socket& socket, int) {
    support::receive_request(socket);
    support::say(socket, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const std::string url = server->url("/");
  Client client{loop, support::direct()};
  std::string body;
  loop.spawn({.stacks = &small},
             [&] {
               auto response = client.get(url, long_time);
               auto read = response ? response->read_body(long_time) : response.error();
               body = read ? std::move(*read) : read.error().message();
             })
      .value()
      .detach();
  loop.spawn([&] {
        CHECK(support::eventually([&] { return !body.empty(); }));
        server.reset();
      })
      .value()
      .detach();
  loop.run();
  CHECK(body == "ok");
}
