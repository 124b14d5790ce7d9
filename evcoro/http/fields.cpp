#include <evcoro/http/fields.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <utility>

#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http {
namespace {

using detail::equals_ignoring_case;

constexpr std::array<std::string_view, 5> reserved_names{
    "Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding"};

bool is_reserved(std::string_view name) noexcept {
  return std::ranges::any_of(reserved_names, [&](std::string_view reserved) {
    return equals_ignoring_case(name, reserved);
  });
}

// And what a response may offer, but not pass on from elsewhere.
bool is_of_connection(std::string_view name) noexcept {
  return is_reserved(name) || equals_ignoring_case(name, "Upgrade");
}

}  // namespace

Fields::Fields(const Fields& other) : guard_(other.guard_) {
  for (const Field field : other) {
    const auto at = static_cast<std::uint32_t>(text_.size());
    text_.append(field.name).append(field.value);
    const auto name_size = static_cast<std::uint32_t>(field.name.size());
    entries_.push_back(
        {at, name_size, at + name_size, static_cast<std::uint32_t>(field.value.size())});
  }
}

Fields& Fields::operator=(const Fields& other) {
  if (this != &other) *this = Fields{other};
  return *this;
}

// Whether they are guarded is a matter of whose they are.
Fields& Fields::operator=(Fields&& other) noexcept {
  entries_ = std::move(other.entries_);
  text_ = std::move(other.text_);
  borrowed_ = other.borrowed_;
  if (guard_ == detail::Guard::none) return *this;
  std::erase_if(entries_, [&](const detail::FieldEntry& entry) {
    return is_of_connection({text() + entry.name, entry.name_size});
  });
  return *this;
}

bool Fields::refuses(std::string_view name) const noexcept {
  switch (guard_) {
    case detail::Guard::none:
      return false;
    case detail::Guard::response:
      return is_reserved(name);
    case detail::Guard::all:
      break;
  }
  return is_of_connection(name);
}

std::optional<std::string_view> Fields::get(std::string_view name) const noexcept {
  for (const Field field : *this) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Fields::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      *this, [&](const Field& field) { return equals_ignoring_case(field.name, name); }));
}

std::error_code Fields::check(std::string_view name, std::string_view value) const noexcept {
  if (!detail::is_token(name)) return Errc::invalid_field_name;
  if (!detail::is_field_value(value)) return Errc::invalid_field_value;
  if (refuses(name)) return Errc::reserved_field;
  return {};
}

std::error_code Fields::add(std::string_view name, std::string_view value) {
  value = detail::trim(value);
  if (const auto error = check(name, value)) return error;
  append(name, value);
  return {};
}

std::error_code Fields::set(std::string_view name, std::string_view value) {
  value = detail::trim(value);
  if (const auto error = check(name, value)) return error;
  const bool replaces = contains(name);
  append(name, value);
  if (replaces) erase_namesakes_of_last();
  return {};
}

void Fields::erase_namesakes_of_last() noexcept {
  const std::string_view name = (*this)[size() - 1].name;
  const auto last = std::prev(entries_.end());
  const auto is_namesake = [&](const detail::FieldEntry& entry) {
    return equals_ignoring_case({text() + entry.name, entry.name_size}, name);
  };
  entries_.erase(std::remove_if(entries_.begin(), last, is_namesake), last);
}

// All is as it was if memory doesn't suffice.
void Fields::append(std::string_view name, std::string_view value) {
  if (is_own(name) || is_own(value)) return append(std::string{name}, std::string{value});
  own_text();
  text_.reserve(text_.size() + name.size() + value.size());
  const auto at = static_cast<std::uint32_t>(text_.size());
  const auto name_size = static_cast<std::uint32_t>(name.size());
  entries_.push_back({at, name_size, at + name_size, static_cast<std::uint32_t>(value.size())});
  text_.append(name).append(value);
}

std::size_t Fields::erase(std::string_view name) {
  return std::erase_if(entries_, [&](const detail::FieldEntry& entry) {
    return equals_ignoring_case({text() + entry.name, entry.name_size}, name);
  });
}

void Fields::clear() noexcept {
  entries_.clear();
  text_.clear();
  borrowed_ = nullptr;
}

// What lies in the text itself would move with it.
bool Fields::is_own(std::string_view part) const noexcept {
  const std::less_equal<> before;
  return before(text_.data(), part.data()) && before(part.data(), text_.data() + text_.size());
}

void Fields::own_text() {
  if (borrowed_ != nullptr) *this = Fields{*this};
}

}  // namespace evcoro::http
