// Server: on a loop, on a group, on UNIX sockets.
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
#include <support/raw_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::LoopFixture;
using support::RawSocket;

TEST_CASE_METHOD(LoopFixture, "server: serves and knows its peers") {
  in_thread([&] {
    Server server{*loop, support::loopback(), [](Request& asked, Response& response) {
                    response.send(asked.peer().to_string());
                  }};
    const auto client = RawSocket::connected_to(server.local_address());
    for (int i = 0; i < 3; ++i) {
      CHECK(support::ask_hello(client).body == support::local_address(client).to_string());
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
    for (int i = 0; i < 3; ++i) CHECK(support::ask_hello(client).body == "hello");
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
    CHECK(support::ask_hello(good).body == "fine");
    bad.send("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(support::reply_to(bad).status == 500);
    bad.shutdown(SHUT_WR);
    CHECK(support::ends(bad));
    CHECK(support::ask_hello(good).body == "fine");
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
    CHECK(support::ask_hello(client).body == "/hello");
    const auto stranger = RawSocket::connected_to(server.local_address());
    stranger.send("?");
    CHECK(support::ends(stranger));
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
    CHECK(support::ask_hello(first).status == 200);
    const auto second = RawSocket::connected_to(server.local_address());
    const auto refused = support::reply_to(second);
    CHECK(refused.status == 503);
    CHECK(refused.field("Retry-After") == "7");
    CHECK(refused.field("Connection") == "close");
    CHECK(support::ends(second));
    CHECK(server.counters().refused == 1);

    options.acceptor.when_full = WhenFull::pause;
    Server patient{*loop, support::loopback(), support::echo_body, options};
    auto third = RawSocket::connected_to(patient.local_address());
    CHECK(support::ask_hello(third).status == 200);
    const auto fourth = RawSocket::connected_to(patient.local_address());
    fourth.send(support::hello_request);
    third.close();
    CHECK(support::reply_to(fourth).status == 200);
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
    client.send(support::hello_request);
    REQUIRE(!is_asked.wait(support::long_time));
    client.send(support::hello_request);
    may_answer.set();
    const auto last = support::reply_to(client);
    CHECK(last.field("Connection") == "close");
    CHECK(last.body.size() == size);
    client.shutdown(SHUT_WR);
    CHECK(support::ends(client));
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
    client.send(support::hello_request);
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
    client.send(std::string{support::hello_request} + "POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(support::reply_to(client).body == "first");
    client.close();
    CHECK(!is_over.wait(support::long_time));
    CHECK(!error);
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
      CHECK(support::reply_to(client).status == 200);
      CHECK(support::ends(client));
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
    clients.back().send(support::hello_request);
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
    CHECK(support::reply_to(client).status == 501);
    CHECK(support::ends(client));
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
