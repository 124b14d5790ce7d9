#include <cerrno>
#include <utility>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/error.hpp>
#include <evcoro/thread.hpp>

namespace evcoro::detail {

using corothread::Scheduler;
using corothread::Wake;

namespace {

// Of one descriptor, the kernel knows edge- or level-triggered events, not both; libevent says so
// in its debug mode only. It keeps the events of a descriptor in a list, where event, which has
// just been added, comes first.
bool is_mixed(const struct event& event) noexcept {
  const struct event* other = &event;
  while ((other = other->ev_.ev_io.ev_io_next.le_next) != nullptr) {
    if (((event_get_events(other) ^ event_get_events(&event)) & EV_ET) != 0) return true;
  }
  return false;
}

}  // namespace

Descriptor::Descriptor(LoopCore& core, int descriptor) noexcept
    : edges_(core.has_edges()), number_(descriptor), core_(&core) {
  core.add_client(*this);
}

std::error_code Descriptor::why_not(Direction direction) const noexcept {
  if (number_ < 0) return system_error(EBADF);
  if (core_ == nullptr) return Errc::no_loop;
  const ThreadTask* const thread = current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (&thread->core() != core_) return Errc::wrong_loop;
  if (thread->is_cancelled()) return to_error(Scheduler::refuse_to_wait());
  return direction == Direction::read ? Errc::second_reader : Errc::second_writer;
}

std::error_code Descriptor::prepare_wait() noexcept {
  if (core_->is_foreign()) return Errc::parents_loop;
  if (number_ >= core_->descriptor_limit()) return system_error(EMFILE);
  constexpr short both_ways = EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST;
  return register_for(edges_ ? both_ways : wanted());
}

std::error_code Descriptor::finish_wait(Wake how) noexcept {
  if (number_ < 0) return to_error(Wake::cancelled);
  if (!edges_ && core_ != nullptr) register_for(wanted());
  return to_error(how);
}

// What the parked threads wait for.
short Descriptor::wanted() const noexcept {
  return static_cast<short>((reader_ != nullptr ? EV_READ : 0) |
                            (writer_ != nullptr ? EV_WRITE : 0));
}

// Replaces the registration, if any, by one for what; 0 is none.
std::error_code Descriptor::register_for(short what) noexcept {
  unregister();
  if (what == 0 || number_ < 0) return {};
  event_assign(&event_, core_->base(), number_, what, on_event, this);
  // A thread that waits keeps the base alive; the registration, which stays, must not.
  event_.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;
  errno = 0;
  if (event_add(&event_, nullptr) != 0) {
    // Without an errno it is libevent's debug mode that has found what is_mixed() looks for.
    return errno == 0 ? make_error_code(Errc::mixed_registration) : system_error();
  }
  registered_ = true;
  if (edges_ && is_mixed(event_)) {
    unregister();
    restore_levels();
    return Errc::mixed_registration;
  }
  return {};
}

// With our event gone, libevent leaves the kernel's registration edge-triggered, and the
// application's own event would starve. Another event that comes and goes brings back its levels.
void Descriptor::restore_levels() noexcept {
  constexpr short all = EV_READ | EV_WRITE | EV_CLOSED | EV_PERSIST;
  event_assign(&event_, core_->base(), number_, all, on_event, this);
  if (event_add(&event_, nullptr) == 0) event_del(&event_);
}

void Descriptor::unregister() noexcept {
  if (std::exchange(registered_, false) && !core_->is_foreign()) event_del(&event_);
}

void Descriptor::on_event(evutil_socket_t, short what, void* self) noexcept {
  auto& descriptor = *static_cast<Descriptor*>(self);
  if (descriptor.core_->is_foreign()) [[unlikely]] {
    event_del(&descriptor.event_);
    return;
  }
  Scheduler& scheduler = descriptor.core_->scheduler();
  const bool one_shot = !descriptor.edges_;
  if (one_shot) descriptor.registered_ = false;
  descriptor.on_edge();
  if ((what & EV_CLOSED) != 0) descriptor.peer_closed_ = true;
  if ((what & (EV_READ | EV_CLOSED)) != 0) {
    descriptor.may_read = true;
    if (descriptor.reader_ != nullptr) scheduler.wake(*descriptor.reader_, Wake::ready);
  }
  if ((what & EV_WRITE) != 0) {
    descriptor.may_write = true;
    if (descriptor.writer_ != nullptr) scheduler.wake(*descriptor.writer_, Wake::ready);
  }
  if (one_shot) descriptor.register_for(descriptor.wanted() & static_cast<short>(~what));
}

void Descriptor::wake_waiters() noexcept {
  if (core_ == nullptr) return;
  Scheduler& scheduler = core_->scheduler();
  if (reader_ != nullptr) scheduler.wake(*reader_, Wake::ready);
  if (writer_ != nullptr) scheduler.wake(*writer_, Wake::ready);
}

int Descriptor::give_up() noexcept {
  if (core_ != nullptr) unregister();
  wake_waiters();
  return std::exchange(number_, -1);
}

void Descriptor::on_loop_gone() noexcept {
  unregister();
  core_ = nullptr;
}

}  // namespace evcoro::detail
