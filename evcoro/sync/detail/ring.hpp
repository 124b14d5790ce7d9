// Ring<T>: a queue with a fixed capacity, whose memory is allocated once.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace evcoro::detail {

template <class T>
class Ring {
 public:
  explicit Ring(std::size_t capacity)
      : capacity_(capacity), slots_(capacity == 0 ? nullptr : new Slot[capacity]) {}
  ~Ring() {
    while (size_ != 0) drop_first();
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool is_full() const noexcept { return size_ == capacity_; }

  // push() moves from value, unless it returns false: the ring is full.
  bool push(T& value) noexcept {
    if (is_full()) return false;
    const std::size_t end = first_ + size_;
    new (slots_[end < capacity_ ? end : end - capacity_].bytes) T(std::move(value));
    ++size_;
    return true;
  }

  // pop() moves the oldest to value; false if there is none.
  bool pop(std::optional<T>& value) noexcept {
    if (size_ == 0) return false;
    value.emplace(std::move(first()));
    drop_first();
    return true;
  }

  // first() is the oldest, if there is one.
  T& first() noexcept { return *std::launder(reinterpret_cast<T*>(slots_[first_].bytes)); }

  void drop_first() noexcept {
    first().~T();
    if (++first_ == capacity_) first_ = 0;
    --size_;
  }

 private:
  struct Slot {
    alignas(T) std::byte bytes[sizeof(T)];  // NOLINT(bugprone-sizeof-expression): may be a pointer
  };

  const std::size_t capacity_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  const std::unique_ptr<Slot[]> slots_;
};

}  // namespace evcoro::detail
