// Requests to an evhttp that are handled in coroutine threads.
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/thread.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <evcoro/libevent/http_fixture.hpp>
#include <support/contains.hpp>
#include <support/every_park.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::Gate;
using support::HttpFixture;

TEST_CASE_METHOD(HttpFixture, "a request is handled in a thread, and a slow one blocks nobody") {
  std::vector<std::string> order;
  Gate gate;
  const EvhttpHandler slow{
      *loop, http.get(), "/slow", [&](EvhttpRequest& request) {
        order.push_back("slow begins");
        gate.pass();
        REQUIRE(!request.reply(200, "slow"));
        REQUIRE(request.get() == nullptr);
        REQUIRE(request.reply(200) == std::errc::connection_already_in_progress);
        order.push_back("slow ends");
      }};
  const EvhttpHandler others{*loop, http.get(), "", [&](EvhttpRequest& request) {
                               order.push_back(evhttp_request_get_uri(request.get()));
                               evhttp_add_header(evhttp_request_get_output_headers(request.get()),
                                                 "X-Name", "value");
                               REQUIRE(!request.reply(201, "quick", "Made"));
                             }};
  run([&] {
    Socket socket = get("/slow");
    REQUIRE(support::eventually([&] { return slow.counters().active == 1; }));
    const std::string quick = ask("/quick");
    gate.is_open = true;
    REQUIRE_THAT(quick, support::contains("HTTP/1.1 201 Made\r\n"));
    REQUIRE_THAT(quick, support::contains("X-Name: value\r\n"));
    REQUIRE_THAT(answer(socket, "\r\n\r\nslow"), support::contains("200 OK"));
    REQUIRE(socket.send("GET /again HTTP/1.1\r\n\r\n"));  // the connection lives on
    REQUIRE_THAT(answer(socket, "quick"), support::contains("201 Made"));
  });
  REQUIRE(order == std::vector<std::string>{"slow begins", "/quick", "slow ends", "/again"});
  REQUIRE(slow.counters().handled == 1);
  REQUIRE(slow.counters().active == 0);
}

TEST_CASE_METHOD(HttpFixture, "a handler that throws, and one that forgets to reply: 500") {
  const EvhttpHandler throwing{*loop, http.get(), "/throw",
                               [&](EvhttpRequest&) { throw std::runtime_error("it broke"); }};
  const EvhttpHandler silent{*loop, http.get(), "/silent", [&](EvhttpRequest&) {}};
  const EvhttpHandler late{*loop, http.get(), "/late", [&](EvhttpRequest& request) {
                             REQUIRE(!request.reply(200, "done"));
                             throw std::runtime_error("too late");
                           }};
  run([&] {
    REQUIRE_THAT(ask("/throw"), support::contains("HTTP/1.1 500"));
    REQUIRE_THAT(ask("/silent"), support::contains("HTTP/1.1 500"));
    REQUIRE_THAT(ask("/late"), support::contains("HTTP/1.1 200"));
  });
  REQUIRE(reports == std::vector<std::string>{"it broke", "too late"});
}

TEST_CASE_METHOD(HttpFixture, "a client that has left when the handler replies") {
  const bool reset = GENERATE(true, false);
  std::optional<bool> left;
  std::error_code replied = std::make_error_code(std::errc::io_error);
  std::error_code sent;
  const EvhttpHandler handler{*loop, http.get(), "/", [&](EvhttpRequest& request) {
                                REQUIRE(!request.client_has_left());
                                left =
                                    support::eventually([&] { return request.client_has_left(); });
                                replied = request.reply(200, std::string(100'000, 'x'));
                                sent = request.wait_until_sent(5s);
                              }};
  run([&] {
    Socket socket = get("/");
    REQUIRE(support::eventually([&] { return handler.counters().active == 1; }));
    if (reset) {
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    socket.close();
    REQUIRE(support::eventually([&] { return handler.counters().active == 0 && left; }));
  });
  REQUIRE(left == true);
  REQUIRE(!replied);  // evhttp took it
  if (reset) REQUIRE(sent == std::errc::broken_pipe);
}

TEST_CASE_METHOD(HttpFixture, "a client that leaves cancels its handler, if that is wished") {
  std::error_code waited;
  CancelReason reason = CancelReason::none;
  const auto handle = [&](EvhttpRequest& request) {
    waited = this_thread::sleep_for(10s);
    reason = this_thread::cancel_reason();
    CHECK(request.client_has_left());
  };
  const EvhttpHandler handler{*loop, http.get(), "/", handle, {.cancel_on_departure = true}};
  run([&] {
    Socket socket = get("/");
    REQUIRE(support::eventually([&] { return handler.counters().active == 1; }));
    socket.close();
    REQUIRE(support::eventually([&] { return handler.counters().active == 0; }));
  });
  REQUIRE(waited == std::errc::operation_canceled);
  REQUIRE(reason == CancelReason::user);
}

TEST_CASE_METHOD(HttpFixture, "a watched client that stays gets its reply, and the next one, too") {
  const auto handle = [&](EvhttpRequest& request) {
    REQUIRE(!this_thread::sleep_for(2ms));
    REQUIRE(!request.reply(200, "answer"));
    REQUIRE(!request.wait_until_sent(5s));
  };
  const EvhttpHandler handler{*loop, http.get(), "/", handle, {.cancel_on_departure = true}};
  run([&] {
    Socket socket = get("/");
    REQUIRE(socket.send("GET / HTTP/1.1\r\n\r\n"));  // pipelined
    REQUIRE_THAT(answer(socket, "answer"), support::contains("200 OK"));
    REQUIRE_THAT(answer(socket, "answer"), support::contains("200 OK"));
  });
  REQUIRE(handler.counters().handled == 2);
}

TEST_CASE_METHOD(HttpFixture, "when all stacks are taken, requests wait, or are refused") {
  stacks::StackPool two{{.capacity = 2, .stack_size = support::test_stack_size}};
  const bool waits = GENERATE(true, false);
  int most = 0;
  int active = 0;
  Gate gate;
  const auto handle = [&](EvhttpRequest& request) {
    most = std::max(most, ++active);
    gate.pass();
    REQUIRE(!request.reply(200, "served"));
    --active;
  };
  const EvhttpHandler handler{
      *loop,
      http.get(),
      "/",
      handle,
      {.stacks = &two,
       .when_full = waits ? EvhttpHandler::WhenFull::wait : EvhttpHandler::WhenFull::refuse,
       .max_waiting = 5,
       .retry_after = 7s}};
  int served = 0;
  int refused = 0;
  run([&] {
    std::vector<Socket> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(get("/", "Connection: close\r\n"));
    const std::uint64_t refusals = waits ? 3 : 8;
    REQUIRE(support::eventually([&] { return handler.counters().refused == refusals; }));
    if (waits) clients[3].close();  // which may be waiting
    gate.is_open = true;
    for (Socket& each : clients) {
      const std::string text = each ? answer(each) : "";
      if (text.find("200 OK") != std::string::npos) ++served;
      if (text.find("HTTP/1.1 503") == std::string::npos) continue;
      REQUIRE_THAT(text, support::contains("Retry-After: 7\r\n"));
      ++refused;
    }
  });
  REQUIRE(most == 2);
  REQUIRE(served + refused == (waits ? 9 : 10));
  REQUIRE(refused > 0);
  REQUIRE(served >= (waits ? 6 : 2));
}

TEST_CASE_METHOD(HttpFixture, "a reply in chunks waits for a slow client") {
  std::size_t peak = 0;
  const std::string piece(100'000, 'x');
  const EvhttpHandler handler{
      *loop, http.get(), "/", [&](EvhttpRequest& request) {
        evbuffer* const output = bufferevent_get_output(
            evhttp_connection_get_bufferevent(evhttp_request_get_connection(request.get())));
        REQUIRE(!request.start_reply(200));
        REQUIRE(request.reply(200) == std::errc::connection_already_in_progress);
        for (int i = 0; i < 50; ++i) {
          REQUIRE(!request.send_chunk(piece));
          peak = std::max(peak, evbuffer_get_length(output));
        }
        REQUIRE(!request.end_reply());
        REQUIRE(!request.wait_until_sent(10s));
      }};
  run([&] {
    Socket socket = get("/", "Connection: close\r\n");
    const std::string text = answer(socket);
    REQUIRE_THAT(text, support::contains("Transfer-Encoding: chunked"));
    REQUIRE(text.size() > 50 * piece.size());
    REQUIRE(text.ends_with("0\r\n\r\n"));
  });
  REQUIRE(peak < 2 * piece.size());
}

TEST_CASE_METHOD(HttpFixture, "a chunked reply that is not ended, and a client that leaves it") {
  std::error_code failure;
  const EvhttpHandler broken{*loop, http.get(), "/broken", [&](EvhttpRequest& request) {
                               REQUIRE(!request.start_reply(200));
                               REQUIRE(!request.send_chunk("half of"));
                               throw std::runtime_error("half way");
                             }};
  const EvhttpHandler endless{*loop, http.get(), "/endless", [&](EvhttpRequest& request) {
                                REQUIRE(!request.start_reply(200));
                                while (!failure)
                                  failure = request.send_chunk(std::string(10'000, 'x'));
                              }};
  run([&] {
    REQUIRE(!ask("/broken").ends_with("0\r\n\r\n"));
    Socket socket = get("/endless");
    REQUIRE(!support::receive(socket).text.empty());
    socket.close();
    REQUIRE(support::eventually([&] { return bool{failure}; }));
  });
  REQUIRE(failure == std::errc::broken_pipe);
  REQUIRE(reports == std::vector<std::string>{"half way"});
}

TEST_CASE_METHOD(HttpFixture, "misuse of a handler and of a request") {
  const EvhttpHandler first{
      *loop, http.get(), "/", [](EvhttpRequest& request) {
        REQUIRE(request.reply(200, "", "two\r\nlines") == std::errc::invalid_argument);
        REQUIRE(request.send_chunk("x") == std::errc::connection_already_in_progress);
        REQUIRE(request.end_reply() == std::errc::connection_already_in_progress);
        REQUIRE(request.wait_until_sent() == std::errc::connection_already_in_progress);
        REQUIRE(!request.reply(200, nullptr));
      }};
  REQUIRE_THROWS_AS((EvhttpHandler{*loop, http.get(), "/", [](EvhttpRequest&) {}}),
                    std::system_error);
  EvhttpHandler moved{*loop, http.get(), "/moved", [](EvhttpRequest&) {}};
  EvhttpHandler other{*loop, http.get(), "/other",
                      [](EvhttpRequest& request) { REQUIRE(!request.reply(200, "other")); }};
  moved = std::move(other);
  REQUIRE(other.drain() == std::errc::bad_file_descriptor);  // NOLINT: that is the question
  REQUIRE(other.counters().active == 0);
  run([&] {
    REQUIRE_THAT(ask("/"), support::contains("200 OK"));
    REQUIRE_THAT(ask("/other"), support::contains("200 OK"));
    REQUIRE_THAT(ask("/moved"), support::contains("404"));
  });
}

TEST_CASE_METHOD(HttpFixture, "a chunked reply is cancelled at every wait") {
  int parks = -1;
  const EvhttpHandler handler{*loop, http.get(), "/", [&](EvhttpRequest& request) {
                                REQUIRE(!request.start_reply(200));
                                parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
                                  std::error_code error;
                                  const std::string piece(2'000'000, 'x');
                                  for (int i = 0; i < 3 && !error; ++i)
                                    error = request.send_chunk(piece);
                                  CHECK((error == std::errc::operation_canceled) == cancelled);
                                });
                                REQUIRE(!request.end_reply());
                              }};
  run([&] {
    Socket socket = get("/", "Connection: close\r\n");
    REQUIRE(answer(socket).ends_with("0\r\n\r\n"));
  });
  REQUIRE(parks >= 2);
}

TEST_CASE_METHOD(HttpFixture, "waiting until a reply is sent is cancelled at every wait") {
  int parks = -1;
  const EvhttpHandler handler{*loop, http.get(), "/", [&](EvhttpRequest& request) {
                                REQUIRE(!request.reply(200, std::string(20'000'000, 'x')));
                                parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
                                  const std::error_code error = request.wait_until_sent();
                                  CHECK((error == std::errc::operation_canceled) == cancelled);
                                });
                              }};
  run([&] {
    Socket socket = get("/", "Connection: close\r\n");
    REQUIRE(answer(socket).size() > 20'000'000);
  });
  REQUIRE(parks >= 1);
}

TEST_CASE("requests are handled in a base with locks, too") {
  const bool locks = GENERATE(false, true);
  if (locks) REQUIRE(evthread_use_pthreads() == 0);
  HttpFixture fixture;
  const EvhttpHandler handler{*fixture.loop, fixture.http.get(), "/", [](EvhttpRequest& request) {
                                REQUIRE(!this_thread::sleep_for(1ms));
                                REQUIRE(!request.start_reply(200));
                                for (int i = 0; i < 3; ++i) REQUIRE(!request.send_chunk("piece"));
                                REQUIRE(!request.end_reply());
                                REQUIRE(!request.wait_until_sent(5s));
                              }};
  fixture.run([&] {
    for (int i = 0; i < 3; ++i) REQUIRE(fixture.ask("/").ends_with("5\r\npiece\r\n0\r\n\r\n"));
  });
  REQUIRE(handler.counters().handled == 3);
}
