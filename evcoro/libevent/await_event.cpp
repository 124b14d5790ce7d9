#include <evcoro/libevent/await_event.hpp>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <cerrno>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/waiter.hpp>

namespace evcoro {
namespace {

// Takeover has the callback of an event, also of one that is pending, for which libevent has no
// function: it reads the callback when the event fires.
class Takeover {
 public:
  explicit Takeover(event& taken) noexcept
      : event_(taken),
        callback_(event_get_callback(&taken)),
        argument_(event_get_callback_arg(&taken)) {
    set(on_event, this);
  }
  ~Takeover() {
    if (event_get_callback_arg(&event_) == this) set(callback_, argument_);
  }
  Takeover(const Takeover&) = delete;
  Takeover& operator=(const Takeover&) = delete;

  static bool is_taken(const event& other) noexcept {
    return event_get_callback(&other) == on_event;
  }

  Result<short> wait(Timeout timeout) noexcept {
    detail::Patience patience{timeout};
    std::error_code error;
    while (!has_fired_ && !error) error = waiter_.wait(patience, "event");
    if (has_fired_) return what_;
    return error;
  }

 private:
  void set(event_callback_fn callback, void* argument) noexcept {
    event_.ev_evcallback.evcb_cb_union.evcb_callback = callback;
    event_.ev_evcallback.evcb_arg = argument;
  }

  static void on_event(evutil_socket_t, short what, void* self) noexcept {
    auto& takeover = *static_cast<Takeover*>(self);
    takeover.has_fired_ = true;
    takeover.what_ = static_cast<short>(takeover.what_ | what);
    takeover.waiter_.wake();
  }

  event& event_;
  const event_callback_fn callback_;
  void* const argument_;
  bool has_fired_ = false;
  short what_ = 0;
  detail::Waiter waiter_;
};

}  // namespace

Result<short> await_event(event* awaited, Timeout timeout) noexcept {
  const detail::ThreadTask* const thread = detail::current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (const auto error = detail::admit(&thread->core())) return error;
  if (awaited == nullptr || event_initialized(awaited) == 0) return detail::system_error(EINVAL);
  if (event_get_base(awaited) != thread->core().base()) return Errc::wrong_loop;
  if (Takeover::is_taken(*awaited)) return Errc::second_waiter;
  return Takeover{*awaited}.wait(timeout);
}

}  // namespace evcoro
