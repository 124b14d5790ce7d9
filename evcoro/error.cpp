#include <evcoro/error.hpp>

#include <cerrno>
#include <string>

namespace evcoro {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "evcoro"; }

  std::string message(int error) const override {
    switch (static_cast<Errc>(error)) {
      case Errc::not_in_a_thread:
        return "a blocking call outside a coroutine thread; make it in a function given to "
               "Loop::spawn()";
      case Errc::wrong_loop:
        return "this belongs to another loop than the calling thread; use it in a thread of its "
               "own loop";
      case Errc::second_reader:
        return "another thread is reading this socket already; one reader at a time";
      case Errc::second_writer:
        return "another thread is writing this socket already; one writer at a time";
      case Errc::mixed_registration:
        return "the event_base has an event of another kind on this descriptor: sockets need "
               "EV_ET, an "
               "IoEvent needs none; delete that event first";
      case Errc::no_loop:
        return "the loop that this belonged to has been destroyed";
      case Errc::loop_shutting_down:
        return "the loop is shutting down and spawns nothing new";
      case Errc::not_the_owner:
        return "a Timer can be waited for only by the thread that made it";
      case Errc::parents_loop:
        return "this belongs to a loop of the parent process; make one in the child";
      case Errc::no_address:
        return "this is no numeric IPv4 or IPv6 address, such as 127.0.0.1:80 or [::1]:80, nor "
               "unix:PATH; names are not looked up";
      case Errc::second_waiter:
        return "another thread is waiting for this already; one waiter at a time";
      case Errc::not_pollable:
        return "a regular file or a directory can't be waited for: it always is ready; read it in "
               "an OS thread";
      case Errc::end_of_file:
        return "the stream has ended";
      case Errc::unexpected_end:
        return "the stream has ended within what was to be read; what there is of it is buffered";
      case Errc::too_long:
        return "what was to be read is longer than the reader's limit; raise that, or give up";
      case Errc::queue_full:
        return "the queue of the WorkerPool is full; try again later, wait (QueuePolicy::wait), or "
               "give the pool more workers or a longer queue";
      case Errc::parents_pool:
        return "the workers of this WorkerPool are in the parent process; make one in the child, "
               "or use WorkerPool::shared()";
      case Errc::no_such_option:
        return "a socket of this kind doesn't have this option; of TCP's, only TCP sockets do, and "
               "of IP's, those of that version";
      case Errc::bad_option_value:
        return "the option can't have this value on this socket; it is out of range, or comes too "
               "late or too early";
      case Errc::file_too_short:
        return "the file ends before as much as was to be sent of it; the count says how much was";
      case Errc::descriptors_lost:
        return "more descriptors arrived than there was room for, and all were closed; receive "
               "with room for as many as the sender sends";
      case Errc::channel_closed:
        return "the channel is closed; who receives has got all that was in it";
      case Errc::subscriber_too_slow:
        return "this subscription had no room for a message, and has got none since; receive "
               "sooner, give it more capacity or another policy (Slow), or subscribe again";
    }
    return "unknown error";
  }

  std::error_condition default_error_condition(int error) const noexcept override {
    switch (static_cast<Errc>(error)) {
      case Errc::not_in_a_thread:
      case Errc::not_the_owner:
      case Errc::not_pollable:
        return std::errc::operation_not_permitted;
      case Errc::second_reader:
      case Errc::second_writer:
      case Errc::second_waiter:
        return std::errc::device_or_resource_busy;
      case Errc::mixed_registration:
        return std::errc::file_exists;
      case Errc::loop_shutting_down:
        return std::errc::operation_canceled;
      case Errc::wrong_loop:
        return std::errc::cross_device_link;
      case Errc::no_loop:
        return std::errc::no_such_device_or_address;
      case Errc::parents_loop:
      case Errc::parents_pool:
        return std::errc::no_child_process;
      case Errc::end_of_file:
        return std::errc::no_message_available;
      case Errc::unexpected_end:
        return std::errc::bad_message;
      case Errc::too_long:
        return std::errc::message_size;
      case Errc::queue_full:
        return std::errc::resource_unavailable_try_again;
      case Errc::no_such_option:
        return std::errc::no_protocol_option;
      case Errc::file_too_short:
        return std::errc::no_message_available;
      case Errc::descriptors_lost:
        return std::errc::message_size;
      case Errc::channel_closed:
        return std::errc::broken_pipe;
      case Errc::subscriber_too_slow:
        return std::errc::no_buffer_space;
      case Errc::no_address:
      case Errc::bad_option_value:
        break;
    }
    return std::errc::invalid_argument;
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

// Before all other dynamic initialisation of a program that links the library statically.
__attribute__((init_priority(101))) const std::error_code detail::no_error;

std::error_code detail::system_error() noexcept { return system_error(errno); }

}  // namespace evcoro
