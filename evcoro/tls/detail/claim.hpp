// Claim is the right to read, or to write, of one thread at a time.
//
//   const Claim reading{is_reading_};
//   if (!reading) return Errc::second_reader;
#pragma once

#include <utility>

namespace evcoro::detail {

class Claim {
 public:
  explicit Claim(bool& is_taken) noexcept
      : is_taken_(std::exchange(is_taken, true) ? nullptr : &is_taken) {}
  ~Claim() {
    if (is_taken_ != nullptr) *is_taken_ = false;
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  explicit operator bool() const noexcept { return is_taken_ != nullptr; }

 private:
  bool* is_taken_;  // nullptr: another thread has it
};

}  // namespace evcoro::detail
