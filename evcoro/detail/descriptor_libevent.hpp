// Descriptor: one file descriptor's registration with a loop's event_base, and the threads that
// wait for it: one for reading, one for writing.
//
// Edge-triggered (epoll), the descriptor is registered at the first wait, and stays so: to read, if
// that is what is waited for, and for all that it will ever wait for once somebody waits to write.
// Readiness is remembered in flags, which an attempt that finds nothing clears and an event sets.
// Level-triggered (poll, select, and who prefers that), it is registered for what is being waited
// for; that stays, too, until it fires and nobody waits.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

#include <corothread/task.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::detail {

// A thread that never has to wait lets the loop poll after so many operations on one descriptor.
inline constexpr int longest_streak = 128;

inline const std::error_code bad_descriptor = system_error(EBADF);

// would_block() says whether an errno means that there is nothing, or no room.
inline bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK; }

class alignas(64) Descriptor : public LoopClient {
 public:
  enum class Direction { read, write };

  // edges is what it is registered for, edge-triggered; 0 is level-triggered, on demand.
  explicit Descriptor(LoopCore& core, int descriptor,
                      short edges = EV_READ | EV_WRITE | EV_CLOSED) noexcept;
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
    if ((registered_ & (direction == Direction::read ? EV_READ : EV_WRITE)) == 0) [[unlikely]] {
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

  // wait_for_any() is wait() for any of several directions: EV_READ, EV_WRITE.
  std::error_code wait_for_any(short what, TimePoint deadline, const char* reason) noexcept;

  // wait_aside() parks the current thread, which is at it in direction, for something else than the
  // descriptor: until it is woken (by that, or by what happens to the descriptor), or deadline.
  std::error_code wait_aside(Direction direction, TimePoint deadline, const char* what) noexcept;

  // RetryPause is how long to wait for what no event tells of: longer each time.
  class RetryPause {
   public:
    std::chrono::nanoseconds next() noexcept {
      return std::exchange(next_, std::min(next_ * 2, longest));
    }

   private:
    static constexpr std::chrono::nanoseconds longest = std::chrono::milliseconds{50};
    std::chrono::nanoseconds next_ = std::chrono::milliseconds{1};
  };

  // wait_to_retry() is wait_aside() until it is time to try again, or deadline.
  std::error_code wait_to_retry(Direction direction, TimePoint deadline, RetryPause& pause,
                                const char* what) noexcept;

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

  // on_edge() is told what (EV_READ and so on) the kernel reports, before the waiting threads are
  // woken.
  virtual void on_edge(short what) noexcept { (void)what; }

  // wake_waiters() lets the threads that wait look again.
  void wake_waiters() noexcept;

  void on_loop_gone() noexcept override;

  bool is_registered() const noexcept { return registered_ != 0; }
  bool is_registered_for(short what) const noexcept { return (registered_ & what) == what; }

  // renew() registers it anew for those who wait, if any.
  void renew() noexcept { register_for(wanted()); }

  bool peer_has_closed() const noexcept { return peer_closed_; }

 private:
  static void on_event(evutil_socket_t, short what, void* self) noexcept;
  corothread::Task* waiter(Direction direction) const noexcept {
    return direction == Direction::read ? reader_ : writer_;
  }
  std::error_code why_not(Direction direction) const noexcept;
  std::error_code prepare_wait() noexcept;
  short edges_to_wait() const noexcept;
  std::error_code finish_wait(corothread::Wake how) noexcept;
  std::error_code register_for(short what) noexcept;
  std::error_code try_to_register(short what) noexcept;
  void unregister() noexcept;
  short wanted() const noexcept;

  // With what precedes, this fills the object's first cache line, but for the event.
  const short edges_;         // registered for these, edge-triggered; 0: level-triggered
  short registered_ = 0;      // EV_READ and so on
  bool peer_closed_ = false;  // sticky: from then on an attempt is always worth it
  std::uint8_t aside_ = 0;    // EV_READ, EV_WRITE: who is at it waits for something else
  int number_;
  int references_ = 1;
  LoopCore* core_;
  corothread::Task* reader_ = nullptr;
  corothread::Task* writer_ = nullptr;
  struct event event_;
};

}  // namespace evcoro::detail
