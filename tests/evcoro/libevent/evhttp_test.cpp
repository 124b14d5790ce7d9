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

#include <evcoro/libevent/evhttp.hpp>
#include <evcoro/libevent/fixture.hpp>
#include <evcoro/scope.hpp>
#include <support/contains.hpp>
#include <support/every_park.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// HttpFixture is an application with an evhttp. Its client is a thread with a Socket.
class HttpFixture : public support::LibeventFixture {
 public:
  HttpFixture() {
    bound_ = evhttp_bind_socket_with_handle(http.get(), "127.0.0.1", 0);
    REQUIRE(bound_ != nullptr);
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* const name = reinterpret_cast<sockaddr*>(&storage);
    REQUIRE(::getsockname(evhttp_bound_socket_get_fd(bound_), name, &size) == 0);
    address = Address{name, size};
    loop->set_exception_handler([this](const ThreadInfo&, const std::exception_ptr& exception) {
      try {
        std::rethrow_exception(exception);
      } catch (const std::exception& error) {
        reports.push_back(error.what());
      }
    });
  }
  ~HttpFixture() noexcept(false) { free_http(); }

  void free_http() { http.reset(); }

  Socket get(const std::string& path, const char* headers = "") {
    auto socket = connect(address, 5s).value();
    REQUIRE(socket.send("GET " + path + " HTTP/1.1\r\nHost: here\r\n" + headers + "\r\n"));
    return socket;
  }

  // answer() is what comes until the connection ends, or until text does.
  static std::string answer(Socket& socket, std::string_view until = "\n\n\n") {
    std::string all;
    for (std::size_t seen = 0; all.find(until, seen) == std::string::npos;) {
      const auto some = support::receive(socket, 65536);
      if (some.text.empty()) break;
      seen = all.size() - std::min(all.size(), until.size());
      all += some.text;
    }
    return all;
  }

  // ask() is the answer to a request on a connection that then closes.
  std::string ask(const std::string& path) {
    Socket socket = get(path, "Connection: close\r\n");
    return answer(socket);
  }

  // run() runs the client in a thread, and then takes away what keeps the base from ending.
  template <class F>
  void run(F&& client) {
    auto thread = loop->spawn({.name = "client"},
                              [&] {
                                client();
                                event_base_loopbreak(base.get());
                              })
                      .value();
    dispatch();
    thread.join().value();
  }

  struct FreeHttp {
    void operator()(evhttp* each) const noexcept { evhttp_free(each); }
  };
  std::unique_ptr<evhttp, FreeHttp> http{evhttp_new(base.get())};
  Address address;
  std::vector<std::string> reports;  // of exceptions

 private:
  evhttp_bound_socket* bound_;
};

// Gate holds handlers up until the test has seen what it wants to.
struct Gate {
  void pass() const {
    while (!is_open) REQUIRE(!this_thread::sleep_for(1ms));
  }
  bool is_open = false;
};

}  // namespace

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
