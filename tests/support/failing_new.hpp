// FailingNew: an operator new that finds no memory, once, at a call that the test chooses.
//
//   support::fail_each_new([&](support::FailingNew& failing) {
//     const auto error = failing.run([&] { return operation(); });   // nullopt: std::bad_alloc
//     REQUIRE(...);                                                  // whatever has failed
//   });
//
// It counts the calls of its own OS thread alone. Under Valgrind, and with ThreadSanitizer, which
// have an operator new of their own, a test that needs it is skipped.
#pragma once

#include <new>
#include <optional>
#include <type_traits>

#include <support/catch.hpp>

namespace support {

class FailingNew {
 public:
  explicit FailingNew(int number) noexcept : number_(number) {}

  // run() calls function, in which the number'th call of operator new, counted from one, fails; and
  // returns what it returns, or nothing (for a function that returns nothing, false) if it throws
  // std::bad_alloc.
  template <class Function>
  auto run(Function&& function) {
    using T = std::invoke_result_t<Function&>;
    const Armed armed{*this};
    if constexpr (std::is_void_v<T>) {
      try {
        return function(), true;
      } catch (const std::bad_alloc&) {
        return false;
      }
    } else {
      try {
        return std::optional<T>{function()};
      } catch (const std::bad_alloc&) {
        return std::optional<T>{};
      }
    }
  }

  // has_failed() says whether there were so many calls.
  bool has_failed() const noexcept { return has_failed_; }

 private:
  class Armed {
   public:
    explicit Armed(FailingNew& it) noexcept;
    ~Armed();
    Armed(const Armed&) = delete;
    Armed& operator=(const Armed&) = delete;

   private:
    FailingNew& it_;
  };

  const int number_;
  bool has_failed_ = false;
};

// skip_without_failing_new() skips the test where operator new is not ours.
void skip_without_failing_new();

// fail_each_new() calls test with the first call of operator new to fail, then with the second, and
// so on until none has failed. Returns how many did.
template <class Test>
int fail_each_new(Test&& test) {
  constexpr int limit = 1000;
  skip_without_failing_new();
  for (int number = 1; number <= limit; ++number) {
    FailingNew failing{number};
    test(failing);
    if (!failing.has_failed()) return number - 1;
  }
  FAIL("an operation allocated more than " << limit << " times");
  return limit;
}

}  // namespace support
