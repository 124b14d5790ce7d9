#include <cerrno>
#include <utility>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/detail/registration_libevent.hpp>
#include <evcoro/error.hpp>
#include <evcoro/thread.hpp>

namespace evcoro::detail {

using corothread::Scheduler;
using corothread::Wake;

Descriptor::Descriptor(LoopCore& core, int descriptor, short edges) noexcept
    : edges_(core.has_edges() ? edges : short{0}), number_(descriptor), core_(&core) {
  core.add_client(*this);
}

std::error_code Descriptor::why_not(Direction direction) const noexcept {
  if (number_ < 0) return system_error(EBADF);
  if (core_ == nullptr) return Errc::no_loop;
  if (core_->is_foreign()) return Errc::parents_loop;
  const ThreadTask* const thread = current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (&thread->core() != core_) return Errc::wrong_loop;
  if (thread->is_cancelled()) return to_error(Scheduler::refuse_to_wait());
  return direction == Direction::read ? Errc::second_reader : Errc::second_writer;
}

std::error_code Descriptor::prepare_wait() noexcept {
  if (core_->is_foreign()) return Errc::parents_loop;
  if (number_ >= core_->descriptor_limit()) return system_error(EMFILE);
  return register_for(edges_ != 0 ? edges_to_wait() : wanted());
}

// Who waits to read first is registered for that alone: nearly always there is room to write, and
// the kernel would say so at once, to nobody.
short Descriptor::edges_to_wait() const noexcept {
  const bool only_reads = registered_ == 0 && writer_ == nullptr;
  return static_cast<short>(only_reads ? edges_ & ~EV_WRITE : edges_);
}

std::error_code Descriptor::finish_wait(Wake how) noexcept {
  if (number_ < 0) return to_error(Wake::cancelled);
  return to_error(how);
}

std::error_code Descriptor::wait_for_any(short what, TimePoint deadline,
                                         const char* reason) noexcept {
  const bool reads = (what & EV_READ) != 0;
  const bool writes = (what & EV_WRITE) != 0;
  if (reads && reader_ != nullptr) return why_not(Direction::read);
  if (writes && writer_ != nullptr) return why_not(Direction::write);
  const auto occupy = [&](corothread::Task* task) {
    if (reads) reader_ = task;
    if (writes) writer_ = task;
  };
  occupy(Scheduler::current_task());
  if (!is_registered_for(what)) {
    if (const auto error = prepare_wait()) {
      occupy(nullptr);
      return error;
    }
  }
  const Wake how = Scheduler::park(deadline, {reason, number_});
  occupy(nullptr);
  return finish_wait(how);
}

std::error_code Descriptor::wait_aside(Direction direction, TimePoint deadline,
                                       const char* what) noexcept {
  if (waiter(direction) != nullptr) return why_not(direction);
  corothread::Task*& slot = direction == Direction::read ? reader_ : writer_;
  const auto bit = static_cast<std::uint8_t>(direction == Direction::read ? EV_READ : EV_WRITE);
  slot = Scheduler::current_task();
  aside_ |= bit;
  const Wake how = Scheduler::park(deadline, {what, number_});
  aside_ &= static_cast<std::uint8_t>(~bit);
  slot = nullptr;
  return to_error(number_ < 0 ? Wake::cancelled : how);
}

std::error_code Descriptor::wait_to_retry(Direction direction, TimePoint deadline,
                                          RetryPause& pause, const char* what) noexcept {
  const TimePoint next = Clock::now() + pause.next();
  const auto error = wait_aside(direction, std::min(deadline, next), what);
  if (error == std::errc::timed_out && next < deadline) return {};
  return error;
}

// What the parked threads wait for.
short Descriptor::wanted() const noexcept {
  return static_cast<short>(
      ((reader_ != nullptr ? EV_READ : 0) | (writer_ != nullptr ? EV_WRITE : 0)) & ~aside_);
}

// Replaces the registration, if any, by one for what; 0 is none. If that fails, who waits learns so
// from an attempt of its own.
std::error_code Descriptor::register_for(short what) noexcept {
  unregister();
  const auto error = try_to_register(what);
  if (error) wake_waiters();
  return error;
}

std::error_code Descriptor::try_to_register(short what) noexcept {
  if (what == 0 || number_ < 0) return {};
  const short trigger = edges_ != 0 ? EV_ET : 0;
  core_->assign(event_, number_, static_cast<short>(what | trigger | EV_PERSIST), on_event, this);
  // A thread that waits keeps the base alive; the registration, which stays, must not.
  event_.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;
  errno = 0;
  if (event_add(&event_, nullptr) != 0) {
    // Without an errno it is libevent's debug mode that has found what is_mixed() looks for.
    return errno == 0 ? make_error_code(Errc::mixed_registration) : system_error();
  }
  registered_ = what;
  if (core_->has_edges() && is_mixed(event_)) {
    unregister();
    restore_trigger(core_->base(), number_, edges_ != 0 ? 0 : EV_ET);
    return Errc::mixed_registration;
  }
  return {};
}

void Descriptor::unregister() noexcept {
  if (std::exchange(registered_, short{0}) != 0 && !core_->is_foreign()) event_del(&event_);
}

void Descriptor::on_event(evutil_socket_t, short what, void* self) noexcept {
  auto& descriptor = *static_cast<Descriptor*>(self);
  if (descriptor.core_->is_foreign()) [[unlikely]] {
    event_del(&descriptor.event_);
    return;
  }
  Scheduler& scheduler = descriptor.core_->scheduler();
  descriptor.on_edge(what);
  if ((what & EV_CLOSED) != 0) descriptor.peer_closed_ = true;
  if ((what & (EV_READ | EV_CLOSED)) != 0) {
    descriptor.may_read = true;
    if (descriptor.reader_ != nullptr) scheduler.wake(*descriptor.reader_, Wake::ready);
  }
  if ((what & EV_WRITE) != 0) {
    descriptor.may_write = true;
    if (descriptor.writer_ != nullptr) scheduler.wake(*descriptor.writer_, Wake::ready);
  }
  // Level-triggered, it would fire in each pass.
  const short wanted = descriptor.wanted();
  if (descriptor.edges_ == 0 && (what & ~wanted) != 0) descriptor.register_for(wanted);
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
