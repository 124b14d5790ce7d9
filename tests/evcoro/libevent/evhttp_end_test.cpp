// The end of an evhttp, of its handler or of its loop, while requests are being handled.
#include <event2/http.h>

#include <optional>
#include <string>
#include <vector>

#include <evcoro/libevent/http_fixture.hpp>
#include <evcoro/scope.hpp>
#include <support/contains.hpp>
#include <support/every_park.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::Gate;
using support::HttpFixture;

TEST_CASE_METHOD(HttpFixture, "an evhttp that is freed while requests are being handled") {
  const bool streams = GENERATE(true, false);
  std::optional<EvhttpHandler> handler;
  std::error_code replied;
  std::string uri;
  Gate gate;
  handler.emplace(*loop, http.get(), "/", [&](EvhttpRequest& request) {
    if (streams) REQUIRE(!request.start_reply(200));
    gate.pass();
    uri = evhttp_request_get_uri(request.get());
    REQUIRE(evhttp_request_get_connection(request.get()) == nullptr);
    REQUIRE(request.client_has_left());
    replied = streams ? request.send_chunk("x") : request.reply(200, "too late");
  });
  run([&] {
    Socket socket = get("/");
    REQUIRE(support::eventually([&] { return handler->counters().active == 1; }));
    handler.reset();
    free_http();
    answer(socket);
    gate.is_open = true;
    REQUIRE(support::eventually([&] { return loop->thread_count() == 1; }));
  });
  REQUIRE(uri == "/");
  REQUIRE(replied == std::errc::broken_pipe);
}

TEST_CASE_METHOD(HttpFixture, "a loop that ends while requests are being handled: 503") {
  std::optional<EvhttpHandler> handler;
  handler.emplace(*loop, http.get(), "/", [&](EvhttpRequest&) {
    REQUIRE(this_thread::sleep_for(10s) == std::errc::operation_canceled);
  });
  const auto plain = support::RawSocket::connected_to(address);
  plain.send("GET / HTTP/1.1\r\n\r\n");
  std::string both;
  call_when([&] { return handler->counters().active == 1; },
            [&] {
              loop.reset();
              CHECK(handler->counters().active == 0);
              plain.send("GET / HTTP/1.1\r\n\r\n");
            });
  call_when(
      [&] {
        if (plain.is_readable()) both += plain.recv();
        return both.find("HTTP/1.1 503") != both.rfind("HTTP/1.1 503");
      },
      [&] { event_base_loopbreak(base.get()); });
  dispatch();
  REQUIRE_THAT(both, support::contains("HTTP/1.1 503"));
  REQUIRE(both.find("HTTP/1.1 503") != both.rfind("HTTP/1.1 503"));
}

TEST_CASE_METHOD(HttpFixture, "a handler drains: who waits is served, who comes later is refused") {
  stacks::StackPool one{{.capacity = 1, .stack_size = support::test_stack_size}};
  Gate gate;
  const auto handle = [&](EvhttpRequest& request) {
    gate.pass();
    REQUIRE(!request.reply(200, "served"));
  };
  EvhttpHandler handler{*loop, http.get(), "/", handle, {.stacks = &one}};
  run([&] {
    std::vector<Socket> early;
    for (int i = 0; i < 3; ++i) early.push_back(get("/", "Connection: close\r\n"));
    REQUIRE(support::eventually([&] { return handler.counters().waiting == 2; }));
    REQUIRE(handler.drain(1ms) == std::errc::timed_out);
    REQUIRE_THAT(ask("/"), support::contains("503"));
    gate.is_open = true;
    REQUIRE(!handler.drain(10s));
    for (Socket& each : early) REQUIRE_THAT(answer(each), support::contains("200 OK"));
  });
}

TEST_CASE_METHOD(HttpFixture, "requests that wait when their handler goes, or their client") {
  stacks::StackPool one{{.capacity = 1, .stack_size = support::test_stack_size}};
  std::optional<EvhttpHandler> handler;
  Gate gate;
  const auto handle = [&](EvhttpRequest& request) {
    gate.pass();
    REQUIRE(!request.reply(200, "served"));
  };
  handler.emplace(*loop, http.get(), "/", handle, EvhttpHandler::Options{.stacks = &one});
  run([&] {
    Socket first = get("/", "Connection: close\r\n");
    Socket second = get("/", "Connection: close\r\n");
    REQUIRE(support::eventually([&] { return handler->counters().waiting == 1; }));
    handler.reset();
    REQUIRE_THAT(answer(second), support::contains("503"));
    gate.is_open = true;
    REQUIRE_THAT(answer(first), support::contains("200 OK"));
    REQUIRE_THAT(ask("/"), support::contains("404"));
  });
  REQUIRE(one.in_use() == 0);
}

TEST_CASE_METHOD(HttpFixture, "a handler's drain is cancelled at every wait, and can be repeated") {
  run([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Gate gate;
      EvhttpHandler handler{*loop, http.get(), "/", [&](EvhttpRequest& request) {
                              gate.pass();
                              CHECK(!request.reply(200, "served"));
                            }};
      const auto client = support::RawSocket::connected_to(address);
      client.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
      while (handler.counters().active == 0) (void)this_thread::yield();
      const Thread opener = loop->spawn([&] {
                                  (void)this_thread::sleep_for(100us);
                                  gate.is_open = true;
                                })
                                .value();
      const std::error_code error = handler.drain();
      CHECK((error == std::errc::operation_canceled) == cancelled);
      const Scope cleaning_up{support::long_time, Scope::Shielded{}};
      CHECK(!handler.drain());
      CHECK(handler.counters().handled == 1);
    });
    REQUIRE(parks >= 1);
  });
}
