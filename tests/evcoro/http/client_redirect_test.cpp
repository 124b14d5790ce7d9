// Redirects of every kind.
#include <evcoro/http/error.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::LoopFixture;
using support::Wire;

namespace {

const std::string end = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend";

std::string redirect(int status, const std::string& location) {
  return "HTTP/1.1 " + std::to_string(status) + " Moved\r\nLocation: " + location +
         "\r\nContent-Length: 4\r\n\r\nelse";
}

std::string first_line(const std::string& sent) { return sent.substr(0, sent.find('\r')); }

std::string body_of(const std::string& sent) { return sent.substr(sent.find("\r\n\r\n") + 4); }

std::string field_of(const std::string& sent, std::string_view name) {
  support::Reply parsed;
  parsed.head = sent;
  return parsed.field(name);
}

bool has(const std::string& sent, std::string_view field) {
  return sent.find("\r\n" + std::string{field} + ": ") != std::string::npos;
}

// To the same origin, then to another.
void lead_away(Wire& wire) {
  wire.push({redirect(302, "/same")});
  wire.push({redirect(302, "https://b.test/")});
  wire.push({end});
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client redirects: methods and bodies") {
  struct Case {
    int status;
    Method method;
    const char* next;
    bool keeps_body;
  };
  const Case cases[] = {
      {301, Method::get, "GET", true},     {301, Method::head, "HEAD", true},
      {301, Method::post, "GET", false},   {301, Method::put, "PUT", true},
      {302, Method::get, "GET", true},     {302, Method::post, "GET", false},
      {302, Method::del, "DELETE", true},  {303, Method::get, "GET", false},
      {303, Method::head, "HEAD", true},   {303, Method::post, "GET", false},
      {303, Method::put, "GET", false},    {303, Method::del, "GET", false},
      {307, Method::get, "GET", true},     {307, Method::post, "POST", true},
      {308, Method::post, "POST", true},   {308, Method::put, "PUT", true},
      {308, Method::patch, "PATCH", true},
  };
  in_thread([&] {
    for (const Case& each : cases) {
      INFO(each.status << " " << to_string(each.method));
      Wire wire;
      wire.push({redirect(each.status, "/next?x")});
      wire.push({end});
      Client client{*loop, wire.options()};
      ClientRequest request{.url = "https://a/first", .method = each.method, .body = "hello"};
      request.fields.add("Content-Type", "text/plain");
      request.fields.add("Content-Language", "en");
      request.fields.add("Accept", "text/html");
      const auto response = client.send(request);
      REQUIRE(response);
      CHECK(response->url().to_string() == "https://a/next?x");
      CHECK(first_line(wire.sent(1)) == std::string{each.next} + " /next?x HTTP/1.1");
      CHECK(body_of(wire.sent(1)) == (each.keeps_body ? "hello" : ""));
      CHECK(has(wire.sent(1), "Content-Type") == each.keeps_body);
      CHECK(has(wire.sent(1), "Content-Language") == each.keeps_body);
      CHECK(has(wire.sent(1), "Content-Length") == each.keeps_body);
      CHECK(has(wire.sent(1), "Accept"));
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: what is private stays with its origin") {
  const std::pair<const char*, bool> cases[] = {
      {"/other", true},
      {"https://a.test/other", true},
      {"https://A.TEST:443/other", true},
      {"https://b.test/other", false},
      {"//b.test/other", false},
      {"https://a.test:444/other", false},
      {"https://sub.a.test/other", false},
      {"https://a.test./other", false},
  };
  in_thread([&] {
    for (const auto& [location, is_kept] : cases) {
      INFO(location);
      Wire wire;
      wire.push({redirect(302, location)});
      wire.push({redirect(302, "https://a.test/back")});
      wire.push({end});
      Client client{*loop, wire.options()};
      ClientRequest request{.url = "https://a.test/"};
      request.fields.add("Authorization", "Basic abc");
      request.fields.add("Cookie", "c=d");
      request.fields.add("Accept", "e");
      REQUIRE(client.send(request));
      CHECK(has(wire.sent(0), "Authorization"));
      for (const std::size_t hop : {1, 2}) {  // and doesn't come back
        CHECK(has(wire.sent(hop), "Authorization") == is_kept);
        CHECK(has(wire.sent(hop), "Cookie") == is_kept);
        CHECK(has(wire.sent(hop), "Accept"));
      }
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: user and password of a URL stay with its origin") {
  in_thread([&] {
    Wire wire;
    lead_away(wire);
    Client client{*loop, wire.options()};
    const auto response = client.get("https://user:pw@a.test/").value();
    CHECK(response.url().to_string() == "https://b.test/");
    CHECK(field_of(wire.sent(0), "Authorization") == "Basic dXNlcjpwdw==");
    CHECK(field_of(wire.sent(1), "Authorization") == "Basic dXNlcjpwdw==");
    CHECK(!has(wire.sent(2), "Authorization"));
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: a Host of one's own stays with its origin") {
  in_thread([&] {
    Wire wire;
    lead_away(wire);
    Client client{*loop, wire.options()};
    ClientRequest request{.url = "https://a.test/"};
    request.fields.add("Host", "virtual.test");
    REQUIRE(client.send(request));
    CHECK(field_of(wire.sent(1), "Host") == "virtual.test");
    CHECK(field_of(wire.sent(2), "Host") == "b.test");
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: so many and no more") {
  in_thread([&] {
    for (const std::size_t most : {1, 10}) {
      Wire wire;
      for (std::size_t i = 0; i <= most; ++i) wire.push({redirect(302, "/again")});
      auto options = wire.options();
      options.max_redirects = most;
      Client client{*loop, options};
      const auto error = client.get("https://a/").error();
      CHECK(error == http::Errc::too_many_redirects);
      CHECK(error == std::errc::too_many_symbolic_link_levels);
      CHECK(wire.connections() == most + 1);
      CHECK(client.open() == 0);
    }
    Wire wire;
    wire.push({redirect(302, "/again")});
    auto options = wire.options();
    options.max_redirects = 0;
    Client client{*loop, options};
    auto response = client.get("https://a/").value();
    CHECK(response.status() == Status::found);
    CHECK(response.field("Location") == "/again");
    CHECK(response.read_body().value() == "else");
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: what is none") {
  const std::string cases[] = {
      "HTTP/1.1 302 Found\r\nContent-Length: 4\r\n\r\nbody",
      "HTTP/1.1 300 Multiple Choices\r\nLocation: /a\r\nContent-Length: 4\r\n\r\nbody",
      "HTTP/1.1 201 Created\r\nLocation: /a\r\nContent-Length: 4\r\n\r\nbody",
      "HTTP/1.1 305 Use Proxy\r\nLocation: http://evil/\r\nContent-Length: 4\r\n\r\nbody",
  };
  in_thread([&] {
    for (const std::string& each : cases) {
      INFO(each);
      Wire wire;
      wire.push({each});
      Client client{*loop, wire.options()};
      CHECK(client.get("https://a/")->read_body().value() == "body");
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: where it doesn't go") {
  const std::pair<const char*, http::Errc> cases[] = {
      {"http://a/", http::Errc::unsafe_redirect},
      {"ftp://a/", http::Errc::malformed},
      {"file:///etc/passwd", http::Errc::malformed},
      {"https://user:secret@b/", http::Errc::malformed},
      {"https://", http::Errc::malformed},
      {"https://a b/", http::Errc::malformed},
      {"/a\tb", http::Errc::malformed},
      {"/a\r\nLocation: /b", http::Errc::malformed},
      {"javascript:alert(1)", http::Errc::malformed},
  };
  in_thread([&] {
    for (const auto& [location, error] : cases) {
      INFO(location);
      Wire wire;
      wire.push({redirect(302, location)});
      Client client{*loop, wire.options()};
      CHECK(client.get("https://a/").error() == error);
      CHECK(client.open() == 0);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: from https to http where that is allowed") {
  in_thread([&] {
    support::ScriptedServer server{*loop, [](Socket& socket, int) {
                                     support::receive_request(socket);
                                     support::say(socket, end);
                                   }};
    Wire wire;
    wire.push({redirect(302, server.url("/x"))});
    auto options = wire.options();
    options.follows_to_http = true;
    options.connect = [&](const std::string& host, std::uint16_t, Timeout timeout) {
      return host == "a" ? Result<Socket>{Socket{}} : connect(server.address(), timeout);
    };
    Client client{*loop, options};
    auto response = client.get("https://a/", support::long_time).value();
    CHECK(response.url().to_string() == server.url("/x"));
    CHECK(response.read_body().value() == "end");
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: a body that was streamed can't be sent again") {
  in_thread([&] {
    const auto produce = [](BodyWriter& out) { return out.write("hello"); };
    for (const int status : {301, 307, 308}) {
      Wire wire;
      wire.push({redirect(status, "/next")});
      Client client{*loop, wire.options()};
      CHECK(client.send({.url = "https://a/", .method = Method::put, .produce = produce}).error() ==
            http::Errc::body_not_repeatable);
    }
    Wire wire;
    wire.push({redirect(303, "/next")});
    wire.push({end});
    Client client{*loop, wire.options()};
    CHECK(client.send({.url = "https://a/", .method = Method::post, .produce = produce})
              ->read_body()
              .value() == "end");
    CHECK(first_line(wire.sent(1)) == "GET /next HTTP/1.1");
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: a body that doesn't come is not waited for") {
  in_thread([&] {
    Wire wire;
    auto& slow = wire.push({"HTTP/1.1 302 Found\r\nLocation: /2\r\nContent-Length: 9\r\n\r\n"});
    slow.end = std::make_error_code(std::errc::timed_out);
    wire.push({end});
    Client client{*loop, wire.options()};
    CHECK(client.get("https://a/", std::chrono::hours{1})->read_body().value() == "end");
    CHECK(slow.last_timeout.deadline() < Clock::now() + std::chrono::seconds{2});
  });
}

TEST_CASE_METHOD(LoopFixture, "client redirects: use the same connection") {
  in_thread([&] {
    support::ScriptedServer server{*loop, [](Socket& socket, int) {
                                     const std::string chunked =
                                         "HTTP/1.1 302 Found\r\nLocation: /2\r\n"
                                         "Transfer-Encoding: chunked\r\n\r\n4\r\nelse\r\n0\r\n\r\n";
                                     support::receive_request(socket);
                                     support::say(socket, redirect(302, "/1"));
                                     support::receive_request(socket);
                                     support::say(socket, chunked);
                                     support::receive_request(socket);
                                     support::say(socket, end);
                                   }};
    Client client{support::direct()};
    CHECK(client.get(server.url("/"), support::long_time)->read_body().value() == "end");
    CHECK(server.connections() == 1);
    CHECK(client.open() == 1);
  });
}
