// Descriptor: one file descriptor's registration with a loop's event_base, and the threads that
// wait for it: one for reading, one for writing.
//
// With an edge-triggered back end (epoll) the descriptor is registered once, at the first wait, for
// both directions, and stays so: readiness is remembered in flags, which an attempt that finds
// nothing clears and an event sets. With the others (poll, select) a one-shot, level-triggered
// event is added for what is being waited for.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <system_error>

#include <corothread/task.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::detail {

class alignas(64) Descriptor : public LoopClient {
 public:
  enum class Direction { read, write };

  Descriptor(LoopCore& core, int descriptor) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const noexcept { return number_; }    // -1: closed or released
  LoopCore* core() const noexcept { return core_; }  // nullptr: the loop is gone

  // admit() says whether the calling thread may do a blocking operation in direction now: it is a
  // thread of the right loop, not cancelled, and nobody else is at it.
  std::error_code admit(Direction direction) const noexcept {
    const corothread::Task* const thread = corothread::Scheduler::current_task();
    const bool admitted = number_ >= 0 && core_ != nullptr && thread != nullptr &&
                          thread->scheduler() == &core_->scheduler() && !thread->is_cancelled() &&
                          waiter(direction) == nullptr;
    if (admitted) [[likely]]
      return {};
    return why_not(direction);
  }

  // wait() parks the current thread, which is admitted, until the descriptor may be ready, or
  // deadline. The caller has a Hold.
  std::error_code wait(Direction direction, TimePoint deadline, const char* what) noexcept {
    if (waiter(direction) != nullptr) [[unlikely]]
      return why_not(direction);
    corothread::Task*& slot = direction == Direction::read ? reader_ : writer_;
    slot = corothread::Scheduler::current_task();
    if (!registered_ || !edges_) [[unlikely]] {
      if (const auto error = prepare_wait()) {
        slot = nullptr;
        return error;
      }
    }
    const corothread::Wake how = corothread::Scheduler::park(deadline, {what, number_});
    slot = nullptr;
    if (how == corothread::Wake::ready && number_ >= 0) [[likely]]
      return {};
    return finish_wait(how);
  }

  // give_up() removes the registration, wakes whoever waits (operation_canceled), and returns the
  // descriptor, which is the caller's then.
  int give_up() noexcept;

  // drop() gives up the reference that the maker has. The object stays while a Hold does: an
  // operation has one, since its handle may go while its thread is parked.
  void drop() noexcept {
    if (--references_ == 0) delete this;
  }

  class Hold {
   public:
    explicit Hold(Descriptor& descriptor) noexcept : descriptor_(descriptor) {
      ++descriptor_.references_;
    }
    ~Hold() { descriptor_.drop(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Descriptor& descriptor_;
  };

  // may_read and may_write say whether an attempt is worth its system call.
  bool may_read = true;
  bool may_write = true;

 protected:
  virtual ~Descriptor() = default;

  // on_edge() is told when the kernel reports something, before the waiting threads are woken.
  virtual void on_edge() noexcept {}

  // wake_waiters() lets the threads that wait look again.
  void wake_waiters() noexcept;

  bool is_registered() const noexcept { return registered_; }
  bool peer_has_closed() const noexcept { return peer_closed_; }

 private:
  static void on_event(evutil_socket_t, short what, void* self) noexcept;
  void on_loop_gone() noexcept override;
  corothread::Task* waiter(Direction direction) const noexcept {
    return direction == Direction::read ? reader_ : writer_;
  }
  std::error_code why_not(Direction direction) const noexcept;
  std::error_code prepare_wait() noexcept;
  std::error_code finish_wait(corothread::Wake how) noexcept;
  std::error_code register_for(short what) noexcept;
  void unregister() noexcept;
  void restore_levels() noexcept;
  short wanted() const noexcept;

  // With what precedes, this fills the object's first cache line, but for the event.
  const bool edges_;  // the back end is edge-triggered
  bool registered_ = false;
  bool peer_closed_ = false;  // sticky: from then on an attempt is always worth it
  int number_;
  int references_ = 1;
  LoopCore* core_;
  corothread::Task* reader_ = nullptr;
  corothread::Task* writer_ = nullptr;
  struct event event_;
};

}  // namespace evcoro::detail
