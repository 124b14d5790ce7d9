// Parser: llhttp, strictly. It reads the head of a message, and the frames of a chunked body, from
// text that grows in a buffer of the caller's; each byte goes through llhttp once.
//
//   Parser parser{Parser::Kind::request};
//   parser.start(limits, fields);
//   Parser::Found found = parser.read_head(text, head);      // text: all of the head, so far
//   if (found.state == Parser::State::more) ...              // again, with more text behind it
//   if (found.state == Parser::State::failed) answer(parser.failure());
//   ...                                                      // found.size: of the head
//
// For a chunked body, in turns, text beginning where the one before has ended:
//
//   parser.start_body(trailers);
//   found = parser.read_frame(text);         // "5\r\n", or "\r\n5\r\n", or the last with trailers
//   parser.pass_data(data);                  // of found.state == chunk, until chunk_left() is 0
//
// The callbacks do next to nothing: all that llhttp lets pass is found when the head is whole, see
// head.hpp. The values of fields are not looked at before, either.
#pragma once

#include <llhttp/llhttp.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <evcoro/http/detail/head.hpp>
#include <evcoro/http/fields.hpp>
#include <evcoro/http/limits.hpp>
#include <evcoro/http/status.hpp>
#include <stacks/export.hpp>

namespace evcoro::http::detail {

class EVCORO_API Parser {
 public:
  enum class Kind : std::uint8_t { request, response };
  enum class State : std::uint8_t {
    more,    // is needed
    whole,   // the head, or the body
    chunk,   // the head of one: chunk_left() bytes follow
    failed,  // failure() is the answer
  };
  struct Found {
    State state = State::more;
    std::size_t size = 0;  // of text, that is done with
  };

  explicit Parser(Kind kind) noexcept : kind_(kind) {}
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // start() begins with a message, whose fields, views into the text, go to fields. Throws
  // std::bad_alloc. answers is the method of the request, if it is a response.
  void start(const Limits& limits, Fields& fields, Method answers = Method::get);

  // read_head() reads what is new in text. Once it is whole, text is not to move.
  Found read_head(std::string_view text, Head& head) noexcept;

  // start_body() begins with a chunked body. Throws std::bad_alloc.
  void start_body(Fields& trailers);
  Found read_frame(std::string_view text) noexcept;
  void pass_data(std::string_view data) noexcept;
  std::uint64_t chunk_left() const noexcept { return chunk_left_; }

  // failure() is the status for what has failed; 502 of a response.
  Status failure() const noexcept { return failure_; }

 private:
  static const llhttp_settings_t settings_;
  static int on_field(llhttp_t* machine, const char* at, std::size_t size) noexcept;
  static int pause(llhttp_t* machine) noexcept;
  static Parser& self(llhttp_t* machine) noexcept { return *static_cast<Parser*>(machine->data); }

  // feed() lets llhttp read what is new in text: false if it needs more, or has failed.
  bool feed(std::string_view text) noexcept;
  void prepare(Fields& fields, std::size_t most);
  Found fail(Status status) noexcept;
  Status to_status(llhttp_errno_t error) const noexcept;
  Status check_size(std::size_t size) const noexcept;
  Found check_frame_size(std::size_t size) noexcept;
  Found finish_trailers(std::string_view text) noexcept;
  bool is_chunk_head(std::string_view line) noexcept;

  llhttp_t machine_;
  const Kind kind_;
  Method answers_ = Method::get;
  Status failure_ = Status::none;
  bool is_first_chunk_ = true;
  bool is_in_trailers_ = false;
  bool is_paused_ = false;
  const Limits* limits_ = nullptr;
  Fields* trailers_ = nullptr;
  std::vector<FieldEntry>* entries_ = nullptr;  // where fields go
  std::size_t most_fields_ = 0;
  Fields* fields_ = nullptr;
  std::uint32_t name_end_ = 0;  // of the last field
  const char* text_ = nullptr;  // of the last feed()
  std::size_t fed_ = 0;         // bytes of the text that llhttp has had
  std::size_t last_size_ = 0;   // of the head of the last chunk, before the trailers
  std::size_t extensions_ = 0;  // bytes of all chunks
  std::uint64_t chunk_left_ = 0;
};

}  // namespace evcoro::http::detail
