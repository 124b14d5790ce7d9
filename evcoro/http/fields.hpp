// Fields: the header fields of a message, or its trailers, in their order; names don't mind case,
// and may be there several times.
//
//   if (const auto type = request.fields().get("Content-Type")) ...
//   for (const auto [name, value] : request.fields()) ...
//
//   if (const auto error = response.fields().set("Location", url)) ...   // refuses line breaks
//
// Those of a request are views into the connection's buffer: good as long as the request, and not
// copied one by one. All others, and copies, own their text; views of these are good until they are
// changed. Of what is assigned to those of a response all is left out that they refuse, and
// Upgrade, which is about the connection that it comes from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {

// FieldEntry is where a field is in its text.
struct FieldEntry {
  std::uint32_t name = 0;
  std::uint32_t name_size = 0;
  std::uint32_t value = 0;
  std::uint32_t value_size = 0;
};

class FieldsAccess;

// Guard is what fields refuse, since the library itself sets it.
enum class Guard : std::uint8_t {
  none,
  response,  // Connection and what is about lengths; but they may have Upgrade, to offer it
  all,       // and Upgrade
};

}  // namespace detail

class EVCORO_API Fields {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  Fields() noexcept = default;
  Fields(const Fields& other);
  Fields& operator=(const Fields& other);
  Fields(Fields&&) noexcept = default;
  Fields& operator=(Fields&& other) noexcept;
  ~Fields() = default;

  std::size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  Field operator[](std::size_t index) const noexcept {
    const detail::FieldEntry& entry = entries_[index];
    return {{text() + entry.name, entry.name_size}, {text() + entry.value, entry.value_size}};
  }

  class Iterator {
   public:
    using value_type = Field;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using reference = Field;
    using pointer = void;

    Iterator() noexcept = default;
    Iterator(const Fields& fields, std::size_t index) noexcept : fields_(&fields), index_(index) {}
    Field operator*() const noexcept { return (*fields_)[index_]; }
    Iterator& operator++() noexcept { return ++index_, *this; }
    Iterator operator++(int) noexcept { return {*fields_, index_++}; }
    friend bool operator==(const Iterator&, const Iterator&) noexcept = default;

   private:
    const Fields* fields_ = nullptr;
    std::size_t index_ = 0;
  };
  Iterator begin() const noexcept { return {*this, 0}; }
  Iterator end() const noexcept { return {*this, size()}; }

  // get() is the value of the first with this name; get_or() another one if there is none.
  std::optional<std::string_view> get(std::string_view name) const noexcept;
  std::string_view get_or(std::string_view name, std::string_view otherwise = {}) const noexcept {
    return get(name).value_or(otherwise);
  }
  bool contains(std::string_view name) const noexcept { return get(name).has_value(); }
  std::size_t count(std::string_view name) const noexcept;

  // add() puts a field behind the others; set() does, in place of all that have its name. Blanks
  // around the value are left out. Errors, with all as it was: Errc::invalid_field_name,
  // invalid_field_value, and, of a response's, reserved_field. They throw std::bad_alloc.
  std::error_code add(std::string_view name, std::string_view value);
  std::error_code set(std::string_view name, std::string_view value);

  // erase() removes all with this name, and returns how many there were.
  std::size_t erase(std::string_view name);
  void clear() noexcept;

 private:
  friend class detail::FieldsAccess;

  const char* text() const noexcept { return borrowed_ != nullptr ? borrowed_ : text_.data(); }
  bool refuses(std::string_view name) const noexcept;
  std::error_code check(std::string_view name, std::string_view value) const noexcept;
  void append(std::string_view name, std::string_view value);
  void erase_namesakes_of_last() noexcept;
  bool is_own(std::string_view part) const noexcept;
  void own_text();

  std::vector<detail::FieldEntry> entries_;
  std::string text_;
  const char* borrowed_ = nullptr;  // the text, if it is another's
  detail::Guard guard_ = detail::Guard::none;
};

}  // namespace evcoro::http
