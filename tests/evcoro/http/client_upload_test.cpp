// Uploads to servers that answer before they have got all of the body.
#include <array>

#include <evcoro/http/error.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/sync/event.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::direct;
using support::long_time;
using support::LoopFixture;

TEST_CASE_METHOD(LoopFixture, "client uploads: who is answered early stops sending") {
  in_thread([&] {
    Event was_answered;
    support::ScriptedServer server{*loop, [&](Socket& socket, int) {
                                     while (support::receive(socket, 1).text != "\n") {
                                     }
                                     support::say(socket,
                                                  "HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n"
                                                  "\r\nno");
                                     was_answered.set();
                                     while (!support::receive(socket).text.empty()) {
                                     }
                                   }};
    Client client{direct()};
    std::error_code error;
    auto response = client.send({.url = server.url("/"),
                                 .method = Method::put,
                                 .produce =
                                     [&](BodyWriter& out) {
                                       if (const auto failed = out.write("first")) return failed;
                                       CHECK(!was_answered.wait(long_time));
                                       while (!(error = out.write(std::string(1000, 'x')))) {
                                         if (const auto failed = this_thread::sleep_for(1ms))
                                           return failed;
                                       }
                                       return error;
                                     }},
                                long_time);
    REQUIRE(response);
    CHECK(error == http::Errc::connection_lost);
    CHECK(response->status() == Status::content_too_large);
    CHECK(response->read_body().value() == "no");
    CHECK(client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client uploads: an early answer is seen while nothing is taken") {
  in_thread([&] {
    Event has_to_answer;
    Event over;
    support::ScriptedServer server{*loop, [&](Socket& socket, int) {
                                     CHECK(!has_to_answer.wait(long_time));
                                     support::say(socket,
                                                  "HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n"
                                                  "\r\nno");
                                     CHECK(!over.wait(long_time));
                                   }};
    Client client{direct()};
    const std::string body(50'000'000, 'x');
    auto asking = loop->spawn([&] {
                        auto response = client.put(server.url("/"), body, "").value();
                        CHECK(response.status() == Status::content_too_large);
                        return response.read_body().value();
                      })
                      .value();
    CHECK(support::until_parked(asking));
    for (int i = 0; i < 100; ++i) this_thread::yield();  // it has sent what the kernel takes
    has_to_answer.set();
    CHECK(asking.join(long_time).value() == "no");
    CHECK(client.open() == 0);
    over.set();
  });
}

TEST_CASE_METHOD(LoopFixture,
                 "client uploads: an answer of success may begin before the body ends") {
  in_thread([&] {
    Server server{*loop, support::own_address(), [&](Request& request, Response& response) {
                    request.set_body_limit(100'000'000);
                    response.write("so far so good, ");
                    std::array<std::byte, 4096> buffer;
                    std::size_t count = 0;
                    while (const IoResult in = request.recv(buffer, long_time)) {
                      if (in.count == 0) break;
                      count += in.count;
                    }
                    response.write(std::to_string(count));
                  }};
    Client client{direct()};
    const std::string url = support::url_of(server.local_address(), "/");
    auto response = client.put(url, std::string(30'000'000, 'x'), "", long_time);
    REQUIRE(response);
    CHECK(response->read_body(long_time).value() == "so far so good, 30000000");
  });
}

TEST_CASE_METHOD(LoopFixture, "client uploads: a whole answer of success is an early one") {
  in_thread([&] {
    Event over;
    support::ScriptedServer server{*loop, [&](Socket& socket, int) {
                                     support::say(socket,
                                                  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                                     CHECK(!over.wait(long_time));
                                   }};
    Client client{direct()};
    auto response = client.put(server.url("/"), std::string(50'000'000, 'x'), "", long_time);
    REQUIRE(response);
    CHECK(response->read_body(long_time).value() == "ok");
    CHECK(client.open() == 0);
    over.set();
  });
}
