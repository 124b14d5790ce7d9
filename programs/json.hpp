// JsonWriter: writes JSON (RFC 8259), member by member.
//
//   JsonWriter json;
//   json.begin('{').member("name", "echo").begin("loops", '[');
//   json.element(1).element(2).end(']').end('}');
//   json.text()                                          // {"name":"echo","loops":[1,2]}
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace programs {

class JsonWriter {
 public:
  // begin() begins an object or an array: the whole, an element, or a member.
  JsonWriter& begin(char bracket) {
    separate();
    text_ += bracket;
    is_first_ = true;
    return *this;
  }
  JsonWriter& begin(std::string_view name, char bracket) {
    add_name(name);
    is_first_ = true;
    return begin(bracket);
  }
  JsonWriter& end(char bracket) {
    text_ += bracket;
    is_first_ = false;
    return *this;
  }

  JsonWriter& element(const auto& value) {
    separate();
    add(value);
    return *this;
  }
  JsonWriter& member(std::string_view name, const auto& value) {
    add_name(name);
    add(value);
    return *this;
  }

  const std::string& text() const noexcept { return text_; }

 private:
  void separate() {
    if (!is_first_) text_ += ',';
    is_first_ = false;
  }

  void add_name(std::string_view name) {
    separate();
    add(name);
    text_ += ':';
  }

  void add(bool value) { text_ += value ? "true" : "false"; }
  void add(std::unsigned_integral auto value) { text_ += std::to_string(value); }

  // Numbers are told to a thousandth.
  void add(double value) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), std::round(value * 1000) / 1000);
    text_.append(digits.begin(), end.ptr);
  }

  void add(std::string_view value) {
    text_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    text_ += '"';
  }
  void add(const char* value) { add(std::string_view{value}); }

  std::string text_;
  bool is_first_ = true;
};

}  // namespace programs
