// Result<T>: a value, or the std::error_code that says why there is none.
//
//   Result<Socket> socket = connect(address, 3s);
//   if (!socket) return socket.error();
//   socket->send(...);
//
// value() is for callers who have no better answer to an error than an exception.
#pragma once

#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <stacks/report.hpp>

namespace evcoro {

// Failure makes an error_code the reason of a Result, also of one whose value is an error_code:
// that of a thread, say, whose function returns what its last call did.
struct Failure {
  std::error_code reason;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : content_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Failure failure) noexcept : content_(std::in_place_index<1>, failure.reason) {}  // NOLINT
  Result(std::error_code error) noexcept                                                  // NOLINT
      requires(!std::is_same_v<T, std::error_code>)
      : Result(Failure{error}) {}
  template <class E>
  requires std::is_error_code_enum_v<E> Result(E error)
  noexcept : Result(Failure{make_error_code(error)}) {}  // NOLINT

  bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // error() is the reason, or no error if there is a value.
  std::error_code error() const noexcept {
    return has_value() ? std::error_code{} : *std::get_if<1>(&content_);
  }

  // value() throws std::system_error if there is none.
  T& value() & { return check(), held(); }
  const T& value() const& { return check(), held(); }
  T&& value() && { return check(), std::move(held()); }

  // operator* and operator-> without a value are a misuse, which terminates.
  T& operator*() & noexcept { return require(), held(); }
  const T& operator*() const& noexcept { return require(), held(); }
  T&& operator*() && noexcept { return require(), std::move(held()); }
  T* operator->() noexcept { return require(), &held(); }
  const T* operator->() const noexcept { return require(), &held(); }

 private:
  void check() const {
    if (!has_value()) throw std::system_error(error());
  }
  void require() const noexcept {
    if (!has_value()) stacks::misuse("a Result without a value was dereferenced; test it first");
  }
  T& held() noexcept { return *std::get_if<0>(&content_); }
  const T& held() const noexcept { return *std::get_if<0>(&content_); }

  std::variant<T, std::error_code> content_;
};

// Result<void> is an error_code that has Result's interface.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() noexcept = default;
  Result(Failure failure) noexcept : error_(failure.reason) {}  // NOLINT: implicit on purpose
  Result(std::error_code error) noexcept : error_(error) {}     // NOLINT: implicit on purpose
  template <class E>
  requires std::is_error_code_enum_v<E> Result(E error)
  noexcept : error_(make_error_code(error)) {}  // NOLINT

  bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  std::error_code error() const noexcept { return error_; }
  void value() const {
    if (error_) throw std::system_error(error_);
  }

 private:
  std::error_code error_;
};

}  // namespace evcoro
