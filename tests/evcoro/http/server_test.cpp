// Server: on a loop, on a group, on UNIX sockets; its end.
#include <evcoro/http/server.hpp>

#include <atomic>
#include <optional>
#include <stdexcept>
#include <vector>

#include <evcoro/http/router.hpp>
#include <evcoro/loop_group.hpp>
#include <evcoro/sync/event.hpp>
#include <support/acceptor.hpp>
#include <support/group.hpp>
#include <support/http.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::LoopFixture;
using support::RawSocket;

namespace {

constexpr std::string_view request = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

// reply() is what client gets for a request, while the loop runs.
support::Reply reply(const RawSocket& client) {
  std::string all;
  support::Reply parsed;
  const bool in_time = support::eventually([&] {
    all += support::arrived(client);
    try {
      std::string_view rest = all;
      parsed = support::parse_reply(rest);
      return parsed.head.find("Content-Length") != std::string::npos || support::has_ended(client);
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  REQUIRE(in_time);
  return parsed;
}

support::Reply ask(const RawSocket& client) {
  client.send(request);
  return reply(client);
}

bool ends(const RawSocket& client) {
  return support::eventually([&] { return support::has_ended(client); });
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "server: serves and knows its peers") {
  in_thread([&] {
    Server server{*loop, support::loopback(), [](Request& asked, Response& response) {
                    response.send(asked.peer().to_string());
                  }};
    const auto client = RawSocket::connected_to(server.local_address());
    for (int i = 0; i < 3; ++i) {
      CHECK(ask(client).body == support::local_address(client).to_string());
    }
    CHECK(server.counters().active == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: on a UNIX socket") {
  in_thread([&] {
    Router router;
    router.get("/:name",
               [](Request& asked, Response& response) { response.send(asked.parameter("name")); });
    Server server{*loop, Address::unix_any(), router};
    const auto client = RawSocket::connected_to(server.local_address());
    for (int i = 0; i < 3; ++i) CHECK(ask(client).body == "hello");
  });
}

TEST_CASE_METHOD(LoopFixture, "server: what a handler throws is reported once") {
  std::vector<std::string> reports;
  loop->set_exception_handler([&](const ThreadInfo&, std::exception_ptr exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& error) {
      reports.emplace_back(error.what());
    }
  });
  in_thread([&] {
    Server server{*loop, support::loopback(), [&](Request& asked, Response& response) {
                    if (asked.method() == Method::post) throw std::runtime_error{"oops"};
                    response.send("fine");
                  }};
    const auto bad = RawSocket::connected_to(server.local_address());
    const auto good = RawSocket::connected_to(server.local_address());
    CHECK(ask(good).body == "fine");
    bad.send("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(reply(bad).status == 500);
    bad.shutdown(SHUT_WR);
    CHECK(ends(bad));
    CHECK(ask(good).body == "fine");
    CHECK(support::eventually([&] { return server.counters().active == 1; }));
  });
  CHECK(reports == std::vector<std::string>{"oops"});
}

TEST_CASE_METHOD(LoopFixture, "server: a layer between socket and HTTP") {
  in_thread([&] {
    ServerOptions options;
    int connections = 0;
    options.secure = [&](Socket& socket, const std::function<void(AnyStream)>& go_on) {
      char knock = 0;
      const auto in = socket.recv(std::as_writable_bytes(std::span{&knock, 1}), support::long_time);
      ++connections;
      if (in.count == 1 && knock == '!') go_on(socket);
    };
    Server server{*loop, support::loopback(), support::echo_body, options};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send("!");
    CHECK(ask(client).body == "/hello");
    const auto stranger = RawSocket::connected_to(server.local_address());
    stranger.send("?");
    CHECK(ends(stranger));
    CHECK(connections == 2);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: without a stack there is 503 or patience") {
  stacks::StackPool two{support::connection_stacks(2)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &two;
    options.acceptor.max_connections = 1;
    options.acceptor.when_full = WhenFull::reject;
    options.retry_after = 7s;
    Server server{*loop, support::loopback(), support::echo_body, options};
    const auto first = RawSocket::connected_to(server.local_address());
    CHECK(ask(first).status == 200);
    const auto second = RawSocket::connected_to(server.local_address());
    const auto refused = reply(second);
    CHECK(refused.status == 503);
    CHECK(refused.field("Retry-After") == "7");
    CHECK(refused.field("Connection") == "close");
    CHECK(ends(second));
    CHECK(server.counters().refused == 1);

    options.acceptor.when_full = WhenFull::pause;
    Server patient{*loop, support::loopback(), support::echo_body, options};
    auto third = RawSocket::connected_to(patient.local_address());
    CHECK(ask(third).status == 200);
    const auto fourth = RawSocket::connected_to(patient.local_address());
    fourth.send(request);
    third.close();
    CHECK(reply(fourth).status == 200);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: a last response is whole though more requests have come") {
  constexpr std::size_t size = 1'000'000;
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    options.acceptor.send_buffer = 4 * size;  // it is sent at once
    options.limits.requests = 1;
    options.limits.linger = options.limits.linger_idle = support::long_time;
    Event is_asked;
    Event may_answer;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    is_asked.set();
                    CHECK(!may_answer.wait(support::long_time));
                    response.send(std::string(size, 'x'));
                  },
                  options};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    REQUIRE(!is_asked.wait(support::long_time));
    client.send(request);
    may_answer.set();
    const auto last = reply(client);
    CHECK(last.field("Connection") == "close");
    CHECK(last.body.size() == size);
    client.shutdown(SHUT_WR);
    CHECK(ends(client));
  });
}

TEST_CASE_METHOD(LoopFixture, "server: draining ends who is idle and answers who is not") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    Event is_asked;
    Event may_answer;
    Server server{*loop, support::loopback(),
                  [&](Request& asked, Response& response) {
                    if (asked.method() == Method::get) return static_cast<void>(response.send("a"));
                    is_asked.set();
                    CHECK(!may_answer.wait(support::long_time));
                    response.send("late");
                  },
                  options};
    const auto address = server.local_address();
    const auto idle = RawSocket::connected_to(address);
    CHECK(ask(idle).field("Connection").empty());
    const auto busy = RawSocket::connected_to(address);
    busy.send("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(!is_asked.wait(support::long_time));
    Thread drain =
        loop->spawn([&] { return support::Outcome{server.drain(support::long_time)}; }).value();
    CHECK(ends(idle));
    CHECK_THROWS(RawSocket::connected_to(address));
    CHECK(!drain.has_ended());
    may_answer.set();
    const auto last = reply(busy);
    CHECK(last.body == "late");
    CHECK(last.field("Connection") == "close");
    CHECK(!drain.join().value().error);
    CHECK(ends(busy));
  });
}

TEST_CASE_METHOD(LoopFixture, "server: draining cancels what is left at its deadline") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    std::error_code error;
    Event is_asked;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response&) {
                    is_asked.set();
                    error = this_thread::sleep_for(support::long_time);
                  },
                  options};
    const auto busy = RawSocket::connected_to(server.local_address());
    busy.send(request);
    REQUIRE(!is_asked.wait(support::long_time));
    CHECK(server.drain(1ms) == std::errc::timed_out);
    CHECK(error == std::errc::operation_canceled);
    CHECK(server.counters().active == 0);
    CHECK(reply(busy).status == 503);
    CHECK(ends(busy));
  });
}

TEST_CASE_METHOD(LoopFixture, "server: a handler that draining cancels has a last word") {
  struct Case {
    Handler say;
    int status;
    std::string body;
  };
  const std::vector<Case> cases{
      {[](Request&, Response&) {}, 503, "Service Unavailable\n"},
      {[](Request&, Response&) { throw std::runtime_error{"oops"}; }, 503, "Service Unavailable\n"},
      {[](Request&, Response& response) { response.set_status(Status::conflict); }, 409, ""},
      {[](Request&, Response& response) {
         CHECK(!response.write("bye, "));
         CHECK(this_thread::sleep_for(support::long_time) == std::errc::operation_canceled);
         CHECK(!response.write("bye"));
       },
       200, "bye, bye"},
      {[](Request&, Response& response) {
         this_thread::acknowledge_cancellation();
         CHECK(!this_thread::sleep_for(1ms));
         CHECK(!response.send("done"));
       },
       200, "done"},
  };
  loop->set_exception_handler([](const ThreadInfo&, std::exception_ptr) {});
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    for (const Case& each : cases) {
      ServerOptions options;
      options.acceptor.stacks = &others;
      Event is_asked;
      Server server{*loop, support::loopback(),
                    [&](Request& asked, Response& response) {
                      is_asked.set();
                      CHECK(this_thread::sleep_for(support::long_time));
                      each.say(asked, response);
                    },
                    options};
      const auto client = RawSocket::connected_to(server.local_address());
      client.send(request);
      REQUIRE(!is_asked.wait(support::long_time));
      CHECK(server.drain(1ms) == std::errc::timed_out);
      const std::string said = support::arrived(client);
      std::string_view rest = said;
      const auto answer = support::parse_reply(rest);
      CHECK(answer.status == each.status);
      CHECK(answer.body == each.body);
      CHECK(answer.field("Connection") == "close");
      CHECK(ends(client));
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "server: what has begun is cut when draining cancels it") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    Event has_begun;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    response.write("begun");
                    has_begun.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                    CHECK(response.write("more") == std::errc::operation_canceled);
                  },
                  options};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    REQUIRE(!has_begun.wait(support::long_time));
    CHECK(server.drain(1ms) == std::errc::timed_out);
    CHECK(support::arrived(client).ends_with("5\r\nbegun\r\n"));
    CHECK(ends(client));
  });
}

TEST_CASE_METHOD(LoopFixture, "server: a last word that nobody reads takes no longer") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    options.acceptor.send_buffer = 4096;
    std::error_code error;
    Event is_asked;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    is_asked.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                    error = response.send(std::string(50'000'000, 'x'));
                  },
                  options};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    REQUIRE(!is_asked.wait(support::long_time));
    CHECK(server.drain(1ms) == std::errc::timed_out);
    CHECK(error == std::errc::timed_out);
    CHECK(server.counters().active == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: a last word ends with its loop") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    options.acceptor.send_buffer = 4096;
    std::error_code error;
    Event is_asked;
    Event is_cancelled;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    is_asked.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                    is_cancelled.set();
                    error = response.send(std::string(50'000'000, 'x'));
                  },
                  options};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    REQUIRE(!is_asked.wait(support::long_time));
    CHECK(!server.drain(1ms, {}));
    REQUIRE(!is_cancelled.wait(support::long_time));
    CHECK(loop->shutdown(support::long_time).empty());
    CHECK(error == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(LoopFixture,
                 "server: a handler that is cancelled is told so and not of a departure") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    Event is_asked;
    bool has_left = true;
    std::error_code error;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    is_asked.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                    error = response.wait_for_departure(support::long_time);
                    has_left = response.client_has_left();
                  },
                  options};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    REQUIRE(!is_asked.wait(support::long_time));
    CHECK(server.drain(1ms) == std::errc::timed_out);
    CHECK(error == std::errc::operation_canceled);
    CHECK(!has_left);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: who waits for a departure holds no earlier response back") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    std::error_code error = std::make_error_code(std::errc::timed_out);
    Event is_over;
    Server server{*loop, support::loopback(),
                  [&](Request& asked, Response& response) {
                    if (asked.method() == Method::get) {
                      return static_cast<void>(response.send("first"));
                    }
                    error = response.wait_for_departure(support::long_time);
                    is_over.set();
                  },
                  options};
    auto client = RawSocket::connected_to(server.local_address());
    client.send(std::string{request} + "POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(reply(client).body == "first");
    client.close();
    CHECK(!is_over.wait(support::long_time));
    CHECK(!error);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: draining from where nobody can wait") {
  stacks::StackPool one{support::connection_stacks(1)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &one;
    Event is_asked;
    Event may_answer;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    is_asked.set();
                    CHECK(!may_answer.wait(support::long_time));
                    response.send("late");
                  },
                  options};
    const auto busy = RawSocket::connected_to(server.local_address());
    busy.send(request);
    REQUIRE(!is_asked.wait(support::long_time));
    Event is_begun;
    Event is_over;
    std::error_code error = std::make_error_code(std::errc::invalid_argument);
    loop->post([&] {
      const auto done = [&](std::error_code result) {
        CHECK(!this_thread::sleep_for(1ms));
        error = result;
        is_over.set();
      };
      CHECK(!server.drain(support::long_time, done));
      CHECK(server.is_draining());
      CHECK(server.drain(support::long_time, done) == std::errc::device_or_resource_busy);
      is_begun.set();
    });
    REQUIRE(!is_begun.wait(support::long_time));
    for (int i = 0; i < 10; ++i) this_thread::yield();
    CHECK(is_over.wait(no_wait) == std::errc::timed_out);
    CHECK_THROWS(RawSocket::connected_to(server.local_address()));
    may_answer.set();
    const auto last = reply(busy);
    CHECK(last.body == "late");
    CHECK(last.field("Connection") == "close");
    REQUIRE(!is_over.wait(support::long_time));
    CHECK(!error);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: who can't wait is told that draining has timed out") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    Event is_asked;
    Event is_over;
    std::error_code error;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response&) {
                    is_asked.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                  },
                  options};
    const auto busy = RawSocket::connected_to(server.local_address());
    busy.send(request);
    REQUIRE(!is_asked.wait(support::long_time));
    CHECK(!server.drain(1ms, [&](std::error_code result) {
      error = result;
      is_over.set();
    }));
    REQUIRE(!is_over.wait(support::long_time));
    CHECK(error == std::errc::timed_out);
    CHECK(reply(busy).status == 503);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: one that goes while it drains tells nobody") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    Event is_asked;
    bool was_told = false;
    std::optional<Server> server;
    server.emplace(
        *loop, support::loopback(),
        [&](Request&, Response& response) {
          is_asked.set();
          response.wait_for_departure(support::long_time);
          response.send("late");
        },
        options);
    const auto busy = RawSocket::connected_to(server->local_address());
    busy.send(request);
    REQUIRE(!is_asked.wait(support::long_time));
    Event is_gone;
    loop->post([&] {
      CHECK(!server->drain(support::long_time, [&](std::error_code) { was_told = true; }));
      server.reset();
      is_gone.set();
    });
    REQUIRE(!is_gone.wait(support::long_time));
    CHECK(reply(busy).body == "late");
    CHECK(ends(busy));
    CHECK(!was_told);
  });
}

TEST_CASE_METHOD(LoopFixture, "server: memory of a large request goes with its connection") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    constexpr std::size_t large = 4 << 20;
    ServerOptions options;
    options.acceptor.stacks = &others;
    options.limits.field = options.limits.fields_size = large;
    std::vector<const char*> places;
    Server server{*loop, support::loopback(),
                  [&](Request& asked, Response& response) {
                    places.push_back(asked.target().data());
                    response.close_connection();
                  },
                  options};
    for (const std::size_t size : {large / 2, std::size_t{1}}) {
      const auto client = RawSocket::connected_to(server.local_address());
      client.send("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(size, 'a') + "\r\n\r\n");
      CHECK(reply(client).status == 200);
      CHECK(ends(client));
    }
    REQUIRE(places.size() == 2);
    CHECK(places[0] != places[1]);
  });
}

TEST_CASE("server: on a group of loops") {
  LoopGroup group{{.loops = 2, .stacks = support::connection_stacks(16)}};
  Server server{group, support::loopback(), support::echo_body};
  std::vector<RawSocket> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(RawSocket::connected_to(server.local_address()));
    clients.back().send(request);
    std::string all;
    while (!all.ends_with("/hello")) all += clients.back().recv();
    CHECK(support::status_of(all) == 200);
  }
  CHECK(server.counters().active == 4);
  CHECK(server.drain(support::long_time, [](std::error_code) {}) ==
        std::errc::operation_not_supported);
  CHECK(!server.drain(support::long_time));
  for (const auto& client : clients) CHECK(client.recv().empty());
  CHECK(server.counters().active == 0);
}

TEST_CASE_METHOD(LoopFixture, "server: a client that is lingered for sees the end of the answer") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    options.limits.linger = options.limits.linger_idle = support::long_time;
    Server server{*loop, support::loopback(), support::echo_body, options};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send("nonsense\r\n\r\n");
    CHECK(reply(client).status == 501);
    CHECK(ends(client));
    CHECK(server.counters().active == 1);
  });
}

TEST_CASE("server: a client that sends all of a large body first gets its answer") {
  LoopGroup group{{.loops = 1, .stacks = support::connection_stacks(16)}};
  ServerOptions options;
  options.limits.linger = options.limits.linger_idle = support::long_time;
  Server server{group, support::loopback(), support::echo_body, options};
  const auto client = RawSocket::connected_to(server.local_address());
  const std::string body(20'000'000, 'x');
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  CHECK(support::status_of(client.recv()) == 413);
}

TEST_CASE("server: draining cancels what is left on a group of loops") {
  LoopGroup group{{.loops = 2, .stacks = support::connection_stacks(16)}};
  std::atomic<int> asked = 0;
  std::atomic<int> cancelled = 0;
  Server server{group, support::loopback(), [&](Request&, Response&) {
                  ++asked;
                  const auto error = this_thread::sleep_for(support::long_time);
                  if (error == std::errc::operation_canceled) ++cancelled;
                }};
  std::vector<RawSocket> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(RawSocket::connected_to(server.local_address()));
    clients.back().send(request);
  }
  REQUIRE(support::eventually_outside([&] { return asked == 4; }));
  CHECK(server.drain(1ms) == std::errc::timed_out);
  CHECK(cancelled == 4);
  CHECK(server.counters().active == 0);
  for (const auto& client : clients) CHECK(support::status_of(client.recv()) == 503);
}
