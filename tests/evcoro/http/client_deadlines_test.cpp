// The client out of patience, and cancelled. A deadline of milliseconds is one that is sure to be
// reached.
#include <array>

#include <evcoro/http/error.hpp>
#include <evcoro/net/happy_eyeballs.hpp>
#include <evcoro/sync/event.hpp>
#include <support/every_park.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::direct;
using support::eventually;
using support::long_time;
using support::LoopFixture;
using support::receive_request;
using support::say;
using support::ScriptedServer;

namespace {

constexpr std::chrono::milliseconds a_moment{20};
constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// stay() keeps the connection until the client has closed it.
void stay(Socket& socket) {
  while (!support::receive(socket).text.empty()) {
  }
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client deadlines: a server that says nothing") {
  in_thread([&] {
    ScriptedServer server{*loop, [](Socket& socket, int) { stay(socket); }};
    Client client{direct()};
    CHECK(client.get(server.url("/"), a_moment).error() == std::errc::timed_out);
    CHECK(client.get(server.url("/"), Clock::now() + a_moment).error() == std::errc::timed_out);
    CHECK(client.get(server.url("/"), no_wait).error() == std::errc::timed_out);
    CHECK(client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client deadlines: hold for the body too") {
  in_thread([&] {
    ScriptedServer server{*loop, [](Socket& socket, int) {
                            receive_request(socket);
                            say(socket, ok.substr(0, ok.size() - 1));
                            stay(socket);
                          }};
    Client client{direct()};
    auto response = client.get(server.url("/"), 1s).value();
    CHECK(response.read_body().error() == std::errc::timed_out);
    CHECK(response.read_body(long_time).error() == std::errc::timed_out);
    CHECK(!response.is_complete());
    response.close();
    CHECK(response.read_body().error() == http::Errc::connection_lost);
    CHECK(client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client deadlines: a receive that takes too long loses nothing") {
  in_thread([&] {
    Event go;
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            receive_request(socket);
                            say(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5");
                            for (const char* part : {"\r\nhel", "lo\r\n", "0\r", "\n\r\n"}) {
                              CHECK(!go.wait(long_time));
                              say(socket, part);
                            }
                            stay(socket);
                          }};
    Client client{direct()};
    auto response = client.get(server.url("/"), long_time).value();
    std::string all;
    std::array<std::byte, 100> buffer;
    while (!response.is_complete()) {
      const IoResult in = response.recv(buffer, 1ms);
      all.append(reinterpret_cast<const char*>(buffer.data()), in.count);
      if (in.error) {
        CHECK(in.error == std::errc::timed_out);
        go.set();
      }
    }
    CHECK(all == "hello");
    CHECK(response.recv(buffer, no_wait).count == 0);
    CHECK(client.idle() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client deadlines: a server that takes nothing") {
  in_thread([&] {
    Event over;
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            CHECK(!over.wait(long_time));
                            socket.close();
                          }};
    Client client{direct()};
    const std::string body(50'000'000, 'x');
    CHECK(client.put(server.url("/"), body, "", a_moment).error() == std::errc::timed_out);
    std::error_code error;
    const auto produce = [&](BodyWriter& out) {
      while (!(error = out.write(std::string_view{body}.substr(0, 100'000)))) {
      }
      return error;
    };
    CHECK(client.send({.url = server.url("/"), .method = Method::put, .produce = produce}, a_moment)
              .error() == std::errc::timed_out);
    CHECK(error == std::errc::timed_out);
    CHECK(client.open() == 0);
    over.set();
    over.set();
    CHECK(eventually([&] { return over.set(), loop->thread_count() == 1; }));
  });
}

TEST_CASE_METHOD(LoopFixture, "client deadlines: connecting has one of its own") {
  in_thread([&] {
    auto options = direct();
    Event connected;
    options.connect = [&](const std::string&, std::uint16_t, Timeout timeout) -> Result<Socket> {
      return connected.wait(timeout);
    };
    options.connect_timeout = a_moment;
    Client client{options};
    CHECK(client.get("http://a/", long_time).error() == std::errc::timed_out);
    options.connect_timeout = long_time;
    Client patient{options};
    CHECK(patient.get("http://a/", a_moment).error() == std::errc::timed_out);
    CHECK(patient.open() == 0);
  });
}

// --- the head of a response ---

namespace {

ClientOptions impatient(std::chrono::milliseconds head_timeout) {
  auto options = direct();
  options.head_timeout = head_timeout;
  return options;
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client deadlines: the head of a response has one of its own") {
  // What the server says again and again, and then no more.
  const std::pair<const char*, int> cases[] = {
      {"", 0}, {"HTTP/1.1 200 OK\r\nContent-Le", 1}, {"HTTP/1.1 103 Early Hints\r\n\r\n", 3}};
  in_thread([&] {
    for (const auto& [text, times] : cases) {
      INFO(text);
      int requests = 0;
      ScriptedServer server{*loop, [&, text = text, times = times](Socket& socket, int) {
                              receive_request(socket);
                              ++requests;
                              for (int i = 0; i < times; ++i) say(socket, text);
                              stay(socket);
                            }};
      Client client{impatient(a_moment)};
      const auto error = client.get(server.url("/"), long_time).error();
      CHECK(error == http::Errc::head_too_slow);
      CHECK(error == std::errc::timed_out);
      CHECK(client.open() == 0);
      CHECK(requests == 1);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client deadlines: a head that comes byte by byte is late too") {
  in_thread([&] {
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            receive_request(socket);
                            say(socket, "HTTP/1.1 200 OK\r\nA: ");
                            while (socket.send("a", long_time)) {
                              if (this_thread::sleep_for(1ms)) return;
                            }
                          }};
    Client client{impatient(a_moment)};
    CHECK(client.get(server.url("/"), long_time).error() == http::Errc::head_too_slow);
  });
}

TEST_CASE_METHOD(LoopFixture,
                 "client deadlines: on a connection that was idle the head is no later") {
  in_thread([&] {
    int requests = 0;
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            receive_request(socket);
                            say(socket, ok);
                            while (!receive_request(socket).empty()) ++requests;
                          }};
    Client client{impatient(500ms)};
    CHECK(client.get(server.url("/"), long_time)->read_body().value() == "ok");
    CHECK(client.get(server.url("/"), long_time).error() == http::Errc::head_too_slow);
    CHECK(requests == 1);  // it isn't asked again
    CHECK(client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client deadlines: only the head has to be there in its time") {
  in_thread([&] {
    Event go;
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            while (!receive_request(socket).empty()) {
                              say(socket, ok.substr(0, ok.size() - 2));
                              CHECK(!go.wait(long_time));
                              say(socket, "ok");
                            }
                          }};
    constexpr std::chrono::milliseconds limit{500};
    Client client{impatient(limit)};
    ClientRequest upload{.url = server.url("/"), .method = Method::put};
    upload.content_length = 1;
    upload.produce = [&](BodyWriter& out) {
      if (const auto error = out.write("")) return error;  // the head: from then on it takes longer
      if (const auto error = this_thread::sleep_for(limit + 1ms)) return error;
      return out.write("x");
    };
    auto response = client.send(upload, long_time).value();
    std::array<std::byte, 2> buffer;
    CHECK(response.recv(buffer, limit + 1ms).error == std::errc::timed_out);
    go.set();
    CHECK(response.read_body().value() == "ok");
    CHECK(client.idle() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client deadlines: the one that comes first is told") {
  in_thread([&] {
    ScriptedServer server{*loop, [](Socket& socket, int) { stay(socket); }};
    Client client{impatient(long_time)};
    const auto error = client.get(server.url("/"), a_moment).error();
    CHECK(error == std::errc::timed_out);
    CHECK(error != http::Errc::head_too_slow);
    // A connection may have one of its own, which is neither.
    auto options = impatient(long_time);
    options.connect = [](const std::string& host, std::uint16_t port, Timeout timeout) {
      auto socket = connect(host, port, timeout);
      if (socket) socket->set_idle_timeout(a_moment);
      return socket;
    };
    Client idle{options};
    const auto other = idle.get(server.url("/"), long_time).error();
    CHECK(other == std::errc::timed_out);
    CHECK(other != http::Errc::head_too_slow);
  });
}

// --- cancellation ---

namespace {

// cancel_everywhere() cancels what ask does, at each of its parks; it returns whether it was
// cancelled. Nothing is left then. How often it parks at least is told.
void cancel_everywhere(Loop& loop, Client& client, int least,
                       const std::function<std::error_code()>& ask) {
  const int parks = support::cancel_at_every_park(loop, [&](bool& cancelled) {
    const auto error = ask();
    CHECK((error == std::errc::operation_canceled) == cancelled);
    if (cancelled) CHECK(client.open() == client.idle());
    client.close_idle();
  });
  CHECK(parks >= least);
  CHECK(client.open() == 0);
}

std::error_code finish(Result<ClientResponse> response) {
  return response ? response->read_body(long_time).error() : response.error();
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client cancellation: at every wait of a request") {
  in_thread([&] {
    ScriptedServer server{*loop, [](Socket& socket, int) {
                            while (!receive_request(socket).empty()) {
                              say(socket, ok.substr(0, 10));
                              if (this_thread::sleep_for(1ms)) return;
                              say(socket, ok.substr(10, ok.size() - 11));
                              if (this_thread::sleep_for(1ms)) return;
                              say(socket, ok.substr(ok.size() - 1));
                            }
                          }};
    Client client{direct()};
    cancel_everywhere(*loop, client, 3,
                      [&] { return finish(client.get(server.url("/"), long_time)); });
  });
}

TEST_CASE_METHOD(LoopFixture, "client cancellation: at every wait of an upload and a redirect") {
  in_thread([&] {
    ScriptedServer server{*loop, [](Socket& socket, int) {
                            while (true) {
                              const std::string head = receive_request(socket);
                              if (head.empty()) return;
                              if (head.starts_with("GET /end")) {
                                say(socket, ok);
                                continue;
                              }
                              if (head.find("Expect") != std::string::npos) {
                                say(socket, "HTTP/1.1 100 Continue\r\n\r\n");
                              }
                              std::string body;
                              while (!body.ends_with("0\r\n\r\n")) {
                                const auto in = support::receive(socket, 65'536);
                                if (in.text.empty()) return;
                                body += in.text;
                              }
                              say(socket,
                                  "HTTP/1.1 303 See Other\r\nLocation: /end\r\n"
                                  "Content-Length: 4\r\n\r\nel");
                              if (this_thread::sleep_for(1ms)) return;
                              say(socket, "se");
                            }
                          }};
    Client client{direct()};
    ClientRequest request{.url = server.url("/"), .method = Method::post};
    request.expects_continue = true;
    request.produce = [](BodyWriter& out) {
      const std::string block(1'000'000, 'x');
      for (int i = 0; i < 3; ++i) {
        if (const auto error = out.write(block)) return error;
      }
      return std::error_code{};
    };
    cancel_everywhere(*loop, client, 4, [&] { return finish(client.send(request, long_time)); });
  });
}

TEST_CASE_METHOD(LoopFixture, "client cancellation: at every wait for a tunnel") {
  in_thread([&] {
    ScriptedServer proxy{*loop, [](Socket& socket, int) {
                           receive_request(socket);
                           say(socket, "HTTP/1.1 200 OK\r\n\r\n");
                           while (!receive_request(socket).empty()) say(socket, ok);
                         }};
    ClientOptions options;
    options.proxy = ProxySettings{.https = proxy.address().to_string()};
    options.secure = [](Socket socket, const Url&, Timeout) -> Result<OwnedStream> {
      return OwnedStream{std::move(socket)};
    };
    Client client{options};
    cancel_everywhere(*loop, client, 3,
                      [&] { return finish(client.get("https://a.test/", long_time)); });
  });
}

TEST_CASE_METHOD(LoopFixture, "client cancellation: of those who wait for a connection") {
  in_thread([&] {
    ScriptedServer server{*loop, [](Socket& socket, int) {
                            while (!receive_request(socket).empty()) say(socket, ok);
                          }};
    auto options = direct();
    options.max_connections_per_host = 1;
    Client client{options};
    auto held = client.get(server.url("/"), long_time).value();
    auto one =
        loop->spawn([&] { return support::Outcome{finish(client.get(server.url("/")))}; }).value();
    auto two =
        loop->spawn([&] { return support::Outcome{finish(client.get(server.url("/")))}; }).value();
    CHECK(eventually([&] { return client.waiting() == 2; }));
    one.request_stop();
    CHECK(one.join().value().error == std::errc::operation_canceled);
    CHECK(client.waiting() == 1);
    CHECK(held.read_body().value() == "ok");  // two has it at once
    CHECK(client.idle() == 0);
    two.request_stop();  // at the same moment: it goes on to the next, or back
    CHECK(two.join().value().error == std::errc::operation_canceled);
    CHECK(client.waiting() == 0);
    CHECK(client.open() == client.idle());
    CHECK(finish(client.get(server.url("/"), long_time)) == std::error_code{});
  });
}
