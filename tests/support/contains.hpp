// contains("...") matches a text that has this part, in either version of the test framework.
//
//   REQUIRE_THAT(ended.output, support::contains("stack overflow"));
#pragma once

#include <string>

#include <support/catch.hpp>

namespace support {

inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

// message_of() calls function and returns what the std::exception says that it throws, or "" if it
// throws none.
template <class Function>
std::string message_of(Function&& function) {
  try {
    function();
  } catch (const std::exception& exception) {
    return exception.what();
  }
  return "";
}

}  // namespace support
