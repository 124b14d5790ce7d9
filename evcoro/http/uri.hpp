// What is in a target: percent-encoded text, and the parameters of a query.
//
//   Result<std::string> name = percent_decode("caf%C3%A9");
//   for (const auto [name, value] : QueryParameters{request.query()}) ...    // as they are
//   std::optional<std::string> page = QueryParameters{request.query()}.get("page");   // decoded
//
// All of it is values, and may be used anywhere.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include <evcoro/result.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

// percent_decode() replaces each "%XX" by the byte; what is no such number is Errc::malformed.
// percent_encode() is the reverse: all but letters, digits and "-._~" is encoded.
EVCORO_API Result<std::string> percent_decode(std::string_view text);
EVCORO_API std::string percent_encode(std::string_view text);

// QueryParameters are those of a query such as "page=2&q=a+b", or of a form's body. The text must
// stay as long.
class EVCORO_API QueryParameters {
 public:
  struct Parameter {
    std::string_view name;   // as they are: encoded
    std::string_view value;  // "" without a "="
  };

  explicit QueryParameters(std::string_view query) noexcept : query_(query) {}

  // get() is the value of the first with this name, decoded, a "+" as a space. One that can't be
  // decoded is passed over.
  std::optional<std::string> get(std::string_view name) const;

  class EVCORO_API Iterator {
   public:
    using value_type = Parameter;
    using difference_type = std::ptrdiff_t;

    Iterator() noexcept = default;
    explicit Iterator(std::string_view rest) noexcept : rest_(rest) { skip(); }
    Parameter operator*() const noexcept;
    Iterator& operator++() noexcept;
    Iterator operator++(int) noexcept {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
      return a.rest_.size() == b.rest_.size();
    }

   private:
    void skip() noexcept;  // empty ones
    std::string_view rest_;
  };
  Iterator begin() const noexcept { return Iterator{query_}; }
  Iterator end() const noexcept { return Iterator{}; }

 private:
  std::string_view query_;
};

}  // namespace evcoro::http
