// Server: how it drains, and what handlers can still say then.
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

namespace {

// BareStream is a socket for which nobody can wait without a buffer.
struct BareStream {
  Socket& socket;

  IoResult recv(std::span<std::byte> buffer, Timeout timeout) {
    return socket.recv(buffer, timeout);
  }
  IoResult send(std::span<const std::byte> data, Timeout timeout) {
    return socket.send(data, timeout);
  }
};

// WrongStream says once, behind the first request, that there is something, and is wrong.
struct WrongStream : BareStream {
  Event& is_wrong;
  int waits = 0;

  std::error_code wait_readable(Timeout timeout) {
    return ++waits == 2 ? is_wrong.wait(timeout) : socket.wait_readable(timeout);
  }
};

// DrainFixture has stacks for servers' connections, and an Event that handlers set.
struct DrainFixture : LoopFixture {
  stacks::StackPool others{support::connection_stacks(8)};
  ServerOptions options;
  Event is_asked;

  DrainFixture() { options.acceptor.stacks = &others; }

  RawSocket ask(const Server& server) {
    auto client = RawSocket::connected_to(server.local_address());
    client.send(support::hello_request);
    REQUIRE(!is_asked.wait(support::long_time));
    return client;
  }
};

}  // namespace

TEST_CASE_METHOD(DrainFixture, "server: draining ends who is idle and answers who is not") {
  in_thread([&] {
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
    CHECK(support::ask_hello(idle).field("Connection").empty());
    const auto busy = RawSocket::connected_to(address);
    busy.send("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(!is_asked.wait(support::long_time));
    Thread drain =
        loop->spawn([&] { return support::Outcome{server.drain(support::long_time)}; }).value();
    CHECK(support::ends(idle));
    CHECK_THROWS(RawSocket::connected_to(address));
    CHECK(!drain.has_ended());
    may_answer.set();
    const auto last = support::reply_to(busy);
    CHECK(last.body == "late");
    CHECK(last.field("Connection") == "close");
    CHECK(!drain.join().value().error);
    CHECK(support::ends(busy));
  });
}

TEST_CASE_METHOD(DrainFixture, "server: draining ends who is idle on any stream") {
  Event is_wrong;
  const std::vector<Secure> layers{
      [&](Socket& socket, const std::function<void(AnyStream)>& serve) {
        WrongStream stream{{socket}, is_wrong};
        serve(stream);
      },
      [](Socket& socket, const std::function<void(AnyStream)>& serve) {
        BareStream stream{socket};
        serve(stream);
      }};
  in_thread([&] {
    for (const Secure& layer : layers) {
      options.secure = layer;
      Server server{*loop, support::loopback(), support::echo_body, options};
      const auto idle = RawSocket::connected_to(server.local_address());
      CHECK(support::ask_hello(idle).status == 200);
      is_wrong.set();  // its thread is told so, and cancelled, before it runs
      CHECK(!server.drain(support::long_time));
      CHECK(support::ends(idle));
    }
  });
}

TEST_CASE_METHOD(DrainFixture, "server: draining cancels what is left at its deadline") {
  in_thread([&] {
    std::error_code error;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response&) {
                    is_asked.set();
                    error = this_thread::sleep_for(support::long_time);
                  },
                  options};
    const auto busy = ask(server);
    CHECK(server.drain(1ms) == std::errc::timed_out);
    CHECK(error == std::errc::operation_canceled);
    CHECK(server.counters().active == 0);
    CHECK(support::reply_to(busy).status == 503);
    CHECK(support::ends(busy));
  });
}

TEST_CASE_METHOD(DrainFixture, "server: a handler that draining cancels has a last word") {
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
  in_thread([&] {
    for (const Case& each : cases) {
      Server server{*loop, support::loopback(),
                    [&](Request& asked, Response& response) {
                      is_asked.set();
                      CHECK(this_thread::sleep_for(support::long_time));
                      each.say(asked, response);
                    },
                    options};
      const auto client = ask(server);
      CHECK(server.drain(1ms) == std::errc::timed_out);
      const std::string said = support::arrived(client);
      std::string_view rest = said;
      const auto answer = support::parse_reply(rest);
      CHECK(answer.status == each.status);
      CHECK(answer.body == each.body);
      CHECK(answer.field("Connection") == "close");
      CHECK(support::ends(client));
    }
  });
}

TEST_CASE_METHOD(DrainFixture, "server: what has begun is cut when draining cancels it") {
  in_thread([&] {
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    response.write("begun");
                    is_asked.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                    CHECK(response.write("more") == std::errc::operation_canceled);
                  },
                  options};
    const auto client = ask(server);
    CHECK(server.drain(1ms) == std::errc::timed_out);
    CHECK(support::arrived(client).ends_with("5\r\nbegun\r\n"));
    CHECK(support::ends(client));
  });
}

TEST_CASE_METHOD(DrainFixture, "server: a last word that nobody reads takes no longer") {
  in_thread([&] {
    options.acceptor.send_buffer = 4096;
    std::error_code error;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    is_asked.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                    error = response.send(std::string(50'000'000, 'x'));
                  },
                  options};
    const auto client = ask(server);
    CHECK(server.drain(1ms) == std::errc::timed_out);
    CHECK(error == std::errc::timed_out);
    CHECK(server.counters().active == 0);
  });
}

TEST_CASE_METHOD(DrainFixture, "server: a last word ends with its loop") {
  in_thread([&] {
    options.acceptor.send_buffer = 4096;
    std::error_code error;
    Event is_cancelled;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    is_asked.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                    is_cancelled.set();
                    error = response.send(std::string(50'000'000, 'x'));
                  },
                  options};
    const auto client = ask(server);
    CHECK(!server.drain(1ms, {}));
    REQUIRE(!is_cancelled.wait(support::long_time));
    CHECK(loop->shutdown(support::long_time).empty());
    CHECK(error == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(DrainFixture, "server: draining from where nobody can wait") {
  stacks::StackPool one{support::connection_stacks(1)};
  options.acceptor.stacks = &one;
  in_thread([&] {
    Event may_answer;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response& response) {
                    is_asked.set();
                    CHECK(!may_answer.wait(support::long_time));
                    response.send("late");
                  },
                  options};
    const auto busy = ask(server);
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
    const auto last = support::reply_to(busy);
    CHECK(last.body == "late");
    CHECK(last.field("Connection") == "close");
    REQUIRE(!is_over.wait(support::long_time));
    CHECK(!error);
  });
}

TEST_CASE_METHOD(DrainFixture, "server: who can't wait is told that draining has timed out") {
  in_thread([&] {
    Event is_over;
    std::error_code error;
    Server server{*loop, support::loopback(),
                  [&](Request&, Response&) {
                    is_asked.set();
                    CHECK(this_thread::sleep_for(support::long_time));
                  },
                  options};
    const auto busy = ask(server);
    CHECK(!server.drain(1ms, [&](std::error_code result) {
      error = result;
      is_over.set();
    }));
    REQUIRE(!is_over.wait(support::long_time));
    CHECK(error == std::errc::timed_out);
    CHECK(support::reply_to(busy).status == 503);
  });
}

TEST_CASE_METHOD(DrainFixture, "server: one that goes while it drains tells nobody") {
  in_thread([&] {
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
    const auto busy = ask(*server);
    Event is_gone;
    loop->post([&] {
      CHECK(!server->drain(support::long_time, [&](std::error_code) { was_told = true; }));
      server.reset();
      is_gone.set();
    });
    REQUIRE(!is_gone.wait(support::long_time));
    CHECK(support::reply_to(busy).body == "late");
    CHECK(support::ends(busy));
    CHECK(!was_told);
  });
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
    clients.back().send(support::hello_request);
  }
  REQUIRE(support::eventually_outside([&] { return asked == 4; }));
  CHECK(server.drain(1ms) == std::errc::timed_out);
  CHECK(cancelled == 4);
  CHECK(server.counters().active == 0);
  for (const auto& client : clients) CHECK(support::status_of(client.recv()) == 503);
}
