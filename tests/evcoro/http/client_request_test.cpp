// What the client sends.
#include <algorithm>
#include <array>
#include <chrono>

#include <evcoro/http/error.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::LoopFixture;
using support::Wire;

namespace {

const std::string empty_response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// sent() is what is sent for request.
std::string sent(Loop& loop, ClientRequest request, ClientOptions more = support::direct()) {
  Wire wire;
  wire.push({empty_response});
  auto options = wire.options();
  options.user_agent = more.user_agent;
  Client client{loop, options};
  const auto response = client.send(std::move(request));
  CHECK(response.error() == std::error_code{});
  return wire.sent(0);
}

std::error_code refused(Loop& loop, ClientRequest request) {
  Wire wire;
  wire.push({empty_response});
  Client client{loop, wire.options()};
  const auto error = client.send(std::move(request)).error();
  CHECK(error);
  return error;
}

constexpr const char* url = "https://example.org:8443/a?b";

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client requests: heads") {
  in_thread([&] {
    CHECK(sent(*loop, {.url = url}) == "GET /a?b HTTP/1.1\r\nHost: example.org:8443\r\n\r\n");
    CHECK(sent(*loop, {.url = "https://[::1]", .method = Method::head}) ==
          "HEAD / HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    CHECK(sent(*loop, {.url = url, .method = Method::del}) ==
          "DELETE /a?b HTTP/1.1\r\nHost: example.org:8443\r\n\r\n");
    CHECK(sent(*loop, {.url = url, .method = Method::post}) ==
          "POST /a?b HTTP/1.1\r\nHost: example.org:8443\r\nContent-Length: 0\r\n\r\n");
    auto options = support::direct();
    options.user_agent = "evcoro";
    CHECK(sent(*loop, {.url = url}, options) ==
          "GET /a?b HTTP/1.1\r\nHost: example.org:8443\r\nUser-Agent: evcoro\r\n\r\n");
    ClientRequest request{.url = url};
    request.fields.add("Host", "other.org");
    request.fields.add("user-agent", "mine");
    request.fields.add("A", "b");
    CHECK(sent(*loop, request, options) ==
          "GET /a?b HTTP/1.1\r\nHost: other.org\r\nuser-agent: mine\r\nA: b\r\n\r\n");
  });
}

TEST_CASE_METHOD(LoopFixture, "client requests: user and password of a URL become a field") {
  in_thread([&] {
    const std::string head = "GET /a?b@c HTTP/1.1\r\nHost: example.org\r\n";
    CHECK(sent(*loop, {.url = "https://Aladdin:open%20sesame@example.org/a?b@c#d@e"}) ==
          head + "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
    ClientRequest own{.url = "https://user:pw@example.org/a?b@c"};
    own.fields.add("authorization", "Bearer mine");
    CHECK(sent(*loop, own) == head + "authorization: Bearer mine\r\n\r\n");
    for (const char* bad : {"a%3Ab:c", "a:b@c", "a:%0d%0aX", "a:%zz", "a\\b", "a b"}) {
      INFO(bad);
      const std::string whole = "https://" + std::string{bad} + "@example.org/";
      CHECK(refused(*loop, {.url = whole}) == http::Errc::invalid_url);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client requests: bodies") {
  const std::string head = "PUT /a?b HTTP/1.1\r\nHost: example.org:8443\r\n";
  in_thread([&] {
    CHECK(sent(*loop, {.url = url, .method = Method::put, .body = "hello"}) ==
          head + "Content-Length: 5\r\n\r\nhello");
    const std::string large = support::pattern(200'000);
    CHECK(sent(*loop, {.url = url, .method = Method::put, .body = large}) ==
          head + "Content-Length: 200000\r\n\r\n" + large);
    const auto produce = [](BodyWriter& out) {
      CHECK(!out.write("hello"));
      CHECK(!out.write(""));
      return out.write(", world");
    };
    CHECK(sent(*loop, {.url = url, .method = Method::put, .produce = produce}) ==
          head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n");
    CHECK(sent(*loop,
               {.url = url, .method = Method::put, .produce = produce, .content_length = 12}) ==
          head + "Content-Length: 12\r\n\r\nhello, world");
    const auto produce_much = [&](BodyWriter& out) { return out.write(large); };
    CHECK(sent(*loop, {.url = url, .method = Method::put, .produce = produce_much}) ==
          head + "Transfer-Encoding: chunked\r\n\r\n30d40\r\n" + large + "\r\n0\r\n\r\n");
    CHECK(sent(*loop, {.url = url, .method = Method::put, .produce = [](BodyWriter&) {
                         return std::error_code{};
                       }}) == head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  });
}

TEST_CASE_METHOD(LoopFixture, "client requests: what is appended is sent together") {
  const auto put = [](BodyProducer produce) {
    return ClientRequest{.url = url, .method = Method::put, .produce = std::move(produce)};
  };
  in_thread([&] {
    Wire wire;
    const auto& stream = wire.push({empty_response});
    Client client{*loop, wire.options()};
    CHECK(client.send(put([&](BodyWriter& out) {
      for (int i = 0; i < 100; ++i) CHECK(!out.append("x"));
      CHECK(stream.sends == 0);
      CHECK(!out.write("y"));
      CHECK(stream.sends == 1);
      CHECK(!out.append("one"));
      CHECK(!out.flush());
      CHECK(stream.sends == 2);
      return out.append("two");
    })));
    CHECK(stream.sends == 3);
    const std::string body = "65\r\n" + std::string(100, 'x') + "y\r\n3\r\none\r\n3\r\ntwo\r\n";
    CHECK(stream.sent.ends_with("\r\n\r\n" + body + "0\r\n\r\n"));

    const std::string line(1000, 'q');
    const std::string large(100'000, 'Q');
    const auto& many = wire.push({empty_response});
    CHECK(client.send(put([&](BodyWriter& out) {
      for (int i = 0; i < 160; ++i) CHECK(!out.append(line));
      return out.append(large);
    })));
    CHECK(many.sends < 20);
    CHECK(std::ranges::count(many.sent, 'q') == 160'000);
    CHECK(std::ranges::count(many.sent, 'Q') == 100'000);
    CHECK(many.sent.ends_with("Q\r\n0\r\n\r\n"));

    const auto& exact = wire.push({empty_response});
    auto request = put([](BodyWriter& out) {
      CHECK(!out.append("he"));
      return out.append("llo");
    });
    request.content_length = 5;
    CHECK(client.send(request));
    CHECK(exact.sent.ends_with("\r\n\r\nhello"));
    request.content_length = 4;
    CHECK(refused(*loop, request) == http::Errc::wrong_length);
    request.content_length = 6;
    CHECK(refused(*loop, request) == http::Errc::wrong_length);
  });
}

TEST_CASE_METHOD(LoopFixture, "client requests: small parts are not worth a look each") {
  struct Counting {
    IoResult recv(std::span<std::byte> buffer, Timeout timeout) {
      return stream->recv(buffer, timeout);
    }
    IoResult send(std::span<const std::byte> data, Timeout timeout) {
      return stream->send(data, timeout);
    }
    std::error_code wait_readable(Timeout) {
      ++*looks;
      return std::make_error_code(std::errc::timed_out);
    }
    void close() noexcept {}
    support::PieceStream* stream;
    int* looks;
  };
  support::PieceStream stream{{empty_response}};
  int looks = 0;
  Wire wire;
  auto options = wire.options();
  options.secure = [&](Socket, const Url&, Timeout) {
    return OwnedStream{Counting{&stream, &looks}};
  };
  in_thread([&] {
    Client client{*loop, options};
    const TimePoint begin = Clock::now();
    CHECK(client.send({.url = url, .method = Method::put, .produce = [&](BodyWriter& out) {
                         for (int i = 0; i < 1000; ++i) CHECK(!out.write("x"));
                         return std::error_code{};
                       }}));
    const auto took = std::chrono::ceil<std::chrono::milliseconds>(Clock::now() - begin);
    CHECK(stream.sends >= 1000);
    CHECK(looks >= 1);
    CHECK(looks <= 2 + took.count() / 10);
  });
}

TEST_CASE_METHOD(LoopFixture, "client requests: what can't be sent") {
  in_thread([&] {
    for (const char* name :
         {"Content-Length", "transfer-encoding", "Connection", "Upgrade", "Keep-Alive", "Expect"}) {
      INFO(name);
      ClientRequest request{.url = url};
      request.fields.add(name, "1");
      CHECK(refused(*loop, request) == http::Errc::reserved_field);
    }
    ClientRequest request{.url = url};
    CHECK(request.fields.add("A", "b\r\nEvil: c") == http::Errc::invalid_field_value);
    request.fields.add("Host", "a b");
    CHECK(refused(*loop, request) == http::Errc::invalid_field_value);
    request.fields.set("Host", "a");
    request.fields.add("Host", "b");
    CHECK(refused(*loop, request) == http::Errc::invalid_field_value);
    CHECK(refused(*loop, {.url = url, .upgrade = "a\r\nEvil: b"}) ==
          http::Errc::invalid_field_value);
    CHECK(refused(*loop, {.url = "https://a/ b"}) == http::Errc::invalid_url);
    CHECK(refused(*loop, {.url = "https://a%3Ab:c@d/"}) == http::Errc::invalid_url);
    Client client{*loop, support::direct()};
    CHECK(client.get("https://example.org/").error() == http::Errc::no_secure_layer);
    CHECK(make_error_code(http::Errc::no_secure_layer) == std::errc::protocol_not_supported);
    CHECK(client.post("http://a/", "x", "text\r\nplain").error() ==
          http::Errc::invalid_field_value);
  });
}

TEST_CASE_METHOD(LoopFixture, "client requests: a producer keeps to the length and may give up") {
  const std::error_code own = std::make_error_code(std::errc::no_space_on_device);
  const std::pair<BodyProducer, std::error_code> cases[] = {
      {[](BodyWriter& out) { return out.write("much too long"); }, http::Errc::wrong_length},
      {[](BodyWriter& out) { return out.write("shrt"); }, http::Errc::wrong_length},
      {[&](BodyWriter&) { return own; }, own},
      {[&](BodyWriter& out) { return out.write("1"), own; }, own},
  };
  in_thread([&] {
    for (const auto& [produce, error] : cases) {
      CHECK(refused(*loop,
                    {.url = url, .method = Method::put, .produce = produce, .content_length = 5}) ==
            error);
    }
    Wire wire;
    wire.push({empty_response});
    Client client{*loop, wire.options()};
    CHECK_THROWS_AS(client.send({.url = url,
                                 .method = Method::put,
                                 .produce = [](BodyWriter&) -> std::error_code {
                                   throw std::runtime_error{"oops"};
                                 }}),
                    std::runtime_error);
    CHECK(client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client requests: a response says why sending failed") {
  in_thread([&] {
    Wire wire;
    wire.push({"HTTP/1.1 413 Too large\r\nContent-Length: 3\r\n\r\nno!"}).room = 0;
    Client client{*loop, wire.options()};
    // PieceStream says timed_out, which is the caller's business.
    CHECK(client.put(url, "hello", "").error() == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(LoopFixture, "clients: options that can't be and no thread") {
  CHECK_THROWS_AS(Client{}, std::logic_error);
  CHECK_THROWS_AS((Client{*loop, {.max_connections = 0}}), std::invalid_argument);
  CHECK_THROWS_AS((Client{*loop, {.max_connections_per_host = 0}}), std::invalid_argument);
  CHECK_THROWS_AS((Client{*loop, {.user_agent = "a\r\nb"}}), std::invalid_argument);
  Client outside{*loop, support::direct()};
  CHECK(outside.get("http://a/").error() == evcoro::Errc::not_in_a_thread);
  in_thread([&] {
    Client client{support::direct()};
    CHECK(client.open() == 0);
  });
}
