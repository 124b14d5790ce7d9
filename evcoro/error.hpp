// Errors: what the library reports beyond errno. System errors are std::error_codes that compare
// with std::errc; misuse of a kind that can be survived has codes of its own, whose message says
// what to do.
//
//   if (result.error == std::errc::timed_out) ...
//   if (result.error == evcoro::Errc::second_reader) ...
#pragma once

#include <system_error>
#include <type_traits>

#include <corothread/task.hpp>
#include <stacks/export.hpp>

namespace evcoro {

using corothread::CancelReason;

// Each is equivalent to the errno in brackets, which is what the C face sets.
enum class Errc {
  not_in_a_thread = 1,  // [EPERM] a blocking call outside a coroutine thread
  wrong_loop,           // [EXDEV] an object of one loop used by a thread of another
  second_reader,        // [EBUSY] two threads read one socket at once
  second_writer,        // [EBUSY] two threads write one socket at once
  mixed_registration,   // [EEXIST] the application has a level-triggered event on the descriptor
  no_loop,              // [ENXIO] the loop of this object has been destroyed
  loop_shutting_down,   // [ECANCELED] Loop::shutdown() is under way: nothing new is spawned
  not_the_owner,        // [EPERM] a Timer waited for by another thread than its own
  parents_loop,         // [ECHILD] in a child process, an object of a loop of the parent
  no_address,           // [EINVAL] a text that is no numeric address
};
EVCORO_API const std::error_category& error_category() noexcept;
inline std::error_code make_error_code(Errc error) noexcept {
  return {static_cast<int>(error), error_category()};
}

namespace detail {

// system_error() is errno, or the number given, as an error_code.
EVCORO_API std::error_code system_error() noexcept;
inline std::error_code system_error(int number) noexcept {
  return {number, std::generic_category()};
}

// no_error is std::error_code{}, which takes a function call to make.
extern EVCORO_API const std::error_code no_error;

// to_error() is what a blocking call returns for the way in which its thread was woken.
inline std::error_code to_error(corothread::Wake wake) noexcept {
  if (wake == corothread::Wake::ready) [[likely]]
    return no_error;
  return std::make_error_code(wake == corothread::Wake::timed_out ? std::errc::timed_out
                                                                  : std::errc::operation_canceled);
}

}  // namespace detail
}  // namespace evcoro

template <>
struct std::is_error_code_enum<evcoro::Errc> : std::true_type {};
