// https: the client and the server of evcoro/http on evcoro/tls, which know nothing of each other.
#include <array>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <evcoro/http/client.hpp>
#include <evcoro/http/error.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/net/happy_eyeballs.hpp>
#include <evcoro/sync/event.hpp>
#include <support/http_client.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::long_time;
using support::LoopFixture;

namespace {

static_assert(ClosableStream<TlsSocket> && WaitingStream<TlsSocket>);
static_assert(ClosableStream<Socket> && ClosableStream<OwnedStream>);

// Https is a server of a.test and a client that believes in it.
class Https {
 public:
  Https(Loop& loop, Handler handler, std::chrono::milliseconds keep_alive = long_time)
      : server_context_(TlsServerOptions{.certificates = {authority_.sign({"a.test"})}}),
        client_context_(TlsClientOptions{.authorities = authority_.pem()}),
        server_(loop, support::own_address(), std::move(handler), server_options(keep_alive)),
        client(loop, client_options()) {}

  std::string url(const std::string& host, const std::string& target) const {
    return "https://" + host + ":" + std::to_string(server_.local_address().port()) + target;
  }
  auto accepted() const { return server_.counters().accepted; }
  Address address() const { return server_.local_address(); }
  std::error_code drain(Timeout timeout) { return server_.drain(timeout); }

 private:
  ServerOptions server_options(std::chrono::milliseconds keep_alive) {
    ServerOptions options;
    options.limits.keep_alive = keep_alive;
    options.secure = secure_by(server_context_);
    return options;
  }

  support::Authority authority_;
  TlsContext server_context_;
  TlsContext client_context_;
  Server server_;

 public:
  ClientOptions client_options() {
    ClientOptions options;
    options.proxy = ProxySettings{};
    options.connect = [this](const std::string&, std::uint16_t, Timeout timeout) {
      return connect(server_.local_address(), timeout);
    };
    options.secure = secure_by(client_context_);
    return options;
  }

  Client client;
};

// relay() sends on what comes from one until its end.
void relay(Socket& from, Socket& to) {
  while (true) {
    const auto in = support::receive(from, 4096);
    if (in.text.empty()) break;
    support::say(to, in.text);
  }
  to.shutdown(Socket::Shutdown::write);
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "connections are used again") {
  in_thread([&] {
    Https https{*loop, [](Request& request, Response& response) { response.send(request.path()); }};
    for (int i = 0; i < 5; ++i) {
      const std::string path = "/" + std::to_string(i);
      auto response = https.client.get(https.url("a.test", path), long_time);
      REQUIRE(response);
      CHECK(response->read_body(long_time).value() == path);
    }
    CHECK(https.accepted() == 1);
    CHECK(https.client.idle() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "large bodies both ways") {
  in_thread([&] {
    Https https{*loop, [](Request& request, Response& response) {
                  const auto body = request.read_body();
                  if (body) response.send(*body);
                }};
    const std::string text = support::pattern(900'000);
    const auto produce = [&](BodyWriter& out) { return out.write(text); };
    auto response = https.client.send(
        {.url = https.url("a.test", "/"), .method = Method::put, .produce = produce}, long_time);
    REQUIRE(response);
    CHECK(response->read_body(long_time).value() == text);
  });
}

TEST_CASE_METHOD(LoopFixture, "a server that is someone else") {
  in_thread([&] {
    Https https{*loop, [](Request&, Response& response) { response.send("secret"); }};
    const auto error = https.client.get(https.url("b.test", "/"), long_time).error();
    CHECK(is_certificate_error(error));
    CHECK(https.client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "a body without end breaks off") {
  loop->set_exception_handler([](const ThreadInfo&, std::exception_ptr) {});
  in_thread([&] {
    Https https{*loop, [](Request&, Response& response) {
                  response.write("hello");
                  throw std::runtime_error{"oops"};
                }};
    auto response = https.client.get(https.url("a.test", "/"), long_time).value();
    CHECK(response.read_body(long_time).error() == evcoro::Errc::unexpected_end);
  });
}

TEST_CASE_METHOD(LoopFixture, "a connection that the server has closed is not used") {
  in_thread([&] {
    int served = 0;
    Https https{*loop,
                [&](Request&, Response& response) {
                  ++served;
                  response.send("x");
                },
                std::chrono::milliseconds{10}};
    for (int i = 1; i <= 3; ++i) {
      // A POST would fail if it were sent on the old one.
      auto response = https.client.post(https.url("a.test", "/"), "y", "", long_time);
      REQUIRE(response);
      CHECK(response->read_body().value() == "x");
      CHECK(served == i);
      CHECK(support::eventually([&] { return loop->thread_count() == 1; }));
    }
    CHECK(https.accepted() == 3);
  });
}

TEST_CASE_METHOD(LoopFixture, "a tunnel through a proxy ends at whom the URL means") {
  in_thread([&] {
    Https https{*loop, [](Request& request, Response& response) { response.send(request.path()); }};
    std::vector<std::string> asked;
    support::ScriptedServer proxy{*loop, [&](Socket& socket, int) {
                                    asked.push_back(support::receive_request(socket));
                                    Socket server = connect(https.address(), long_time).value();
                                    support::say(socket,
                                                 "HTTP/1.1 200 Connection established\r\n\r\n");
                                    auto back = loop->spawn([&] { relay(server, socket); }).value();
                                    relay(socket, server);
                                    CHECK(back.join());
                                  }};
    auto options = https.client_options();
    options.proxy = ProxySettings{.https = proxy.address().to_string()};
    options.connect = nullptr;
    Client client{*loop, options};
    for (const std::string path : {"/one", "/two"}) {
      auto response = client.get(https.url("a.test", path), long_time);
      REQUIRE(response);
      CHECK(response->read_body(long_time).value() == path);
    }
    CHECK(https.accepted() == 1);
    CHECK(is_certificate_error(client.get(https.url("b.test", "/"), long_time).error()));
    REQUIRE(asked.size() == 2);
    CHECK(asked[0].starts_with("CONNECT a.test:"));
    CHECK(asked[1].starts_with("CONNECT b.test:"));
    client.close_idle();
    CHECK(client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "a large upload that is refused") {
  in_thread([&] {
    Https https{*loop, [](Request& request, Response&) {
                  CHECK(request.read_body().error() == http::Errc::body_too_large);
                }};
    auto response =
        https.client.put(https.url("a.test", "/"), std::string(20'000'000, 'x'), "", long_time);
    REQUIRE(response);
    CHECK(response->status() == Status::content_too_large);
    CHECK(response->read_body(long_time).value() == "Content Too Large\n");
    CHECK(https.client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "a handler that draining cancels has a last word under TLS too") {
  in_thread([&] {
    Event is_asked;
    Https https{*loop, [&](Request&, Response& response) {
                  is_asked.set();
                  CHECK(this_thread::sleep_for(long_time) == std::errc::operation_canceled);
                  response.send("bye");
                }};
    auto asking = loop->spawn([&] {
                        auto response = https.client.get(https.url("a.test", "/"), long_time);
                        return response ? response->read_body(long_time).value() : "nothing";
                      })
                      .value();
    REQUIRE(!is_asked.wait(long_time));
    CHECK(https.drain(std::chrono::milliseconds{1}) == std::errc::timed_out);
    CHECK(asking.join(long_time).value() == "bye");
  });
}

TEST_CASE_METHOD(LoopFixture, "clients that are secure offer http and no more") {
  in_thread([&] {
    const support::Authority authority;
    const TlsContext server_context{
        TlsServerOptions{.certificates = {authority.sign({"a.test"})}, .protocols = {"http/1.1"}}};
    std::vector<std::string> agreed;
    support::ScriptedServer server{*loop, [&](Socket& socket, int) {
                                     TlsSocket tls{std::move(socket), server_context};
                                     if (tls.handshake(long_time)) return;
                                     agreed.emplace_back(tls.protocol());
                                     CHECK(tls.send("HTTP/1.1 204 No Content\r\n\r\n", long_time));
                                     tls.close_notify(long_time);
                                   }};
    const std::string url = "https://a.test:" + std::to_string(server.address().port());
    for (const std::vector<std::string>& protocols :
         {std::vector<std::string>{}, std::vector<std::string>{"h2"}}) {
      auto options = support::direct();
      options.connect = [&](const std::string&, std::uint16_t, Timeout timeout) {
        return connect(server.address(), timeout);
      };
      options.secure = secure_by(
          TlsContext{TlsClientOptions{.authorities = authority.pem(), .protocols = protocols}});
      Client client{*loop, options};
      auto response = client.get(url, long_time);
      REQUIRE(response);
      CHECK(response->status() == Status::no_content);
    }
    CHECK(agreed == std::vector<std::string>{"http/1.1", "http/1.1"});
  });
}

TEST_CASE_METHOD(LoopFixture, "a context of the other kind is told so") {
  std::vector<std::error_code> reports;
  loop->set_exception_handler([&](const ThreadInfo&, std::exception_ptr exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::system_error& error) {
      reports.push_back(error.code());
    }
  });
  in_thread([&] {
    const support::Authority authority;
    const TlsContext servers{TlsServerOptions{.certificates = {authority.sign({"a.test"})}}};
    const TlsContext clients{TlsClientOptions{.authorities = authority.pem()}};
    Https https{*loop, [](Request&, Response& response) { response.send("x"); }};
    auto options = https.client_options();
    for (const auto& [context, expected] : {std::pair{servers, TlsErrc::wrong_context},
                                            std::pair{TlsContext{}, TlsErrc::no_context}}) {
      options.secure = secure_by(context);
      Client client{*loop, options};
      CHECK(client.get(https.url("a.test", "/"), long_time).error() == expected);
    }
    ServerOptions wrong;
    wrong.secure = secure_by(clients);
    Server server{*loop, support::own_address(), support::echo_body, wrong};
    const Socket socket = connect(server.local_address(), long_time).value();
    CHECK(support::eventually([&] { return !reports.empty(); }));
  });
  CHECK(reports == std::vector<std::error_code>{TlsErrc::wrong_context});
}

TEST_CASE_METHOD(LoopFixture, "a server that says nothing is not waited for beyond the deadline") {
  in_thread([&] {
    support::ScriptedServer server{*loop, [&](Socket& socket, int) {
                                     while (!support::receive(socket).text.empty()) {
                                     }
                                   }};
    auto options = support::direct();
    options.secure = secure_by(TlsContext{TlsClientOptions{}});
    Client client{*loop, options};
    const std::string url = "https://" + server.address().to_string();
    CHECK(client.get(url, std::chrono::milliseconds{20}).error() == std::errc::timed_out);
    CHECK(client.open() == 0);
  });
}
