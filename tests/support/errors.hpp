// Errors counts what goes wrong in other OS threads, where the framework's macros must not be used.
//
//   support::Errors errors;
//   support::OsThread other{[&] { errors.none(channel.send(1)); }};
//   other.join();
//   REQUIRE(!errors.any());
#pragma once

#include <atomic>
#include <system_error>

namespace support {

class Errors {
 public:
  void check(bool is_right) noexcept {
    if (!is_right) ++count_;
  }
  void none(std::error_code error) noexcept { check(!error); }
  bool any() const noexcept { return count_ != 0; }

 private:
  std::atomic<int> count_{0};
};

}  // namespace support
