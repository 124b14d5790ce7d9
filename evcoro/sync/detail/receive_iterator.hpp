// ReceiveIterator: range-for over what is received from a Source, until an error.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace evcoro::detail {

template <class Source, class T>
class ReceiveIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = T*;
  using reference = T&;

  explicit ReceiveIterator(Source& source) : source_(&source) { ++*this; }
  T& operator*() const noexcept { return *value_; }
  T* operator->() const noexcept { return &*value_; }
  ReceiveIterator& operator++() {
    value_.reset();
    if (auto received = source_->receive()) value_.emplace(std::move(*received));
    return *this;
  }
  bool operator==(std::default_sentinel_t) const noexcept { return !value_; }

 private:
  Source* source_;
  mutable std::optional<T> value_;
};

}  // namespace evcoro::detail
