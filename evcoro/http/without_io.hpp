// HTTP/1 for who receives and sends the bytes himself, in a program of callbacks or of OS threads:
// RequestParser reads the heads of requests, append_response() writes answers. Nothing blocks, and
// no loop is needed.
//
//   evcoro::http::RequestParser parser;              // one a connection, or one for many in turns
//   parser.start();
//   switch (parser.read(text)) {                     // text: all that has come of the request
//     case RequestParser::State::more: ...           // again, with more text behind it
//     case RequestParser::State::failed:
//       append_response(out, parser, {.status = parser.failure()});
//       ...                                          // and the end of the connection
//     case RequestParser::State::whole:
//       append_response(out, parser, {.body = "hello\n"});
//       text.remove_prefix(parser.head_size());      // then the next, if parser.keeps_alive()
//   }
//
// The parser is the one of serve(), as strict, with the same limits of a head. Deadlines are the
// program's, and bodies of requests, too: their length is told, but nothing reads chunks.
//
// One OS thread at a time uses a parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <evcoro/http/fields.hpp>
#include <evcoro/http/limits.hpp>
#include <evcoro/http/method.hpp>
#include <evcoro/http/status.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

class EVCORO_API RequestParser {
 public:
  enum class State : std::uint8_t {
    more,    // of the head is needed
    whole,   // the head is there
    failed,  // failure() is the answer, and the end
  };

  // Throws std::bad_alloc.
  explicit RequestParser(const Limits& limits = {});
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // start() begins with a request.
  void start() noexcept;

  // read() reads what is new in text, which begins where the head does, and may go on behind it.
  // From one call to the next it grows, and may move. When the head is whole, read() is not to be
  // called before start(), and the text not to move. An empty line before a request, which serve()
  // passes over, is the caller's to leave out.
  State read(std::string_view text) noexcept;

  // These are of a head that is whole, and as Request's: views into the text.
  std::size_t head_size() const noexcept;
  Method method() const noexcept;
  std::string_view target() const noexcept;
  std::string_view path() const noexcept;
  std::string_view query() const noexcept;
  std::string_view host() const noexcept;
  int minor_version() const noexcept;
  const Fields& fields() const noexcept;
  bool has_body() const noexcept;
  std::optional<std::uint64_t> content_length() const noexcept;

  // keeps_alive() says whether the client wants a further request on its connection; false of a
  // head that has failed.
  bool keeps_alive() const noexcept;

  // failure() is the status for what has failed, none as long as nothing has.
  Status failure() const noexcept;

 private:
  struct Reading;
  std::unique_ptr<Reading> reading_;
};

// WholeResponse is an answer: all of it views.
struct WholeResponse {
  Status status = Status::ok;
  std::string_view body = {};
  const Fields* fields = nullptr;  // none of those that a Response refuses as its own
  bool closes = false;             // the connection, though the client wants to keep it
};

// append_response() appends response to out, with what Response adds: Date, unless there is one,
// Content-Length, and Connection where it is needed. The body is left out for HEAD, 204 and 304.
// request has a head that is whole or has failed. Throws std::bad_alloc.
EVCORO_API void append_response(std::string& out, const RequestParser& request,
                                const WholeResponse& response);

}  // namespace evcoro::http
