// Compression: what is compressed and how, checked by zlib itself.
#include <evcoro/http/compression.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <stdexcept>

#include <evcoro/http/body_filter.hpp>
#include <evcoro/http/error.hpp>
#include <evcoro/http/files.hpp>
#include <support/failing_new.hpp>
#include <support/folder.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using support::LoopFixture;
using support::Reply;

namespace {

// inflated() is text as it was before; it may break off, where all that was flushed is there.
std::string inflated(std::string_view text, bool must_end = true) {
  z_stream state{};
  REQUIRE(inflateInit2(&state, 15 + 32) == Z_OK);  // gzip or zlib
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  state.avail_in = static_cast<uInt>(text.size());
  std::string all;
  int result = Z_OK;
  while (result == Z_OK && (state.avail_in > 0 || state.avail_out == 0)) {
    std::string piece(10'000, '\0');
    state.next_out = reinterpret_cast<Bytef*>(piece.data());
    state.avail_out = static_cast<uInt>(piece.size());
    result = inflate(&state, Z_SYNC_FLUSH);
    all += piece.substr(0, piece.size() - state.avail_out);
  }
  inflateEnd(&state);
  CHECK((result == Z_STREAM_END) == must_end);
  CHECK(state.avail_in == 0);
  return all;
}

std::string request_with(std::string_view fields, std::string_view method = "GET", int minor = 1) {
  return std::string{method} + " / HTTP/1." + std::to_string(minor) + "\r\nHost: x\r\n" +
         std::string{fields} + "\r\n";
}

Reply reply_to(const std::string& request, const Handler& handler,
               CompressionOptions options = {}) {
  const std::string sent =
      support::send_pieces({request}, Compression{std::move(options)}.wrap(handler));
  std::string_view rest = sent;
  const Reply reply = support::parse_reply(rest, request.starts_with("HEAD"));
  CHECK(rest.empty());
  return reply;
}

constexpr std::string_view gzip = "Accept-Encoding: gzip\r\n";

const std::string& text() {
  static const std::string made = [] {
    std::string all;
    for (int i = 0; i < 5000; ++i) all += "line " + std::to_string(i) + "\n";
    return all;
  }();
  return made;
}

// of_type() answers with body, of a type.
Handler of_type(std::string_view type, std::string body) {
  return [type = std::string{type}, body = std::move(body)](Request&, Response& response) {
    response.fields().set("Content-Type", type);
    response.send(body);
  };
}

Handler plain(std::string body = text()) { return of_type("text/plain", std::move(body)); }

}  // namespace

TEST_CASE("compression: a whole body and its fields") {
  const std::string body = text().substr(0, 20'000);
  const Reply reply = reply_to(request_with(gzip), [&](Request&, Response& response) {
    response.fields().set("Content-Type", "text/html; charset=utf-8");
    response.fields().set("ETag", "\"a\"");
    response.fields().set("Accept-Ranges", "bytes");
    response.send(body);
  });
  CHECK(reply.status == 200);
  CHECK(reply.field("Content-Encoding") == "gzip");
  CHECK(reply.field("Vary") == "Accept-Encoding");
  CHECK(reply.field("ETag") == "W/\"a\"");
  CHECK(reply.field("Accept-Ranges").empty());
  CHECK(reply.field("Content-Length") == std::to_string(reply.body.size()));
  CHECK(reply.body.size() < body.size() / 2);
  CHECK(inflated(reply.body) == body);
}

TEST_CASE("compression: deflate is that of zlib") {
  const Reply reply = reply_to(request_with("Accept-Encoding: gzip;q=0.1, deflate\r\n"), plain());
  CHECK(reply.field("Content-Encoding") == "deflate");
  CHECK(inflated(reply.body) == text());
}

TEST_CASE("compression: bodies of all sizes whole and in parts") {
  for (const std::size_t size : {1, 1000, 16'384, 65'536, 65'537, 300'000}) {
    const std::string body = support::pattern(size / 2) + std::string(size - size / 2, 'x');
    CAPTURE(size);
    const Reply whole = reply_to(request_with(gzip), plain(body), {.min_size = 0});
    CHECK(inflated(whole.body) == body);
    const auto in_parts = [&](bool tells_length) {
      return [&body, tells_length](Request&, Response& response) {
        response.fields().set("Content-Type", "text/plain");
        if (tells_length) response.set_content_length(body.size());
        for (std::size_t at = 0; at < body.size(); at += 100'000) {
          CHECK(!response.write(std::string_view{body}.substr(at, 100'000)));
        }
      };
    };
    for (const bool tells_length : {false, true}) {
      const Reply parts = reply_to(request_with(gzip), in_parts(tells_length), {.min_size = 0});
      CHECK(parts.field("Content-Encoding") == "gzip");
      CHECK(inflated(parts.body) == body);
    }
  }
}

TEST_CASE("compression: what is not compressed") {
  const auto encoding = [](std::string_view fields, const Handler& handler,
                           CompressionOptions options = {}) {
    const Reply reply = reply_to(request_with(fields), handler, std::move(options));
    if (reply.field("Content-Encoding") != "gzip") CHECK(reply.body == text());
    return reply.field("Content-Encoding");
  };
  const auto with_field = [](std::string_view name, std::string_view value) {
    return [=](Request&, Response& response) {
      response.fields().set("Content-Type", "text/plain");
      response.fields().set(name, value);
      response.send(text());
    };
  };
  CHECK(encoding(gzip, plain()) == "gzip");
  CHECK(encoding("", plain()).empty());
  CHECK(encoding("Accept-Encoding: gzip;q=0\r\n", plain()).empty());
  CHECK(encoding("Accept-Encoding: br\r\n", plain()).empty());
  CHECK(encoding(gzip, of_type("image/png", text())).empty());
  CHECK(encoding(gzip, of_type("textile/x", text())).empty());
  CHECK(encoding(gzip, of_type("Application/JSON;charset=x", text())) == "gzip");
  CHECK(encoding(gzip, of_type("", text())).empty());
  CHECK(encoding(gzip, plain(), {.types = {"text/html"}}).empty());
  CHECK(encoding(gzip, plain(), {.min_size = 1'000'000}).empty());
  CHECK(encoding(gzip, with_field("Content-Encoding", "br")) == "br");
  CHECK(encoding(gzip, with_field("Content-Range", "bytes 0-1/2")).empty());
  CHECK(encoding(gzip, with_field("Cache-Control", "public, No-Transform")).empty());
  CHECK(encoding(gzip, with_field("Content-Digest", "sha-256=:x=:")).empty());
  CHECK(encoding(gzip, with_field("Cache-Control", "public")) == "gzip");
}

TEST_CASE("compression: Vary for all who might have got another") {
  const auto vary = [](std::string_view fields, std::string_view own) {
    return reply_to(request_with(fields),
                    [&](Request&, Response& response) {
                      response.fields().set("Content-Type", "text/plain");
                      if (!own.empty()) response.fields().set("Vary", own);
                      response.send(text());
                    })
        .head;
  };
  CHECK(vary("", "").find("Vary: Accept-Encoding\r\n") != std::string::npos);
  CHECK(vary("", "*").find("Accept-Encoding") == std::string::npos);
  CHECK(vary("", "origin, accept-encoding").find("Accept-Encoding") == std::string::npos);
  const std::string both = vary(gzip, "Origin");
  CHECK(both.find("Vary: Origin\r\n") != std::string::npos);
  CHECK(both.find("Vary: Accept-Encoding\r\n") != std::string::npos);
  CHECK(reply_to(request_with(""), of_type("image/png", text())).field("Vary").empty());
}

TEST_CASE("compression: HEAD tells what GET would") {
  const std::string body = text().substr(0, 10'000);
  const Reply get = reply_to(request_with(gzip), plain(body));
  const Reply head = reply_to(request_with(gzip, "HEAD"), plain(body));
  CHECK(head.body.empty());
  CHECK(head.field("Content-Encoding") == "gzip");
  CHECK(head.field("Content-Length") == get.field("Content-Length"));
  const Reply parts = reply_to(request_with(gzip, "HEAD"), [](Request&, Response& response) {
    response.fields().set("Content-Type", "text/plain");
    response.write(text());
  });
  CHECK(parts.field("Content-Encoding") == "gzip");
  CHECK(parts.field("Content-Length").empty());
}

TEST_CASE("compression: HTTP/1.0 gets it without chunks") {
  const Reply reply = reply_to(request_with(gzip, "GET", 0), [](Request&, Response& response) {
    response.fields().set("Content-Type", "text/plain");
    response.write(text());
    response.write(text());
  });
  CHECK(reply.field("Transfer-Encoding").empty());
  CHECK(reply.field("Connection") == "close");
  CHECK(inflated(reply.body) == text() + text());
}

TEST_CASE("compression: each part that is written is there to be read") {
  support::PieceStream stream{{request_with(gzip)}};
  std::string seen;
  serve(stream, Compression{}.wrap([&](Request&, Response& response) {
    response.fields().set("Content-Type", "text/event-stream");
    std::string expected;
    for (int i = 0; i < 5; ++i) {
      const std::string event = "data: " + std::to_string(i) + "\n\n";
      expected += event;
      CHECK(!response.write(event));
      std::string chunks = stream.sent.substr(stream.sent.find("\r\n\r\n") + 4) + "0\r\n\r\n";
      Reply so_far;
      std::string_view rest = chunks;
      support::detail::cut_chunks(rest, so_far);
      CHECK(inflated(so_far.body, false) == expected);
    }
    seen = expected;
  }));
  std::string_view rest = stream.sent;
  CHECK(inflated(support::parse_reply(rest).body) == seen);
}

TEST_CASE("compression: files and not their ranges") {
  const support::TemporaryFolder folder;
  folder.write("a.txt", text());
  folder.write("small.txt", text().substr(0, 3000));
  const Files files{folder.string()};
  const auto get = [&](std::string_view target, std::string_view fields) {
    std::string request = request_with(std::string{gzip} + std::string{fields});
    request.replace(4, 1, target);
    return reply_to(request, files);
  };
  const Reply large = get("/a.txt", "");
  CHECK(large.field("Content-Encoding") == "gzip");
  CHECK(inflated(large.body) == text());
  CHECK(inflated(get("/small.txt", "").body) == text().substr(0, 3000));
  const Reply part = get("/a.txt", "Range: bytes=0-1999\r\n");
  CHECK(part.status == 206);
  CHECK(part.body == text().substr(0, 2000));
  CHECK(part.field("Content-Encoding").empty());
  const std::string etag = large.field("ETag");
  CHECK(etag.starts_with("W/"));
  const Reply same = get("/a.txt", "If-None-Match: " + etag + "\r\n");
  CHECK(same.status == 304);
  CHECK(same.field("ETag") == etag);
  CHECK(same.field("Vary") == "Accept-Encoding");
  CHECK(same.field("Content-Encoding").empty());
  CHECK(get("/a.txt", "Range: bytes=0-1\r\nIf-Range: " + etag + "\r\n").status == 200);
}

TEST_CASE("compression: who has a file uncompressed keeps its strong ETag") {
  const support::TemporaryFolder folder;
  folder.write("a.png", text());
  folder.write("a.txt", text());
  const Files files{folder.string()};
  for (const std::string_view target : {"/a.png", "/a.txt"}) {
    CAPTURE(target);
    const auto get = [&](std::string_view fields) {
      std::string request = request_with(fields);
      request.replace(4, 1, target);
      return reply_to(request, files);
    };
    const std::string strong = get("").field("ETag");
    CHECK(strong.starts_with('"'));
    const auto tag_of = [&](const std::string& known) {
      const Reply reply = get(std::string{gzip} + "If-None-Match: " + known + "\r\n");
      CHECK(reply.status == 304);
      CHECK(reply.field("Vary") == "Accept-Encoding");
      return reply.field("ETag");
    };
    CHECK(tag_of(strong) == strong);
    CHECK(tag_of("\"x\", " + strong) == strong);
    CHECK(tag_of("W/" + strong) == "W/" + strong);
  }
}

TEST_CASE("compression: a file that is too short cuts the connection") {
  const support::TemporaryFolder folder;
  folder.write("a.txt", text());
  const int file = ::open((folder / "a.txt").c_str(), O_RDONLY | O_CLOEXEC);
  std::error_code error;
  const std::string sent = support::send_pieces(
      {request_with(gzip)}, Compression{}.wrap([&](Request&, Response& response) {
        response.fields().set("Content-Type", "text/plain");
        error = response.send_file(file, 0, text().size() + 1);
      }));
  ::close(file);
  CHECK(error == evcoro::Errc::file_too_short);
  CHECK(!sent.ends_with("0\r\n\r\n"));
}

TEST_CASE("compression: lengths and statuses are checked as without") {
  const auto error_of = [](const Handler& handler) {
    support::send_pieces({request_with(gzip)}, Compression{}.wrap(handler));
  };
  error_of([](Request&, Response& response) {
    response.fields().set("Content-Type", "text/plain");
    response.set_content_length(5000);
    CHECK(response.send("x") == Errc::wrong_length);
    CHECK(!response.write(std::string(4000, 'x')));
    CHECK(response.write(std::string(1001, 'x')) == Errc::wrong_length);
    CHECK(response.end() == Errc::wrong_length);
  });
  error_of([](Request&, Response& response) {
    response.set_status(Status::no_content);
    CHECK(response.send("x") == Errc::body_not_allowed);
    CHECK(!response.send(""));
    CHECK(response.send("") == Errc::already_sent);
  });
}

TEST_CASE("compression: a handler that throws or sends nothing") {
  const Handler thrower = Compression{}.wrap([](Request&, Response& response) {
    response.fields().set("Content-Type", "text/plain");
    response.write(text());
    throw std::runtime_error{"oops"};
  });
  support::PieceStream stream{{request_with(gzip)}};
  CHECK_THROWS_AS(serve(stream, thrower), std::runtime_error);
  CHECK(!stream.sent.ends_with("0\r\n\r\n"));
  CHECK(reply_to(request_with(gzip), [](Request&, Response&) {}).body.empty());
  const std::string bad = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
  CHECK(reply_to(bad, [](Request& request, Response&) { CHECK(!request.read_body()); }).status ==
        400);
}

TEST_CASE("compression: a body that fails behind the beginning of the response cuts it") {
  const std::string bad = "POST / HTTP/1.1\r\nHost: x\r\n" + std::string{gzip} +
                          "Transfer-Encoding: chunked\r\n\r\nx\r\n";
  const std::string sent =
      support::send_pieces({bad}, Compression{}.wrap([](Request& request, Response& response) {
        response.fields().set("Content-Type", "text/plain");
        response.write(text());
        CHECK(!request.read_body());
      }));
  CHECK(support::status_of(sent) == 200);
  CHECK(!sent.ends_with("0\r\n\r\n"));
}

TEST_CASE("compression: who catches a lack of memory can send something else as it is") {
  for (const bool is_whole : {false, true}) {
    int caught = 0;
    support::fail_each_new([&](support::FailingNew& failing) {
      support::PieceStream stream{{request_with(gzip)}};
      stream.sent.reserve(20'000);
      serve(stream, Compression{}.wrap([&](Request&, Response& response) {
        response.fields().set("Content-Type", "text/plain");
        response.fields().set("A", std::string(3000, 'a'));
        const bool has_memory = failing.run(
            [&] { static_cast<void>(is_whole ? response.send(text()) : response.write(text())); });
        if (!has_memory && !response.send("sorry")) ++caught;
      }));
      if (!stream.sent.ends_with("sorry")) return;
      CHECK(stream.sent.find("Content-Encoding") == std::string::npos);
    });
    CHECK(caught > 0);
  }
}

TEST_CASE("compression: as a middleware with several requests") {
  Router router;
  router.use(Compression{});
  router.get("/", plain());
  const auto replies =
      support::ask(request_with(gzip) + request_with("") + request_with(gzip), router);
  REQUIRE(replies.size() == 3);
  CHECK(inflated(replies[0].body) == text());
  CHECK(replies[1].body == text());
  CHECK(replies[2].body == replies[0].body);
}

TEST_CASE_METHOD(LoopFixture, "compression: beyond so many at once bodies go as they are") {
  const Compression one{{.most_per_loop = 1}};
  in_thread([&] {
    std::string inner;
    const std::string outer =
        support::send_pieces({request_with(gzip)}, one.wrap([&](Request&, Response& response) {
          response.fields().set("Content-Type", "text/plain");
          response.write(text());
          inner = support::send_pieces({request_with(gzip)}, one.wrap(plain()));
        }));
    std::string_view rest = outer;
    CHECK(support::parse_reply(rest).field("Content-Encoding") == "gzip");
    rest = inner;
    CHECK(support::parse_reply(rest).body == text());
    rest = inner = support::send_pieces({request_with(gzip)}, one.wrap(plain()));
    CHECK(inflated(support::parse_reply(rest).body) == text());
  });
}

TEST_CASE("compression: levels that there are") {
  CHECK_THROWS_AS(Compression{{.level = 0}}, std::invalid_argument);
  CHECK_THROWS_AS(Compression{{.level = 10}}, std::invalid_argument);
  const Reply reply = reply_to(request_with(gzip), plain(), {.level = 9});
  CHECK(inflated(reply.body) == text());
}
