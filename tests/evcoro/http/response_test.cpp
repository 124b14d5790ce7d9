// Responses as clients get them, over streams in memory.
#include <cstdlib>
#include <ctime>

#include <evcoro/http/error.hpp>
#include <support/files.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using support::ask;
using support::get_request;
using support::send_pieces;

TEST_CASE("responses: head and body are one send") {
  support::PieceStream stream{{get_request()}};
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
  const auto replies = ask(get_request() + get_request(), [](Request&, Response& response) {
    response.set_status(Status::accepted);
  });
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].status == 202);
  CHECK(replies[0].field("Content-Length") == "0");
}

TEST_CASE("responses: large bodies") {
  const std::string body = support::pattern(200'000);
  const auto replies = ask(get_request() + get_request(),
                           [&](Request&, Response& response) { response.send(body); });
  REQUIRE(replies.size() == 2);
  CHECK(replies[1].body == body);
}

TEST_CASE("responses: statuses without a body") {
  for (const Status status : {Status::no_content, Status::not_modified}) {
    std::error_code error;
    const auto replies = ask(get_request() + get_request(), [&](Request&, Response& response) {
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
  ask(get_request(), [&](Request&, Response& response) {
    for (const int number : {0, 99, 100, 101, 199, 1000}) {
      CHECK(response.set_status(static_cast<Status>(number)) == Errc::invalid_status);
    }
    CHECK(!response.set_status(Status{299}));
  });
  CHECK(ask(get_request(), [&](Request&, Response& response) { response.set_status(Status{299}); })
            .at(0)
            .head.starts_with("HTTP/1.1 299 \r\n"));
}

TEST_CASE("responses: a body that is written is chunked") {
  support::PieceStream stream{{get_request() + get_request()}};
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
  const auto replies = ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get_request(),
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
  const auto replies = ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get_request());
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].field("Connection") == "keep-alive");
}

TEST_CASE("responses: a length that was announced") {
  const auto write = [](std::uint64_t length, std::string_view text) {
    return send_pieces({get_request()}, [&](Request&, Response& response) {
      CHECK(!response.set_content_length(length));
      response.write(text);
    });
  };
  CHECK(write(5, "hello").ends_with("Content-Length: 5\r\n\r\nhello"));
  CHECK(write(6, "hello").ends_with("hello"));  // and then it is cut
  CHECK(!write(4, "hello").ends_with("hello"));
  send_pieces({get_request()}, [&](Request&, Response& response) {
    response.set_content_length(5);
    CHECK(response.send("four") == Errc::wrong_length);
    response.write("hell");
    CHECK(response.write("oo") == Errc::wrong_length);
    CHECK(response.end() == Errc::wrong_length);
  });
}

TEST_CASE("responses: HEAD has no body") {
  const std::string head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
  const support::File file{"0123456789"};
  const std::vector<Handler> handlers{
      [](Request&, Response& response) { response.send("hello"); },
      [](Request&, Response& response) { response.send(std::string(100'000, 'x')); },
      [](Request&, Response& response) { response.write("hello"), response.write("!"); },
      [](Request&, Response& response) { response.set_content_length(7); },
      [&](Request&, Response& response) { response.send_file(file.descriptor(), 2, 5); },
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
  const support::File file{text};
  auto replies = ask(get_request() + get_request(), [&](Request&, Response& response) {
    CHECK(!response.send_file(file.descriptor(), 1000, 50'000));
    CHECK(response.is_complete());
  });
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].body == text.substr(1000, 50'000));
  replies = ask(get_request() + get_request(), [&](Request&, Response& response) {
    response.write("before ");
    CHECK(!response.send_file(file.descriptor(), 0, 10));
    CHECK(!response.send_file(file.descriptor(), 0, 0));
    response.write(" after");
  });
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].body == "before " + text.substr(0, 10) + " after");
  std::error_code error;
  const std::string sent =
      send_pieces({get_request() + get_request()}, [&](Request&, Response& response) {
        error = response.send_file(file.descriptor(), 0, 100'001);
      });
  CHECK(error == evcoro::Errc::file_too_short);
  CHECK(sent.ends_with(text));  // and nothing behind
}

TEST_CASE("responses: fields can't split the response") {
  const auto replies = ask(get_request(), [&](Request&, Response& response) {
    Fields& fields = response.fields();
    CHECK(fields.set("A", "b\r\nEvil: c") == Errc::invalid_field_value);
    CHECK(fields.set("A", "b\nEvil: c") == Errc::invalid_field_value);
    CHECK(fields.add("A", std::string_view{"b\0c", 3}) == Errc::invalid_field_value);
    CHECK(fields.set("A\r\nEvil", "c") == Errc::invalid_field_name);
    CHECK(fields.set("A ", "c") == Errc::invalid_field_name);
    CHECK(fields.set("", "c") == Errc::invalid_field_name);
    for (const char* name : {"Content-Length", "transfer-encoding", "Connection"}) {
      CHECK(fields.set(name, "1") == Errc::reserved_field);
      CHECK(response.trailers().add(name, "1") == Errc::reserved_field);
    }
    CHECK(response.trailers().add("Upgrade", "1") == Errc::reserved_field);
    CHECK(fields.empty());
    response.send("");
  });
  CHECK(replies.at(0).field("Evil").empty());
}

TEST_CASE("responses: protocols can be offered") {
  const Handler demands = [](Request&, Response& response) {
    response.set_status(Status::upgrade_required);
    CHECK(!response.fields().set("Upgrade", "websocket"));
    response.send("");
  };
  const auto connections = [](const support::Reply& reply) {
    std::string all;
    std::string_view rest = reply.head;
    constexpr std::string_view name = "\r\nConnection: ";
    for (std::size_t at; (at = rest.find(name)) != std::string_view::npos;) {
      rest.remove_prefix(at + name.size());
      all.append(rest.substr(0, rest.find('\r'))).append(";");
    }
    return all;
  };
  const auto kept = ask(get_request() + get_request("/", "Connection: close\r\n"), demands);
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].status == 426);
  CHECK(kept[0].field("Upgrade") == "websocket");
  CHECK(connections(kept[0]) == "Upgrade;");
  CHECK(connections(kept[1]) == "Upgrade;close;");
  const auto old = ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", demands);
  CHECK(connections(old.at(0)) == "Upgrade;keep-alive;");

  const std::string sent =
      support::send_pieces({get_request("/", "Connection: Upgrade\r\nUpgrade: echo\r\n")},
                           [](Request&, Response& response) {
                             CHECK(!response.fields().set("Upgrade", "other"));
                             CHECK(response.upgrade("echo"));
                           });
  CHECK(sent.find("Upgrade: echo\r\n") != std::string::npos);
  CHECK(sent.find("other") == std::string::npos);
}

TEST_CASE("responses: server and date can be set") {
  const auto replies =
      ask(get_request() + get_request(),
          [&](Request&, Response& response) { response.fields().set("Date", "today"); },
          {.server = "evcoro\r\n"});
  CHECK(replies.at(0).field("Date") == "today");
  CHECK(replies.at(1).field("Server") == "evcoro");
}

TEST_CASE("responses: fields that are assigned can't change the framing either") {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n"
      "A: b\r\n\r\n0\r\n\r\n";
  const auto replies = ask(text + text, [&](Request& request, Response& response) {
    response.fields() = request.fields();
    CHECK(response.fields().size() == 2);
    Fields own;
    CHECK(!own.add("Content-Length", "7"));
    CHECK(!own.add("Upgrade", "h2c"));
    CHECK(!own.add("C", "d"));
    response.fields() = own;
    CHECK(response.fields().size() == 1);
    response.fields() = request.fields();
    response.trailers() = own;
    CHECK(response.trailers().size() == 1);
    response.trailers() = std::move(own);
    CHECK(response.trailers().size() == 1);
    CHECK(response.fields().set("Content-Length", "7") == Errc::reserved_field);
    response.write("hello");
  });
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].field("A") == "b");
  CHECK(replies[0].body == "hello");
  CHECK(replies[0].trailers == "C: d\r\n");
  CHECK(replies[0].field("Connection").empty());
}
