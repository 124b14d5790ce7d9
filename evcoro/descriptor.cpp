#include <cerrno>
#include <utility>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/error.hpp>
#include <evcoro/thread.hpp>

namespace evcoro::detail {

using corothread::Scheduler;
using corothread::Wake;

Descriptor::Descriptor(LoopCore& core, int descriptor) noexcept
    : core_(&core), number_(descriptor) {
  core.add_client(*this);
}

std::error_code Descriptor::admit(Direction direction) const noexcept {
  if (number_ < 0) return system_error(EBADF);
  if (core_ == nullptr) return Errc::no_loop;
  const ThreadTask* const thread = current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (&thread->core() != core_) return Errc::wrong_loop;
  if (thread->is_cancelled()) return to_error(Wake::cancelled);
  if (direction == Direction::read && reader_ != nullptr) return Errc::second_reader;
  if (direction == Direction::write && writer_ != nullptr) return Errc::second_writer;
  return {};
}

std::error_code Descriptor::wait(Direction direction, TimePoint deadline,
                                 const char* what) noexcept {
  if (const auto error = admit(direction)) return error;
  corothread::Task*& slot = direction == Direction::read ? reader_ : writer_;
  slot = Scheduler::current_task();
  const std::error_code error = core_->has_edges() ? register_once() : register_for(wanted());
  if (error) {
    slot = nullptr;
    return error;
  }
  const Wake how = Scheduler::park(deadline, {what, number_});
  slot = nullptr;
  if (how != Wake::ready && core_ != nullptr && !core_->has_edges()) register_for(wanted());
  return number_ < 0 ? to_error(Wake::cancelled) : to_error(how);
}

// What the parked threads wait for.
short Descriptor::wanted() const noexcept {
  return static_cast<short>((reader_ != nullptr ? EV_READ : 0) |
                            (writer_ != nullptr ? EV_WRITE : 0));
}

std::error_code Descriptor::register_once() noexcept {
  if (registered_) return {};
  return register_for(EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST);
}

// Replaces the registration, if any, by one for what; 0 is none.
std::error_code Descriptor::register_for(short what) noexcept {
  unregister();
  if (what == 0 || number_ < 0) return {};
  event_assign(&event_, core_->base(), number_, what, on_event, this);
  errno = 0;
  if (event_add(&event_, nullptr) != 0) {
    // libevent refuses to mix edge- and level-triggered events on a descriptor, without an errno.
    return errno == 0 ? make_error_code(Errc::mixed_registration) : system_error();
  }
  registered_ = true;
  return {};
}

void Descriptor::unregister() noexcept {
  if (std::exchange(registered_, false) && !core_->is_foreign()) event_del(&event_);
}

void Descriptor::on_event(evutil_socket_t, short what, void* self) noexcept {
  auto& descriptor = *static_cast<Descriptor*>(self);
  Scheduler& scheduler = descriptor.core_->scheduler();
  const bool one_shot = !descriptor.core_->has_edges();
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

int Descriptor::give_up() noexcept {
  if (core_ != nullptr) {
    unregister();
    Scheduler& scheduler = core_->scheduler();
    if (reader_ != nullptr) scheduler.wake(*reader_, Wake::ready);
    if (writer_ != nullptr) scheduler.wake(*writer_, Wake::ready);
  }
  return std::exchange(number_, -1);
}

void Descriptor::on_loop_gone() noexcept {
  unregister();
  core_ = nullptr;
}

}  // namespace evcoro::detail
