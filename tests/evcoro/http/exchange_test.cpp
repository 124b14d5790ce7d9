// Requests and responses, over streams in memory.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

#include <evcoro/http/error.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using evcoro::IoResult;
using support::ask;
using support::send_pieces;

namespace {

std::string get(std::string_view target = "/", std::string_view fields = "") {
  return "GET " + std::string{target} + " HTTP/1.1\r\nHost: example.org\r\n" + std::string{fields} +
         "\r\n";
}

std::string post(std::string_view body, std::string_view fields = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + std::string{fields} +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}

// FileOf is a temporary file with text in it.
class FileOf {
 public:
  explicit FileOf(std::string_view text) {
    char name[] = "/tmp/evcoro-http-XXXXXX";
    descriptor_ = ::mkstemp(name);
    REQUIRE(descriptor_ >= 0);
    ::unlink(name);
    REQUIRE(::write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  ~FileOf() { ::close(descriptor_); }
  FileOf(const FileOf&) = delete;
  FileOf& operator=(const FileOf&) = delete;
  int get() const noexcept { return descriptor_; }

 private:
  int descriptor_ = -1;
};

}  // namespace

// --- requests ---

TEST_CASE("requests: what a handler sees") {
  bool is_called = false;
  ask(get("/a%20b?c=d%26&e=f+g", "Accept: x\r\naccept: y\r\n"), [&](Request& request, Response&) {
    is_called = true;
    CHECK(request.method() == Method::get);
    CHECK(request.target() == "/a%20b?c=d%26&e=f+g");
    CHECK(request.path() == "/a%20b");
    CHECK(request.query() == "c=d%26&e=f+g");
    CHECK(request.query_parameter("c") == "d&");
    CHECK(request.query_parameter("e") == "f g");
    CHECK(!request.query_parameter("x"));
    CHECK(request.host() == "example.org");
    CHECK(request.minor_version() == 1);
    CHECK(request.fields().size() == 3);
    CHECK(request.field("ACCEPT") == "x");
    CHECK(request.fields().count("accept") == 2);
    CHECK(!request.has_body());
    CHECK(!request.content_length());
    CHECK(request.peer().family() == AF_UNSPEC);
    const Fields copy = request.fields();
    CHECK(copy.get("Accept") == "x");
  });
  CHECK(is_called);
}

TEST_CASE("requests: an absolute target has the host") {
  const auto replies = ask(get("http://other.org:80?a"), [](Request& request, Response& response) {
    CHECK(request.path() == "/");
    CHECK(request.query() == "a");
    response.send(request.host());
  });
  CHECK(replies.at(0).body == "other.org:80");
}

TEST_CASE("requests: bodies come whole or as they are read") {
  const std::string body = support::pattern(100'000);
  const auto in_steps = [](std::size_t step) {
    return [step](Request& request, Response& response) {
      std::string all;
      std::string buffer(step, '\0');
      while (const IoResult in = request.recv(std::as_writable_bytes(std::span{buffer}))) {
        if (in.count == 0) break;
        all += buffer.substr(0, in.count);
      }
      response.send(all);
    };
  };
  CHECK(ask(post(body)).at(0).body == body);
  for (const std::size_t step : {1, 1000, 2048, 1'000'000}) {
    CHECK(ask(post(body), in_steps(step)).at(0).body == body);
  }
}

TEST_CASE("requests: chunked bodies come whole or as they are read") {
  std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string body;
  for (std::size_t size = 1; size < 20'000; size = size * 3 + 1) {
    const std::string piece = support::pattern(size);
    char number[20];
    std::snprintf(number, sizeof number, "%zX\r\n", size);
    text.append(number).append(piece).append("\r\n");
    body += piece;
  }
  text += "0\r\nChecksum: 1\r\nHost: evil\r\n\r\n";
  std::string seen;
  const Handler handler = [&](Request& request, Response& response) {
    CHECK(request.has_body());
    CHECK(!request.content_length());
    CHECK(request.trailers().empty());
    std::array<std::byte, 3000> buffer;
    while (const IoResult in = request.recv(buffer)) {
      if (in.count == 0) break;
      seen.append(reinterpret_cast<const char*>(buffer.data()), in.count);
    }
    CHECK(request.trailers().size() == 2);
    CHECK(request.trailers().get("checksum") == "1");
    CHECK(request.fields().get("Host") == "x");  // they are kept apart
    CHECK(!request.fields().contains("Checksum"));
    response.send(request.trailers().get_or("host"));
  };
  CHECK(ask(text + get(), [&](Request& request, Response& response) {
          request.has_body() ? handler(request, response) : support::echo_body(request, response);
        }).size() == 2);
  CHECK(seen == body);
  seen.clear();
  CHECK(support::parse_replies(send_pieces(support::in_bytes(text), handler)).at(0).body == "evil");
  CHECK(seen == body);
}

TEST_CASE("requests: a client that leaves within the body") {
  for (const std::string& text :
       {post("hello").substr(0, 50), std::string{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                                 "chunked\r\n\r\n5\r\nhel"}}) {
    std::error_code error;
    send_pieces({text}, [&](Request& request, Response&) { error = request.read_body().error(); });
    CHECK(error == evcoro::Errc::unexpected_end);
  }
}

TEST_CASE("requests: a client that leaves within the head gets nothing") {
  CHECK(send_pieces({}).empty());
  CHECK(send_pieces({"GET / HT"}).empty());
  CHECK(send_pieces({get().substr(0, 25)}).empty());
}

// --- Expect ---

TEST_CASE("expectations: the client is told to go on when the body is read") {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  const auto replies = support::parse_replies(send_pieces({head, "hello" + get()}));
  REQUIRE(replies.size() == 3);
  CHECK(replies[0].status == 100);
  CHECK(replies[1].body == "hello");
  CHECK(replies[2].body == "/");

  // Who has sent it already needn't be told.
  CHECK(ask(head + "hello").at(0).status == 200);

  // Who isn't told may send it, or not: what follows can't be known.
  const Handler refuse = [](Request&, Response& response) {
    response.set_status(Status::forbidden);
    response.send("no");
  };
  const auto refused = support::parse_replies(send_pieces({head, get()}, refuse));
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].status == 403);
  CHECK(refused[0].field("Connection") == "close");

  // Unless it is there.
  CHECK(support::parse_replies(send_pieces({head + "hello", get()}, refuse)).size() == 2);
}

TEST_CASE("expectations: a body that is too large is not asked for") {
  const auto replies =
      ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\nExpect: 100-Continue\r\n\r\n");
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].status == 413);
}

TEST_CASE("expectations: others are refused and old clients have none") {
  CHECK(ask(get("/", "Expect: a miracle\r\n")).at(0).status == 417);
  CHECK(ask("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na").at(0).status ==
        200);
}

// --- responses ---

TEST_CASE("responses: head and body are one send") {
  support::PieceStream stream{{get()}};
  serve(stream, [](Request&, Response& response) {
    CHECK(!response.set_status(Status::created));
    CHECK(!response.fields().set("Content-Type", "text/plain"));
    CHECK(!response.has_begun());
    CHECK(!response.send("hello\n"));
    CHECK(response.is_complete());
    CHECK(response.send("again") == Errc::already_sent);
    CHECK(response.write("again") == Errc::already_sent);
    CHECK(response.set_status(Status::ok) == Errc::already_sent);
  });
  CHECK(stream.sends == 1);
  std::string_view sent = stream.sent;
  const auto reply = support::parse_reply(sent);
  CHECK(reply.head.starts_with("HTTP/1.1 201 Created\r\n"));
  CHECK(reply.field("Content-Type") == "text/plain");
  CHECK(reply.field("Content-Length") == "6");
  CHECK(reply.field("Server").empty());
  CHECK(reply.field("Connection").empty());
  CHECK(reply.body == "hello\n");
  const std::string date = reply.field("Date");
  REQUIRE(date.size() == 29);
  CHECK(date.substr(26) == "GMT");
  std::tm parts{};
  REQUIRE(::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) != nullptr);
  CHECK(std::abs(::timegm(&parts) - std::time(nullptr)) < 60);
}

TEST_CASE("responses: a handler that sends nothing has sent no bytes") {
  const auto replies = ask(
      get() + get(), [](Request&, Response& response) { response.set_status(Status::accepted); });
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].status == 202);
  CHECK(replies[0].field("Content-Length") == "0");
}

TEST_CASE("responses: large bodies") {
  const std::string body = support::pattern(200'000);
  const auto replies =
      ask(get() + get(), [&](Request&, Response& response) { response.send(body); });
  REQUIRE(replies.size() == 2);
  CHECK(replies[1].body == body);
}

TEST_CASE("responses: statuses without a body") {
  for (const Status status : {Status::no_content, Status::not_modified}) {
    std::error_code error;
    const auto replies = ask(get() + get(), [&](Request&, Response& response) {
      response.set_status(status);
      error = response.send("body");
      CHECK(response.write("body") == Errc::body_not_allowed);
    });
    CHECK(error == Errc::body_not_allowed);
    REQUIRE(replies.size() == 2);
    CHECK(replies[0].field("Content-Length").empty());
    CHECK(replies[0].field("Transfer-Encoding").empty());
  }
}

TEST_CASE("responses: statuses that can't be") {
  ask(get(), [&](Request&, Response& response) {
    for (const int number : {0, 99, 100, 101, 199, 1000}) {
      CHECK(response.set_status(static_cast<Status>(number)) == Errc::invalid_status);
    }
    CHECK(!response.set_status(Status{299}));
  });
  CHECK(ask(get(), [&](Request&, Response& response) { response.set_status(Status{299}); })
            .at(0)
            .head.starts_with("HTTP/1.1 299 \r\n"));
}

TEST_CASE("responses: a body that is written is chunked") {
  support::PieceStream stream{{get() + get()}};
  const std::string large = support::pattern(50'000);
  serve(stream, [&](Request&, Response& response) {
    response.trailers().set("Checksum", "1");
    CHECK(!response.write("first"));
    CHECK(stream.sent.ends_with("first\r\n"));  // it is on its way
    CHECK(!response.write(""));
    CHECK(!response.write(large));
    CHECK(!response.end());
    CHECK(!response.end());
  });
  const auto replies = support::parse_replies(stream.sent);
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].body == "first" + large);
  CHECK(replies[0].trailers == "Checksum: 1\r\n");
  CHECK(replies[0].field("Content-Length").empty());
}

TEST_CASE("responses: to an old client a body that is written ends with the connection") {
  const auto replies = ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get(),
                           [&](Request&, Response& response) {
                             response.trailers().set("Checksum", "1");
                             response.write("first");
                             response.write("second");
                           });
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].body == "firstsecond");
  CHECK(replies[0].field("Connection") == "close");
  CHECK(replies[0].field("Transfer-Encoding").empty());
}

TEST_CASE("responses: an old client is told that the connection is kept") {
  const auto replies = ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get());
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].field("Connection") == "keep-alive");
}

TEST_CASE("responses: a length that was announced") {
  const auto write = [](std::uint64_t length, std::string_view text) {
    return send_pieces({get()}, [&](Request&, Response& response) {
      CHECK(!response.set_content_length(length));
      response.write(text);
    });
  };
  CHECK(write(5, "hello").ends_with("Content-Length: 5\r\n\r\nhello"));
  CHECK(write(6, "hello").ends_with("hello"));  // and then it is cut
  CHECK(!write(4, "hello").ends_with("hello"));
  send_pieces({get()}, [&](Request&, Response& response) {
    response.set_content_length(5);
    CHECK(response.send("four") == Errc::wrong_length);
    response.write("hell");
    CHECK(response.write("oo") == Errc::wrong_length);
    CHECK(response.end() == Errc::wrong_length);
  });
}

TEST_CASE("responses: HEAD has no body") {
  const std::string head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
  const FileOf file{"0123456789"};
  const std::vector<Handler> handlers{
      [](Request&, Response& response) { response.send("hello"); },
      [](Request&, Response& response) { response.send(std::string(100'000, 'x')); },
      [](Request&, Response& response) { response.write("hello"), response.write("!"); },
      [](Request&, Response& response) { response.set_content_length(7); },
      [&](Request&, Response& response) { response.send_file(file.get(), 2, 5); },
  };
  const std::vector<std::string> lengths{"5", "100000", "", "7", "5"};
  for (std::size_t i = 0; i < handlers.size(); ++i) {
    const std::string sent = send_pieces({head + head}, handlers[i]);
    std::string_view rest = sent;
    CHECK(support::parse_reply(rest, true).field("Content-Length") == lengths[i]);
    CHECK(support::parse_reply(rest, true).status == 200);
    CHECK(rest.empty());
  }
}

TEST_CASE("responses: files") {
  const std::string text = support::pattern(100'000);
  const FileOf file{text};
  auto replies = ask(get() + get(), [&](Request&, Response& response) {
    CHECK(!response.send_file(file.get(), 1000, 50'000));
    CHECK(response.is_complete());
  });
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].body == text.substr(1000, 50'000));
  replies = ask(get() + get(), [&](Request&, Response& response) {
    response.write("before ");
    CHECK(!response.send_file(file.get(), 0, 10));
    CHECK(!response.send_file(file.get(), 0, 0));
    response.write(" after");
  });
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].body == "before " + text.substr(0, 10) + " after");
  std::error_code error;
  const std::string sent = send_pieces({get() + get()}, [&](Request&, Response& response) {
    error = response.send_file(file.get(), 0, 100'001);
  });
  CHECK(error == evcoro::Errc::file_too_short);
  CHECK(sent.ends_with(text));  // and nothing behind
}

TEST_CASE("responses: fields can't split the response") {
  const auto replies = ask(get(), [&](Request&, Response& response) {
    Fields& fields = response.fields();
    CHECK(fields.set("A", "b\r\nEvil: c") == Errc::invalid_field_value);
    CHECK(fields.set("A", "b\nEvil: c") == Errc::invalid_field_value);
    CHECK(fields.add("A", std::string_view{"b\0c", 3}) == Errc::invalid_field_value);
    CHECK(fields.set("A\r\nEvil", "c") == Errc::invalid_field_name);
    CHECK(fields.set("A ", "c") == Errc::invalid_field_name);
    CHECK(fields.set("", "c") == Errc::invalid_field_name);
    for (const char* name : {"Content-Length", "transfer-encoding", "Connection", "Upgrade"}) {
      CHECK(fields.set(name, "1") == Errc::reserved_field);
      CHECK(response.trailers().add(name, "1") == Errc::reserved_field);
    }
    CHECK(fields.empty());
    response.send("");
  });
  CHECK(replies.at(0).field("Evil").empty());
}

TEST_CASE("responses: server and date can be set") {
  const auto replies = ask(
      get() + get(), [&](Request&, Response& response) { response.fields().set("Date", "today"); },
      {.server = "evcoro\r\n"});
  CHECK(replies.at(0).field("Date") == "today");
  CHECK(replies.at(1).field("Server") == "evcoro");
}

// --- the connection ---

TEST_CASE("connections: responses to requests that are there are sent together") {
  support::PieceStream stream{{get("/1") + get("/2") + get("/3"), get("/4")}};
  serve(stream, support::echo_body);
  CHECK(stream.sends == 2);
  const auto replies = support::parse_replies(stream.sent);
  REQUIRE(replies.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(replies[i].body == "/" + std::to_string(i + 1));

  support::PieceStream one_by_one{{get("/1") + get("/2") + get("/3")}};
  serve(one_by_one, support::echo_body, {.gather = 0});
  CHECK(one_by_one.sends == 3);
}

TEST_CASE("connections: many requests at once need no more than a few sends") {
  std::string text;
  for (int i = 0; i < 900; ++i) text += get("/" + std::to_string(i));
  support::PieceStream stream{{text}};
  serve(stream, support::echo_body);
  CHECK(support::parse_replies(stream.sent).size() == 900);
  CHECK(stream.sends < 20);
}

TEST_CASE("connections: a handler closes") {
  const auto replies = ask(get() + get(), [&](Request&, Response& response) {
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
    support::PieceStream stream{{get() + get()}};
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

TEST_CASE("connections: a peer that takes nothing is left") {
  support::PieceStream stream{{get() + get()}};
  stream.room = 0;
  std::error_code error;
  serve(stream, [&](Request&, Response& response) { error = response.send("hello"); },
        {.gather = 0});
  CHECK(error == std::errc::timed_out);
  CHECK(stream.sends == 1);
  stream = support::PieceStream{{get()}};
  stream.room = 10;  // at a time: slow, but it is progress
  serve(stream, support::echo_body);
  CHECK(support::parse_replies(stream.sent).size() == 1);
}

// --- upgrades ---

TEST_CASE("upgrades: the handler gets the stream with what has come already") {
  const std::string head = get("/", "Connection: keep-alive, Upgrade\r\nUpgrade: foo/1, Echo\r\n");
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
  const std::string text = get("/", "Connection: Upgrade\r\nUpgrade: h2c\r\n");
  CHECK(ask(text + text).size() == 2);
  ask(get("/", "Upgrade: echo\r\n"), [&](Request&, Response& response) {
    CHECK(response.upgrade("echo").error() == Errc::not_an_upgrade);
  });
}

TEST_CASE("http requests: trailers are there when the body is whole and not before") {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n";
  const auto seen_by = [&](const std::string& end) {
    std::vector<std::size_t> seen;
    const Handler handler = [&](Request& request, Response&) {
      std::array<std::byte, 3> buffer;
      seen.push_back(request.trailers().size());
      while (const evcoro::IoResult in = request.recv(buffer)) {
        seen.push_back(request.trailers().size());
        if (in.count == 0) return;
      }
      seen.push_back(request.trailers().size());
    };
    support::send_pieces(support::in_bytes(head + end), handler);
    return seen;
  };
  CHECK(seen_by("\r\n").back() == 1);
  CHECK(seen_by("\r\n").front() == 0);
  CHECK(seen_by("no trailer\r\n\r\n").back() == 0);
  CHECK(seen_by("").back() == 0);
}
