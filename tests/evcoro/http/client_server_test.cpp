// The client with the layer's own server.
#include <array>

#include <evcoro/http/error.hpp>
#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/sync/event.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::direct;
using support::eventually;
using support::long_time;
using support::LoopFixture;

namespace {

void echo(Request& request, Response& response) {
  response.fields().set("Method", to_string(request.method()));
  if (const auto type = request.fields().get("Content-Type")) {
    response.fields().set("Content-Type", *type);
  }
  support::echo_body(request, response);
}

struct Served {
  explicit Served(Loop& loop, Handler handler = echo, ServerOptions options = {})
      : server(loop, support::own_address(), std::move(handler), std::move(options)),
        client(loop, direct()) {}
  std::string url(std::string_view target) const {
    return support::url_of(server.local_address(), target);
  }
  Server server;
  Client client;
};

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client and server: methods and bodies") {
  in_thread([&] {
    Served served{*loop};
    auto response = served.client.get(served.url("/a?b#c"), long_time).value();
    CHECK(response.field("Method") == "GET");
    CHECK(response.read_body().value() == "/a");
    response = served.client.head(served.url("/a"), long_time).value();
    CHECK(response.content_length() == 2);
    CHECK(response.is_complete());
    response = served.client.del(served.url("/a"), long_time).value();
    CHECK(response.field("Method") == "DELETE");
    CHECK(response.read_body().value() == "/a");
    response = served.client.post(served.url("/a"), "hello", "text/plain", long_time).value();
    CHECK(response.field("Content-Type") == "text/plain");
    CHECK(response.read_body().value() == "hello");
    response = served.client.put(served.url("/a"), "", "", long_time).value();
    CHECK(response.field("Method") == "PUT");
    CHECK(response.read_body().value() == "/a");
    CHECK(served.server.counters().accepted == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client and server: large bodies both ways") {
  in_thread([&] {
    const std::string text = support::pattern(900'000);
    Served served{*loop};
    auto response = served.client.post(served.url("/"), text, "", long_time).value();
    CHECK(response.read_body().value() == text);
    const auto produce = [&](BodyWriter& out) {
      for (std::size_t at = 0; at < text.size(); at += 9'000) {
        if (const auto error = out.write(std::string_view{text}.substr(at, 9'000))) return error;
      }
      return std::error_code{};
    };
    ClientRequest request{.url = served.url("/"), .method = Method::post, .produce = produce};
    CHECK(served.client.send(request, long_time)->read_body().value() == text);
    request.content_length = text.size();
    CHECK(served.client.send(request, long_time)->read_body().value() == text);
    CHECK(served.server.counters().accepted == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client and server: several threads at once") {
  in_thread([&] {
    Served served{*loop};
    std::vector<Thread<int>> threads;
    for (int i = 0; i < 20; ++i) {
      threads.push_back(loop->spawn([&, i] {
                              int good = 0;
                              for (int j = 0; j < 10; ++j) {
                                const std::string path = "/" + std::to_string(i * 100 + j);
                                auto response = served.client.get(served.url(path), long_time);
                                good += response && response->read_body().value() == path;
                              }
                              return good;
                            })
                            .value());
    }
    for (auto& each : threads) CHECK(each.join().value() == 10);
    CHECK(served.client.open() <= 8);
    CHECK(served.server.counters().accepted >= 2);
  });
}

TEST_CASE_METHOD(LoopFixture, "client and server: what isn't read waits in the server") {
  in_thread([&] {
    std::size_t written = 0;
    Served served{*loop, [&](Request&, Response& response) {
                    const std::string block(100'000, 'x');
                    while (written < 50'000'000 && !response.write(block)) written += block.size();
                  }};
    auto response = served.client.get(served.url("/"), long_time).value();
    std::size_t before = 0;
    CHECK(eventually([&] { return std::exchange(before, written) == written && written > 0; }));
    CHECK(written < 50'000'000);
    std::size_t count = 0;
    std::vector<std::byte> buffer(64 * 1024);
    while (const IoResult in = response.recv(buffer)) {
      if (in.count == 0) break;
      count += in.count;
    }
    CHECK(response.is_complete());
    CHECK(count == 50'000'000);
    CHECK(served.client.idle() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client and server: a producer waits for a server that is slow") {
  in_thread([&] {
    Event go;
    std::size_t written = 0;
    Served served{*loop, [&](Request& request, Response& response) {
                    request.set_body_limit(100'000'000);
                    CHECK(!go.wait(long_time));
                    response.send(std::to_string(request.read_body()->size()));
                  }};
    auto asking = loop->spawn([&] {
                        return served.client
                            .send({.url = served.url("/"),
                                   .method = Method::put,
                                   .produce =
                                       [&](BodyWriter& out) {
                                         const std::string block(100'000, 'x');
                                         for (int i = 0; i < 300; ++i) {
                                           if (const auto error = out.write(block)) return error;
                                           written += block.size();
                                         }
                                         return std::error_code{};
                                       }},
                                  long_time)
                            ->read_body()
                            .value();
                      })
                      .value();
    CHECK(support::until_parked(asking));
    std::size_t before = 0;
    CHECK(eventually([&] { return std::exchange(before, written) == written && written > 0; }));
    CHECK(written < 30'000'000);
    go.set();
    CHECK(asking.join().value() == "30000000");
  });
}

TEST_CASE_METHOD(LoopFixture, "client and server: chunks and trailers") {
  in_thread([&] {
    Served served{*loop, [&](Request&, Response& response) {
                    response.write("hello");
                    response.write(", world");
                    response.trailers().set("Sum", "12");
                  }};
    auto response = served.client.get(served.url("/"), long_time).value();
    CHECK(!response.content_length());
    CHECK(response.trailers().empty());
    CHECK(response.read_body().value() == "hello, world");
    CHECK(response.trailers().get("sum") == "12");
    CHECK(!response.fields().contains("Sum"));
    CHECK(served.client.idle() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client and server: a handler that throws is a truncated body") {
  loop->set_exception_handler([](const ThreadInfo&, std::exception_ptr) {});
  in_thread([&] {
    Served served{*loop, [&](Request&, Response& response) {
                    response.write("hello");
                    throw std::runtime_error{"oops"};
                  }};
    auto response = served.client.get(served.url("/"), long_time).value();
    CHECK(response.read_body().error() == evcoro::Errc::unexpected_end);
    CHECK(served.client.open() == 0);
  });
}

// --- Expect: 100-continue ---

TEST_CASE_METHOD(LoopFixture, "client and server: the body waits for 100") {
  in_thread([&] {
    Served served{*loop, [&](Request& request, Response& response) {
                    if (request.path() == "/no") {
                      response.set_status(Status::forbidden);
                      return static_cast<void>(response.send("no"));
                    }
                    response.send(*request.read_body());
                  }};
    bool was_asked = false;
    ClientRequest request{.url = served.url("/yes"), .method = Method::put};
    request.produce = [&](BodyWriter& out) {
      was_asked = true;
      return out.write("hello");
    };
    request.expects_continue = true;
    CHECK(served.client.send(request, long_time)->read_body().value() == "hello");
    CHECK(was_asked);
    CHECK(served.client.idle() == 1);
    was_asked = false;
    request.url = served.url("/no");
    auto response = served.client.send(request, long_time).value();
    CHECK(response.status() == Status::forbidden);
    CHECK(response.read_body().value() == "no");
    CHECK(!was_asked);
    CHECK(served.client.open() == 0);  // the server waits for the body yet
  });
}

TEST_CASE_METHOD(LoopFixture, "client and server: a server that says no 100 gets the body") {
  in_thread([&] {
    std::string seen;
    support::ScriptedServer server{*loop, [&](Socket& socket, int) {
                                     seen = support::receive_request(socket);
                                     support::say(socket,
                                                  "HTTP/1.1 103 Early Hints\r\n\r\n"
                                                  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                                   }};
    auto options = direct();
    options.continue_timeout = 10ms;
    Client client{options};
    ClientRequest request{.url = server.url("/"), .method = Method::put, .body = "hello"};
    request.expects_continue = true;
    CHECK(client.send(request, long_time)->status() == Status::ok);
    CHECK(seen.ends_with("Expect: 100-continue\r\n\r\nhello"));
    seen.clear();
    request.body.clear();  // then there is nothing to wait for
    CHECK(client.send(request, long_time)->status() == Status::ok);
    CHECK(seen.find("Expect") == std::string::npos);
  });
}

// --- upgrades ---

TEST_CASE_METHOD(LoopFixture, "client and server: an upgrade hands the stream over") {
  in_thread([&] {
    Served served{*loop, [&](Request& request, Response& response) {
                    if (request.path() == "/no") return static_cast<void>(response.send("no"));
                    auto upgraded = response.upgrade("echo").value();
                    CHECK(upgraded.send("first, "));
                    std::array<std::byte, 100> buffer;
                    while (const IoResult in = upgraded.recv(buffer, long_time)) {
                      if (in.count == 0) break;
                      CHECK(upgraded.send(std::span{buffer}.first(in.count), long_time));
                    }
                  }};
    auto response =
        served.client.send({.url = served.url("/"), .upgrade = "foo/2, echo"}, long_time).value();
    CHECK(response.status() == Status::switching_protocols);
    CHECK(response.field("Upgrade") == "echo");
    OwnedStream stream = response.upgrade().value();
    CHECK(response.upgrade().error() == http::Errc::not_an_upgrade);
    CHECK(served.client.open() == 1);
    CHECK(stream.can_wait());
    CHECK(stream.send(std::as_bytes(std::span{std::string_view{"hello"}}), long_time));
    std::string all;
    std::array<std::byte, 4> buffer;
    while (all.size() < 12) {
      CHECK(!stream.wait_readable(long_time));
      const IoResult in = stream.recv(buffer, long_time);
      REQUIRE(in.count > 0);
      all.append(reinterpret_cast<const char*>(buffer.data()), in.count);
    }
    CHECK(all == "first, hello");
    stream.close();
    CHECK(served.client.open() == 0);
    CHECK(stream.recv(buffer).error == std::errc::bad_file_descriptor);

    response = served.client.send({.url = served.url("/no"), .upgrade = "echo"}, long_time).value();
    CHECK(response.status() == Status::ok);
    CHECK(response.read_body().value() == "no");
  });
}

TEST_CASE_METHOD(LoopFixture, "client and server: an upgrade to something else") {
  in_thread([&] {
    for (const char* fields : {"Connection: Upgrade\r\nUpgrade: other\r\n", "Upgrade: echo\r\n",
                               "Connection: Upgrade\r\n", ""}) {
      INFO(fields);
      support::Wire wire;
      wire.push({std::string{"HTTP/1.1 101 Switching Protocols\r\n"} + fields + "\r\n"});
      Client client{*loop, wire.options()};
      CHECK(client.send({.url = "https://a/", .upgrade = "echo"}).error() == http::Errc::malformed);
      CHECK(client.open() == 0);
    }
  });
}
