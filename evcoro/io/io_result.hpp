// IoResult: what an operation that transfers bytes returns.
#pragma once

#include <cstddef>
#include <system_error>

namespace evcoro {

// IoResult is how many bytes were transferred, and why not more: both at once, since a send can
// fail half way. End of file is no error: recv() then returns a count of 0.
struct [[nodiscard]] IoResult {
  std::size_t count = 0;
  std::error_code error = {};

  explicit operator bool() const noexcept { return !error; }
};

}  // namespace evcoro
