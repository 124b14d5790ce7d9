// Identity: who a coroutine or thread is, and where it comes from. It is what a person sees in
// lists and reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <stacks/export.hpp>

namespace evcoro::corothread {

// SourceLocation is a place in a source file: std::source_location, which clang 14 lacks, as far as
// it is needed here.
struct SourceLocation {
  const char* file;
  std::uint32_t line;

  // current() as a default argument or default member initializer is the place of the call.
  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          std::uint32_t line = __builtin_LINE()) noexcept {
    return {file, line};
  }
};

// Origin names a coroutine when it is made. The name may be empty; it is copied, and cut to
// Identity::name_size characters.
struct Origin {
  std::string_view name = {};
  SourceLocation where = SourceLocation::current();
};

class EVCORO_API Identity {
 public:
  static constexpr std::size_t name_size = 31;

  explicit Identity(const Origin& origin) noexcept;
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  // id() is unique in the process and never 0.
  std::uint64_t id() const noexcept { return id_; }
  std::string_view name() const noexcept { return name_; }
  // file() and line() are where it was spawned.
  const char* file() const noexcept { return where_.file; }
  std::uint32_t line() const noexcept { return where_.line; }

 private:
  std::uint64_t id_;
  SourceLocation where_;
  char name_[name_size + 1];
};

}  // namespace evcoro::corothread
