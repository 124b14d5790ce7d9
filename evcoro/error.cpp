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
        return "the event_base has an event of another kind on this descriptor; delete that event "
               "first, "
               "or give it EV_ET";
      case Errc::no_loop:
        return "the loop that this belonged to has been destroyed";
      case Errc::loop_shutting_down:
        return "the loop is shutting down and spawns nothing new";
      case Errc::not_the_owner:
        return "a Timer can be waited for only by the thread that made it";
      case Errc::parents_loop:
        return "this belongs to a loop of the parent process; make one in the child";
      case Errc::no_address:
        return "this is no numeric IPv4 or IPv6 address, such as 127.0.0.1:80 or [::1]:80; names "
               "are not looked up";
    }
    return "unknown error";
  }

  std::error_condition default_error_condition(int error) const noexcept override {
    switch (static_cast<Errc>(error)) {
      case Errc::not_in_a_thread:
      case Errc::not_the_owner:
        return std::errc::operation_not_permitted;
      case Errc::second_reader:
      case Errc::second_writer:
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
        return std::errc::no_child_process;
      case Errc::no_address:
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
