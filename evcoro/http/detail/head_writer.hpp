// HeadWriter: writes the head of a response behind what a string has already.
//
//   HeadWriter writer{out, HeadWriter::room + HeadWriter::size_of(fields)};
//   writer.status_line(Status::ok);
//   writer.fields(fields);
//   writer.text("\r\n");
//
// There is room for all of it from the beginning: memory that doesn't suffice leaves no half of a
// head.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <evcoro/http/fields.hpp>
#include <evcoro/http/status.hpp>

namespace evcoro::http::detail {

class HeadWriter {
 public:
  // room is enough for a status line, Date, and what the library says of body and connection.
  static constexpr std::size_t room = 320;

  // size_of() is how many bytes fields() writes, or more.
  static std::size_t size_of(const Fields& fields) noexcept {
    std::size_t size = 0;
    for (const auto [name, value] : fields) size += name.size() + value.size() + 4;
    return size;
  }

  // No more than most bytes will be written. Throws std::bad_alloc.
  HeadWriter(std::string& out, std::size_t most) : out_(out) {
    const std::size_t size = out.size();
    out.resize(size + most);
    at_ = out.data() + size;
  }
  ~HeadWriter() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }
  HeadWriter(const HeadWriter&) = delete;
  HeadWriter& operator=(const HeadWriter&) = delete;

  // Inline, so that what is a constant needs no call.
  [[gnu::always_inline]] void text(std::string_view text) noexcept {
    at_ = std::copy(text.begin(), text.end(), at_);
  }
  void number(std::uint64_t number) noexcept {
    constexpr std::size_t most_digits = 20;
    at_ = std::to_chars(at_, at_ + most_digits, number).ptr;
  }
  void status_line(Status status) noexcept {
    text("HTTP/1.1 ");
    number(static_cast<std::uint64_t>(status));
    text(" ");
    text(reason_phrase(status));
    text("\r\n");
  }
  void field(std::string_view name, std::string_view value) noexcept {
    text(name);
    text(": ");
    text(value);
    text("\r\n");
  }
  // clean_field() leaves out what could split the response.
  void clean_field(std::string_view name, std::string_view value) noexcept {
    text(name);
    text(": ");
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      *at_ = c;
      at_ += byte >= 0x20 && byte != 0x7f ? 1 : 0;
    }
    text("\r\n");
  }
  void fields(const Fields& fields) noexcept {
    for (const auto [name, value] : fields) field(name, value);
  }
  void content_length(std::uint64_t length) noexcept {
    text("Content-Length: ");
    number(length);
    text("\r\n");
  }

  // end() says what becomes of the connection: HTTP/1.0 closes it unless it is told otherwise.
  void end(bool closes, bool is_old) noexcept {
    if (closes) text("Connection: close\r\n");
    if (!closes && is_old) text("Connection: keep-alive\r\n");
    text("\r\n");
  }

 private:
  std::string& out_;
  char* at_;
};

}  // namespace evcoro::http::detail
