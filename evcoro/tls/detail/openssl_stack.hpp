// on_openssl_stack() runs what calls OpenSSL on a stack of its own, of which each loop has one: its
// calls take some 10 KiB (see the README; a test bounds it), and none of them blocks. So the stacks
// of connections stay small, whose pages would stay resident, and the one that is used is in the
// cache.
#pragma once

#include <cstddef>
#include <memory>
#include <system_error>
#include <type_traits>

namespace evcoro::detail {

// run_on_openssl_stack() calls function(argument), which must not throw. size is that of the stack;
// 0 is the caller's, and so is it outside of a loop's threads. Errors: those of StackPool::take();
// then function was not called.
std::error_code run_on_openssl_stack(std::size_t size, void (*function)(void*) noexcept,
                                     void* argument) noexcept;

template <class Function>
std::error_code on_openssl_stack(std::size_t size, Function&& function) noexcept {
  using F = std::remove_reference_t<Function>;
  const auto call = [](void* argument) noexcept { (*static_cast<F*>(argument))(); };
  return run_on_openssl_stack(size, call, std::addressof(function));
}

}  // namespace evcoro::detail
