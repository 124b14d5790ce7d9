// SelectCase: what select() knows of each of its cases, and those cases that don't depend on a
// type.
//
//   of a list of waiters (channel, event)       of the caller's own loop (descriptor, timer)
//     lock(): the list's                          lock(): nullptr
//     try_now(): does it at once, if it can       try_now(): looks
//     enter(): a node in the list                 enter(): has the sleeper woken
//     leave(): out; was it granted?               leave(): no more
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <evcoro/io_event.hpp>
#include <evcoro/sync/detail/channel_core.hpp>
#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Event;
class Timer;

namespace detail {

class EVCORO_API SelectCase {
 public:
  SelectCase(const SelectCase&) = delete;
  SelectCase& operator=(const SelectCase&) = delete;

  // A case that is not in doesn't happen.
  bool is_in() const noexcept { return is_in_; }
  void set_in(bool is_in) noexcept { is_in_ = is_in; }

  // lock() is held in the three below.
  SpinLock* lock() const noexcept { return lock_; }
  virtual bool try_now(Wakeups& wakeups) noexcept = 0;
  virtual std::error_code enter(Sleeper& sleeper) noexcept = 0;
  virtual bool leave() noexcept = 0;

  // node() is its place in the list, or nullptr.
  virtual const WaitNode* node() const noexcept { return nullptr; }

  // timeout() is never but of a timeout.
  Timeout timeout() const noexcept { return timeout_; }

 protected:
  explicit SelectCase(SpinLock* lock, Timeout timeout = never) noexcept
      : lock_(lock), timeout_(timeout) {}
  ~SelectCase() = default;

 private:
  SpinLock* const lock_;
  const Timeout timeout_;
  bool is_in_ = true;
};

class EVCORO_API ChannelSelectCase : public SelectCase {
 protected:
  ChannelSelectCase(ChannelCore& core, WaitList& list, void* item) noexcept
      : SelectCase(&core.lock), list_(list), item_(item) {}
  ~ChannelSelectCase() = default;

  // note() keeps how a try_now() has ended.
  bool note(ChannelStep step) noexcept {
    is_closed_ = step == ChannelStep::closed;
    return step != ChannelStep::must_wait;
  }

  bool is_closed_ = false;

 private:
  std::error_code enter(Sleeper& sleeper) noexcept override;
  bool leave() noexcept override;
  const WaitNode* node() const noexcept override { return node_ ? &*node_ : nullptr; }

  WaitList& list_;
  void* const item_;
  std::optional<ChannelNode> node_;
};

class EVCORO_API EventSelectCase : public SelectCase {
 protected:
  explicit EventSelectCase(Event& event) noexcept;
  ~EventSelectCase() = default;

 private:
  bool try_now(Wakeups& wakeups) noexcept override;
  std::error_code enter(Sleeper& sleeper) noexcept override;
  bool leave() noexcept override;
  const WaitNode* node() const noexcept override { return node_ ? &*node_ : nullptr; }

  Event& event_;
  std::optional<WaitNode> node_;
};

// DescriptorSelectCase has an epoll instance of its own while it waits: what the base has on the
// descriptor is not touched.
class EVCORO_API DescriptorSelectCase : public SelectCase {
 protected:
  DescriptorSelectCase(int descriptor, Readiness wanted) noexcept;
  ~DescriptorSelectCase() = default;

 private:
  bool try_now(Wakeups& wakeups) noexcept override;
  std::error_code enter(Sleeper& sleeper) noexcept override;
  bool leave() noexcept override;

  const int descriptor_;
  const short events_;  // of poll(2)
  int instance_ = -1;
  static constexpr std::size_t event_size = 128;
  alignas(std::max_align_t) std::byte event_[event_size];  // libevent's, while there is an instance
};

class EVCORO_API TimerSelectCase : public SelectCase {
 protected:
  explicit TimerSelectCase(Timer& timer) noexcept : SelectCase(nullptr), timer_(timer) {}
  std::uint64_t expirations() const noexcept { return expirations_; }
  ~TimerSelectCase() = default;

 private:
  bool try_now(Wakeups& wakeups) noexcept override;
  std::error_code enter(Sleeper& sleeper) noexcept override;
  bool leave() noexcept override;

  Timer& timer_;
  std::uint64_t expirations_ = 0;
};

class EVCORO_API TimeoutSelectCase : public SelectCase {
 protected:
  explicit TimeoutSelectCase(Timeout timeout) noexcept : SelectCase(nullptr, timeout) {}
  ~TimeoutSelectCase() = default;

 private:
  bool try_now(Wakeups&) noexcept override { return false; }
  std::error_code enter(Sleeper&) noexcept override { return {}; }
  bool leave() noexcept override { return false; }
};

// select_one() waits for one of cases; locks has room for as many.
EVCORO_API std::error_code select_one(std::span<SelectCase* const> cases,
                                      std::span<SpinLock*> locks, std::size_t& chosen) noexcept;

}  // namespace detail
}  // namespace evcoro
