// Connections of several requests, those that end early, and upgrades, over streams in memory.
#include <array>
#include <stdexcept>
#include <vector>

#include <evcoro/http/body_filter.hpp>
#include <evcoro/http/error.hpp>
#include <support/failing_new.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using evcoro::IoResult;
using support::ask;
using support::get_request;
using support::send_pieces;

// --- the connection ---

TEST_CASE("connections: responses to requests that are there are sent together") {
  support::PieceStream stream{
      {get_request("/1") + get_request("/2") + get_request("/3"), get_request("/4")}};
  serve(stream, support::echo_body);
  CHECK(stream.sends == 2);
  const auto replies = support::parse_replies(stream.sent);
  REQUIRE(replies.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(replies[i].body == "/" + std::to_string(i + 1));

  support::PieceStream one_by_one{{get_request("/1") + get_request("/2") + get_request("/3")}};
  serve(one_by_one, support::echo_body, {.gather = 0});
  CHECK(one_by_one.sends == 3);
}

TEST_CASE("connections: many requests at once need no more than a few sends") {
  std::string text;
  for (int i = 0; i < 900; ++i) text += get_request("/" + std::to_string(i));
  support::PieceStream stream{{text}};
  serve(stream, support::echo_body);
  CHECK(support::parse_replies(stream.sent).size() == 900);
  CHECK(stream.sends < 20);
}

TEST_CASE("connections: a handler closes") {
  const auto replies = ask(get_request() + get_request(), [&](Request&, Response& response) {
    response.close_connection();
    response.send("bye");
  });
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].field("Connection") == "close");
}

TEST_CASE("connections: a handler that throws") {
  struct Oops : std::runtime_error {
    Oops() : std::runtime_error("oops") {}
  };
  const auto serve_with = [&](const Handler& handler) {
    support::PieceStream stream{{get_request() + get_request()}};
    CHECK_THROWS_AS(serve(stream, handler), Oops);
    return stream.sent;
  };
  const auto replies = support::parse_replies(serve_with([](Request&, Response& response) {
    response.fields().set("Secret", "1");
    throw Oops{};
  }));
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].status == 500);
  CHECK(replies[0].field("Connection") == "close");
  CHECK(replies[0].field("Secret").empty());

  CHECK(serve_with([](Request&, Response& response) {
          response.write("begun");
          throw Oops{};
        }).ends_with("begun\r\n"));  // without the end of a chunked body

  const auto complete = support::parse_replies(serve_with([](Request&, Response& response) {
    response.send("complete");
    throw Oops{};
  }));
  REQUIRE(complete.size() == 1);
  CHECK(complete[0].body == "complete");
}

TEST_CASE("connections: a filter that has gone with an exception isn't used any more") {
  struct Filter : BodyFilter {
    explicit Filter(int& count) : calls(count) {}
    bool begin(Response&, std::optional<std::uint64_t>) override { return true; }
    bool pass(std::string_view data, Pass, std::string& out) override {
      ++calls;
      out.append(data);
      return true;
    }
    int& calls;
  };
  int calls = 0;
  Filter filter{calls};  // it is there all the time, for a call too many to do no harm
  support::PieceStream stream{{get_request()}};
  const auto fail = [&](Response& response) {
    response.with_filter(filter, [&] {
      response.write("begun");
      throw std::runtime_error{"oops"};
    });
  };
  CHECK_THROWS(serve(stream, [&](Request&, Response& response) { fail(response); }));
  CHECK(calls == 1);
  CHECK(stream.sent.ends_with("5\r\nbegun\r\n"));

  stream = support::PieceStream{{get_request() + get_request()}};
  serve(stream, [&](Request&, Response& response) {
    CHECK_THROWS(fail(response));
    CHECK(response.write("caught"));
    CHECK(response.end());
  });
  CHECK(calls == 2);
  CHECK(stream.sent.ends_with("5\r\nbegun\r\n"));
}

TEST_CASE("connections: who catches what was thrown before anything was sent answers unfiltered") {
  struct Unused : BodyFilter {
    bool begin(Response&, std::optional<std::uint64_t>) override { return ++calls, true; }
    bool pass(std::string_view, Pass, std::string&) override { return ++calls, true; }
    int calls = 0;
  } outer;
  const auto replies = ask(get_request(), [&](Request&, Response& response) {
    response.with_filter(outer, [] {});
    try {
      Unused filter;
      response.with_filter(filter, [] { throw std::runtime_error{"oops"}; });
    } catch (const std::runtime_error&) {
      response.set_status(Status::bad_gateway);
      response.send("caught");
    }
  });
  CHECK(replies.at(0).status == 502);
  CHECK(replies.at(0).body == "caught");
  CHECK(outer.calls == 0);
}

TEST_CASE("connections: a filter that throws leaves none of its fields") {
  struct Throwing : BodyFilter {
    bool begin(Response& response, std::optional<std::uint64_t>) override {
      response.fields().set("Content-Encoding", "x");
      return true;
    }
    bool pass(std::string_view, Pass, std::string&) override { throw std::bad_alloc{}; }
  } filter;
  const auto replies = ask(get_request(), [&](Request&, Response& response) {
    CHECK_THROWS_AS(response.with_filter(filter, [&] { response.send("text"); }), std::bad_alloc);
    response.set_status(Status::service_unavailable);
    response.send("no memory");
  });
  CHECK(replies.at(0).status == 503);
  CHECK(replies.at(0).body == "no memory");
  CHECK(replies.at(0).field("Content-Encoding").empty());
}

TEST_CASE("connections: what breaks off takes no earlier response with it") {
  const auto sent_with = [&](const Handler& handler) {
    support::PieceStream stream{{get_request("/first") + get_request("/second")}};
    try {
      serve(stream, [&](Request& request, Response& response) {
        request.path() == "/first" ? static_cast<void>(response.send("first"))
                                   : handler(request, response);
      });
    } catch (const std::runtime_error&) {
    }
    return stream.sent;
  };
  const std::vector<Handler> handlers{
      [](Request&, Response& response) { response.set_content_length(5); },
      [](Request&, Response& response) {
        struct Broken : BodyFilter {
          bool begin(Response&, std::optional<std::uint64_t>) override { return true; }
          bool pass(std::string_view, Pass, std::string&) override { return false; }
        } broken;
        response.with_filter(broken, [&] { CHECK(response.send("text")); });
      },
      [](Request&, Response&) { throw std::runtime_error{"oops"}; }};
  for (const Handler& handler : handlers) {
    const std::string sent = sent_with(handler);
    std::string_view rest = sent;
    CHECK(support::parse_reply(rest).body == "first");
  }
}

TEST_CASE("connections: without memory nobody gets a half of a head") {
  const std::string text = get_request("/", "Connection: upgrade\r\nUpgrade: echo\r\n");
  const std::vector<Handler> handlers{[](Request&, Response& response) {
                                        response.fields().set("A", std::string(3000, 'a'));
                                        response.send("hello");
                                      },
                                      [](Request&, Response& response) {
                                        response.fields().set("A", std::string(3000, 'a'));
                                        static_cast<void>(response.upgrade("echo"));
                                      }};
  for (const Handler& handler : handlers) {
    int without = 0;
    support::fail_each_new([&](support::FailingNew& failing) {
      support::PieceStream stream{{text}};
      stream.sent.reserve(10'000);
      failing.run([&] { serve(stream, handler); });
      if (stream.sent.empty()) return;
      const auto replies = support::parse_replies(stream.sent);
      REQUIRE(replies.size() == 1);
      CHECK(replies[0].head.rfind("HTTP/1.1") == 0);
      if (replies[0].status == 500) ++without;
    });
    CHECK(without > 0);
  }
}

TEST_CASE("connections: who catches a lack of memory doesn't break the chunks") {
  const std::string piece(3000, 'p');
  const std::string trailer(3000, 't');
  const auto write_all = [&](Response& response) {
    return !response.write("first") && !response.write(piece) &&
           !response.trailers().set("T", trailer) && !response.end();
  };
  int caught = 0;
  support::fail_each_new([&](support::FailingNew& failing) {
    std::uint64_t bytes = 0;
    support::PieceStream stream{{get_request()}};
    stream.sent.reserve(20'000);
    serve(stream, [&](Request&, Response& response) {
      const auto has_all = failing.run([&] { return write_all(response); });
      if (has_all) {
        CHECK(*has_all);
        return;
      }
      ++caught;
      CHECK(!response.write("last"));
      bytes = response.body_bytes();
    });
    const auto replies = support::parse_replies(stream.sent);
    REQUIRE(replies.size() == 1);
    const std::string& body = replies[0].body;
    CHECK((body == "first" + piece || body == "last" || body == "firstlast" ||
           body == "first" + piece + "last"));
    CHECK((bytes == 0 || bytes > body.size()));
  });
  CHECK(caught > 0);
}

TEST_CASE("connections: a filter that found no memory gets nothing again") {
  struct Twice : BodyFilter {
    bool begin(Response&, std::optional<std::uint64_t>) override { return true; }
    bool pass(std::string_view data, Pass, std::string& out) override {
      if (is_broken) out.reserve(10'000);
      ++calls;
      out.append(data);
      return true;
    }
    bool is_broken = false;
    int calls = 0;
  };
  support::fail_each_new([&](support::FailingNew& failing) {
    support::PieceStream stream{{get_request()}};
    stream.sent.reserve(10'000);
    Twice filter;
    serve(stream, [&](Request&, Response& response) {
      response.with_filter(filter, [&] {
        CHECK(!response.write("first"));
        filter.is_broken = true;
        const auto written = failing.run([&] { return response.write("second"); });
        const int calls = filter.calls;
        CHECK(!response.end() == written.has_value());
        CHECK(response.write("third"));
        if (!written) CHECK(filter.calls == calls);
      });
    });
    CHECK(stream.sent.find("third") == std::string::npos);
    CHECK(stream.sent.ends_with("0\r\n\r\n") == !failing.has_failed());
  });
}

TEST_CASE("connections: a bad body is answered unless the handler does") {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello";
  std::error_code error;
  const auto replies = ask(text, [&](Request& request, Response& response) {
    error = request.read_body().error();
    response.set_status(Status::conflict);
    response.send("mine");
  });
  CHECK(error == Errc::malformed);
  CHECK(error == std::errc::bad_message);
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].status == 409);
  CHECK(replies[0].field("Connection") == "close");
}

TEST_CASE("connections: a body that fails behind the beginning of the response cuts it") {
  constexpr std::string_view last_chunk = "0\r\n\r\n";
  const std::string chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string half = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello";
  std::error_code error;
  const auto echo = [&](Request& request, Response& response) {
    std::array<std::byte, 5> buffer;
    IoResult in;
    while ((in = request.recv(buffer)) && in.count > 0) response.write(buffer);
    error = in.error;
  };
  std::vector<std::error_code> told;
  ServeOptions options;
  options.limits.body = 8;
  options.observers.push_back([&](const Exchange& over) { told.push_back(over.error); });

  CHECK(send_pieces({chunked, "5\r\nhello\r\n", "nonsense"}, echo, options).ends_with("hello\r\n"));
  CHECK(error == Errc::malformed);
  CHECK(send_pieces({chunked, "5\r\nhello\r\n", "5\r\nworld\r\n0\r\n\r\n"}, echo, options)
            .ends_with("hello\r\n"));
  CHECK(error == Errc::body_too_large);
  options.limits.body = 100;
  CHECK(send_pieces({half}, echo, options).ends_with("hello\r\n"));
  CHECK(error == evcoro::Errc::unexpected_end);
  CHECK(told == std::vector<std::error_code>{Errc::malformed, Errc::body_too_large,
                                             evcoro::Errc::unexpected_end});

  // What a handler ends itself is whole, and so is what has its length, or none to tell.
  CHECK(send_pieces({half}, [&](Request& request, Response& response) {
          echo(request, response);
          response.end();
        }).ends_with(last_chunk));
  CHECK(send_pieces({half}, [&](Request& request, Response& response) {
          CHECK(!request.read_body());
          response.set_status(Status::bad_request);
          response.write("no");
        }).ends_with(last_chunk));
  CHECK(send_pieces({half}, [&](Request& request, Response& response) {
          response.set_content_length(5);
          echo(request, response);
        }).ends_with("\r\n\r\nhello"));
  CHECK(send_pieces({chunked + "5\r\nhello\r\n0\r\n\r\n"}, echo).ends_with(last_chunk));
}

TEST_CASE("connections: a peer that takes nothing is left") {
  support::PieceStream stream{{get_request() + get_request()}};
  stream.room = 0;
  std::error_code error;
  serve(stream, [&](Request&, Response& response) { error = response.send("hello"); },
        {.gather = 0});
  CHECK(error == std::errc::timed_out);
  CHECK(stream.sends == 1);
  stream = support::PieceStream{{get_request()}};
  stream.room = 10;  // at a time: slow, but it is progress
  serve(stream, support::echo_body);
  CHECK(support::parse_replies(stream.sent).size() == 1);
}

TEST_CASE("connections: an answer that can't be sent has no bytes") {
  std::vector<std::uint64_t> bytes;
  ServeOptions options;
  options.observers.push_back([&](const Exchange& over) { bytes.push_back(over.bytes); });
  support::PieceStream stream{{get_request()}};
  stream.room = 0;
  CHECK_THROWS(serve(
      stream, [](Request&, Response&) { throw std::runtime_error{"oops"}; }, options));
  stream = support::PieceStream{{"nonsense\r\n\r\n"}};
  stream.room = 0;
  serve(stream, support::echo_body, options);
  CHECK(bytes == std::vector<std::uint64_t>{0, 0});
}

TEST_CASE("connections: HEAD with a bad body gets an answer without one") {
  const std::string sent =
      send_pieces({"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"},
                  [](Request& request, Response&) { CHECK(!request.read_body()); });
  CHECK(support::status_of(sent) == 400);
  CHECK(sent.ends_with("\r\n\r\n"));
}

// --- upgrades ---

TEST_CASE("upgrades: the handler gets the stream with what has come already") {
  const std::string head =
      get_request("/", "Connection: keep-alive, Upgrade\r\nUpgrade: foo/1, Echo\r\n");
  support::PieceStream stream{{head + "hel", "lo"}};
  serve(stream, [&](Request&, Response& response) {
    CHECK(response.upgrade("bar").error() == Errc::not_an_upgrade);
    response.fields().set("A", "b");
    auto upgraded = response.upgrade("echo").value();
    CHECK(response.is_complete());
    static_assert(evcoro::WaitingStream<Upgraded>);
    CHECK(!upgraded.wait_readable());
    std::array<std::byte, 2> buffer;
    while (const IoResult in = upgraded.recv(buffer)) {
      if (in.count == 0) break;
      CHECK(upgraded.send(std::span{buffer}.first(in.count)));
    }
  });
  std::string_view sent = stream.sent;
  const auto reply = support::parse_reply(sent);
  CHECK(reply.status == 101);
  CHECK(reply.field("Upgrade") == "echo");
  CHECK(reply.field("Connection") == "Upgrade");
  CHECK(reply.field("A") == "b");
  CHECK(sent == "hello");
}

TEST_CASE("upgrades: a request that asks for one may be answered as others") {
  const std::string text = get_request("/", "Connection: Upgrade\r\nUpgrade: h2c\r\n");
  CHECK(ask(text + text).size() == 2);
  ask(get_request("/", "Upgrade: echo\r\n"), [&](Request&, Response& response) {
    CHECK(response.upgrade("echo").error() == Errc::not_an_upgrade);
  });
}

TEST_CASE("upgrades: protocols may be offered in several fields") {
  const std::string text =
      get_request("/", "Connection: Upgrade\r\nUpgrade: echo, \r\nUpgrade: h2c\r\n");
  for (const char* protocol : {"echo", "h2c", "", "h3"}) {
    std::error_code error;
    send_pieces({text}, [&](Request&, Response& response) {
      const auto upgraded = response.upgrade(protocol);
      if (!upgraded) error = upgraded.error();
    });
    const std::string_view name = protocol;
    CHECK(error == (name == "echo" || name == "h2c" ? std::error_code{} : Errc::not_an_upgrade));
  }
}
