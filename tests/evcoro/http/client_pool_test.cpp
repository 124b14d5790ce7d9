// Connections of the client: used again, bounded, stale, retried.
#include <array>

#include <evcoro/http/error.hpp>
#include <evcoro/sync/event.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::direct;
using support::eventually;
using support::long_time;
using support::LoopFixture;
using support::receive_request;
using support::ScriptedServer;

namespace {

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// serve_well() answers until the client has closed.
void serve_well(Socket& socket, int) {
  while (!receive_request(socket).empty()) support::say(socket, ok);
}

std::string text_of(Result<ClientResponse> response) {
  if (!response) return response.error().message();
  const auto body = response->read_body(long_time);
  return body ? *body : body.error().message();
}

std::string text_at(Client& client, const std::string& url) {
  return text_of(client.get(url, long_time));
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client connections: are used again") {
  in_thread([&] {
    ScriptedServer server{*loop, serve_well};
    Client client{direct()};
    for (int i = 0; i < 5; ++i) CHECK(text_at(client, server.url("/")) == "ok");
    CHECK(server.connections() == 1);
    CHECK(client.idle() == 1);
    CHECK(client.open() == 1);
    {
      const auto response = client.get(server.url("/"), long_time).value();
      CHECK(client.idle() == 0);  // its body has not been read
      CHECK(text_at(client, server.url("/")) == "ok");
      CHECK(server.connections() == 2);
      CHECK(client.idle() == 1);
    }
    CHECK(client.idle() == 2);  // the rest was there
    client.close_idle();
    CHECK(client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client connections: which can't be used again") {
  const std::string cases[] = {
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
      "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and what nobody asked for",
  };
  in_thread([&] {
    for (const std::string& each : cases) {
      INFO(each);
      ScriptedServer server{*loop, [&](Socket& socket, int) {
                              receive_request(socket);
                              support::say(socket, each);
                            }};
      Client client{direct()};
      CHECK(text_at(client, server.url("/")) == "ok");
      CHECK(client.open() == 0);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client connections: HTTP/1.0 may keep them") {
  in_thread([&] {
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            while (!receive_request(socket).empty()) {
                              support::say(socket,
                                           "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
                                           "Content-Length: 2\r\n\r\nok");
                            }
                          }};
    Client client{direct()};
    for (int i = 0; i < 3; ++i) CHECK(text_at(client, server.url("/")) == "ok");
    CHECK(server.connections() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client connections: a response that is left unread") {
  const std::string much = "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n";
  const std::string endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
  const std::string missing = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell";
  in_thread([&] {
    for (const std::string& each : {much, endless, missing}) {
      INFO(each);
      bool has_ended = false;
      ScriptedServer server{*loop, [&](Socket& socket, int) {
                              receive_request(socket);
                              support::say(socket, each);
                              has_ended = receive_request(socket).empty();
                            }};
      Client client{direct()};
      CHECK(client.get(server.url("/"), long_time)->status() == Status::ok);
      CHECK(client.open() == 0);
      CHECK(eventually([&] { return has_ended; }));
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client connections: are bounded for each host") {
  in_thread([&] {
    int at_once = 0;
    int most = 0;
    Event go{Event::Reset::manual};
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            while (!receive_request(socket).empty()) {
                              most = std::max(most, ++at_once);
                              CHECK(!go.wait(long_time));
                              --at_once;
                              support::say(socket, ok);
                            }
                          }};
    auto options = direct();
    options.max_connections_per_host = 3;
    Client client{options};
    std::vector<Thread<std::string>> threads;
    for (int i = 0; i < 8; ++i) {
      threads.push_back(loop->spawn([&] { return text_at(client, server.url("/")); }).value());
    }
    CHECK(eventually([&] { return at_once == 3 && client.waiting() == 5; }));
    CHECK(client.open() == 3);
    CHECK(client.get(server.url("/"), 1ms).error() == std::errc::timed_out);
    CHECK(client.waiting() == 5);
    go.set();
    for (auto& thread : threads) CHECK(thread.join().value() == "ok");
    CHECK(most == 3);
    CHECK(server.connections() == 3);
    CHECK(client.idle() == 3);
  });
}

TEST_CASE_METHOD(LoopFixture, "client connections: are bounded in all and idle ones give way") {
  in_thread([&] {
    ScriptedServer one{*loop, serve_well};
    ScriptedServer two{*loop, serve_well};
    ScriptedServer three{*loop, serve_well};
    auto options = direct();
    options.max_connections = 2;
    Client client{options};
    CHECK(text_at(client, one.url("/")) == "ok");
    CHECK(text_at(client, two.url("/")) == "ok");
    CHECK(client.idle() == 2);
    CHECK(text_at(client, three.url("/")) == "ok");  // the first one's is the oldest
    CHECK(client.open() == 2);
    CHECK(text_at(client, two.url("/")) == "ok");
    CHECK(two.connections() == 1);
    CHECK(text_at(client, one.url("/")) == "ok");
    CHECK(one.connections() == 2);
    const auto held = client.get(one.url("/"), long_time).value();
    auto other = client.get(two.url("/"), long_time).value();
    auto waiting = loop->spawn([&] { return text_at(client, three.url("/")); }).value();
    CHECK(eventually([&] { return client.waiting() == 1; }));
    CHECK(other.read_body(long_time).value() == "ok");  // what is idle now goes for the third
    CHECK(waiting.join().value() == "ok");
    CHECK(client.open() == 2);
  });
}

TEST_CASE_METHOD(LoopFixture, "client connections: idle ones are closed some time later") {
  in_thread([&] {
    bool has_ended = false;
    ScriptedServer server{*loop, [&](Socket& socket, int connection) {
                            serve_well(socket, connection);
                            has_ended = true;
                          }};
    auto options = direct();
    options.idle_timeout = 20ms;
    Client client{options};
    CHECK(text_at(client, server.url("/")) == "ok");
    CHECK(eventually([&] { return client.open() == 0 && has_ended; }));
    CHECK(text_at(client, server.url("/")) == "ok");
    options.idle_timeout = 0ms;
    Client forgetful{options};
    CHECK(text_at(forgetful, server.url("/")) == "ok");
    CHECK(forgetful.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client connections: idle ones don't keep the loop nor outlive it") {
  Client client{*loop, direct()};
  in_thread([&] {
    // To a socket outside of the loop, so that nothing but the client has to do with it.
    const support::Listener listener{support::own_address(), 8};
    auto asking =
        loop->spawn([&] { return text_at(client, support::url_of(listener.address(), "/")); })
            .value();
    CHECK(eventually([&] { return client.open() == 1; }));
    const auto peer = listener.accept();
    CHECK(eventually([&] { return support::arrived(peer).ends_with("\r\n\r\n"); }));
    peer.send(ok);
    CHECK(asking.join().value() == "ok");
    CHECK(client.idle() == 1);
  });
  loop->run();  // returns at once
  CHECK(client.idle() == 1);
  loop.reset();
  CHECK(client.idle() == 0);
}

TEST_CASE_METHOD(LoopFixture, "client connections: one that the server has closed is not used") {
  in_thread([&] {
    int closed = 0;
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            receive_request(socket);
                            support::say(socket, ok);
                            socket.close();
                            ++closed;
                          }};
    Client client{direct()};
    for (int i = 1; i <= 3; ++i) {
      // A POST would fail if it were sent on the old one.
      CHECK(text_of(client.post(server.url("/"), "x", "", long_time)) == "ok");
      CHECK(eventually([&] { return closed == i; }));
    }
    CHECK(server.connections() == 3);
    CHECK(client.open() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client connections: one that says something unasked is not used") {
  in_thread([&] {
    Event speak;
    Event spoken;
    ScriptedServer server{*loop, [&](Socket& socket, int connection) {
                            receive_request(socket);
                            support::say(socket, ok);
                            if (connection > 1) return;
                            CHECK(!speak.wait(long_time));
                            support::say(socket,
                                         "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
                            spoken.set();
                            receive_request(socket);
                          }};
    Client client{direct()};
    CHECK(text_at(client, server.url("/")) == "ok");
    speak.set();
    CHECK(!spoken.wait(long_time));
    CHECK(text_at(client, server.url("/")) == "ok");
    CHECK(server.connections() == 2);
  });
}

namespace {

// LosingServer serves the first request of each connection, and closes at the second one, once it
// has read it; from the connection given on it serves all.
class LosingServer {
 public:
  LosingServer(Loop& loop, int good_from, std::string before_close = {})
      : server_(loop, [this, good_from, before_close](Socket& socket, int connection) {
          for (int i = 0;; ++i) {
            if (receive_request(socket).empty()) return;
            ++requests;
            if (i > 0 && connection < good_from) {
              support::say(socket, before_close);
              return;
            }
            support::say(socket, ok);
          }
        }) {}

  std::string url() const { return server_.url("/"); }
  int connections() const { return server_.connections(); }
  int requests = 0;

 private:
  ScriptedServer server_;
};

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client retries: what is idempotent once on a new connection") {
  using enum Method;
  in_thread([&] {
    for (const Method method : {http::Method::get, head, put, del, options, trace}) {
      INFO(to_string(method));
      LosingServer server{*loop, 2};
      Client client{direct()};
      CHECK(text_at(client, server.url()) == "ok");
      const auto response = client.send({.url = server.url(), .method = method}, long_time);
      REQUIRE(response);
      CHECK(response->status() == Status::ok);
      CHECK(server.connections() == 2);
      CHECK(server.requests == 3);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client retries: never a POST nor what has been streamed") {
  in_thread([&] {
    const auto produce = [](BodyWriter& out) { return out.write("hello"); };
    const ClientRequest cases[] = {
        {.url = {}, .method = Method::post, .body = "x"},
        {.url = {}, .method = Method::patch, .body = "x"},
        {.url = {}, .method = Method::put, .produce = produce, .content_length = 5},
    };
    for (const ClientRequest& each : cases) {
      LosingServer server{*loop, 2};
      Client client{direct()};
      CHECK(text_at(client, server.url()) == "ok");
      ClientRequest request = each;
      request.url = server.url();
      CHECK(client.send(request, long_time).error() == evcoro::Errc::unexpected_end);
      CHECK(server.requests == 2);
      CHECK(client.open() == 0);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client retries: not after the first byte of a response") {
  in_thread([&] {
    LosingServer server{*loop, 2, "H"};
    Client client{direct()};
    CHECK(text_at(client, server.url()) == "ok");
    CHECK(client.get(server.url(), long_time).error() == evcoro::Errc::unexpected_end);
    CHECK(server.requests == 2);
  });
}

TEST_CASE_METHOD(LoopFixture, "client retries: not on a connection that was new") {
  in_thread([&] {
    ScriptedServer server{*loop, [](Socket& socket, int) { receive_request(socket); }};
    Client client{direct()};
    CHECK(client.get(server.url("/"), long_time).error() == evcoro::Errc::unexpected_end);
    CHECK(server.connections() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client retries: all that are idle go and the new one is new") {
  in_thread([&] {
    LosingServer server{*loop, 4};
    auto options = direct();
    options.max_connections_per_host = 3;
    Client client{options};
    {
      auto one = client.get(server.url(), long_time).value();
      auto two = client.get(server.url(), long_time).value();
      auto three = client.get(server.url(), long_time).value();
      for (auto* each : {&one, &two, &three}) CHECK(each->read_body(long_time).value() == "ok");
    }
    CHECK(client.idle() == 3);
    CHECK(text_at(client, server.url()) == "ok");
    CHECK(server.connections() == 4);
    CHECK(client.open() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "clients: responses outlive them") {
  in_thread([&] {
    ScriptedServer server{*loop, serve_well};
    std::optional<Client> client;
    client.emplace(direct());
    auto response = client->get(server.url("/"), long_time).value();
    client.reset();
    CHECK(response.read_body(long_time).value() == "ok");
  });
}

TEST_CASE_METHOD(LoopFixture, "clients: a host that refuses") {
  in_thread([&] {
    std::string url;
    {
      const ScriptedServer server{*loop, serve_well};
      url = server.url("/");
    }
    Client client{direct()};
    CHECK(client.get(url, long_time).error() == std::errc::connection_refused);
    CHECK(client.open() == 0);
  });
}
