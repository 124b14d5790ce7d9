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
  mixed_registration,   // [EEXIST] the event_base has an event of another kind on the descriptor
  no_loop,              // [ENXIO] the loop of this object has been destroyed
  loop_shutting_down,   // [ECANCELED] Loop::shutdown() is under way: nothing new is spawned
  not_the_owner,        // [EPERM] a Timer waited for by another thread than its own
  parents_loop,         // [ECHILD] in a child process, an object of a loop of the parent
  no_address,           // [EINVAL] a text that is no numeric address
  second_waiter,        // [EBUSY] two threads wait for one event at once
  not_pollable,         // [EPERM] a file or directory, which can't be waited for
  end_of_file,          // [ENODATA] the stream has ended, and nothing is left of it
  unexpected_end,       // [EBADMSG] the stream has ended within what was to be read
  too_long,             // [EMSGSIZE] more than the limit of a BufferedReader
  queue_full,           // [EAGAIN] a WorkerPool's queue is full, and it was not to be waited for
  parents_pool,         // [ECHILD] in a child process, a WorkerPool of the parent
  no_such_option,       // [ENOPROTOOPT] a socket of this kind doesn't have this option
  bad_option_value,     // [EINVAL] a value that this option can't have
  file_too_short,       // [ENODATA] the file ends before what is to be sent of it does
  descriptors_lost,     // [EMSGSIZE] more descriptors arrived than there was room for
  channel_closed,       // [EPIPE] a Channel or Broadcast is closed, and for a receiver: empty
  subscriber_too_slow,  // [ENOBUFS] a Subscription with Slow::disconnect had no room, once
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
