// Handlers and filters that fail, for want of memory too: what the client gets then, over streams
// in memory.
#include <stdexcept>
#include <vector>

#include <evcoro/http/body_filter.hpp>
#include <support/failing_new.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using support::ask;
using support::get_request;

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
