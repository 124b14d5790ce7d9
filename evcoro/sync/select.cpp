#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <mutex>
#include <new>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/error.hpp>
#include <evcoro/sync/detail/sleeper_inline.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timer.hpp>

namespace evcoro::detail {

using corothread::Wake;

static_assert(sizeof(struct event) <= 128, "DescriptorSelectCase has room for one");

namespace {

constexpr std::size_t none = SIZE_MAX;

// random_below() is good enough for who shall be first.
std::size_t random_below(std::size_t limit) noexcept {
  thread_local std::uint32_t state = 2463534242U;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return static_cast<std::size_t>((std::uint64_t{state} * limit) >> 32);
}

// Selection is one select() that is under way.
class Selection {
 public:
  Selection(std::span<SelectCase* const> cases, std::span<SpinLock*> locks) noexcept
      : cases_(cases), locks_(locks), start_(random_below(cases.size())) {}

  // run() returns no error when one case has happened, which is chosen() then.
  std::error_code run() noexcept;
  std::size_t chosen() const noexcept { return chosen_; }

 private:
  template <class Try>
  bool choose_by(Try&& try_one) noexcept;
  template <class Visit>
  void for_each_in(Visit&& visit) noexcept;

  bool try_each() noexcept;
  bool choose_timeout() noexcept;
  std::error_code enter_those_of_loop(Sleeper& sleeper) noexcept;
  void enter_lists(Sleeper& sleeper) noexcept;
  void enter_each(Sleeper& sleeper) noexcept;
  void leave() noexcept;
  std::size_t sort_locks() noexcept;

  const std::span<SelectCase* const> cases_;
  const std::span<SpinLock*> locks_;
  const std::size_t start_;  // the case that is tried first
  std::size_t chosen_ = none;
  std::size_t timeout_ = none;  // the case that is first to time out
  TimePoint deadline_ = never;
};

template <class Try>
bool Selection::choose_by(Try&& try_one) noexcept {
  for (std::size_t i = 0; chosen_ == none && i < cases_.size(); ++i) {
    const std::size_t index = start_ + i < cases_.size() ? start_ + i : start_ + i - cases_.size();
    if (cases_[index]->is_in() && try_one(*cases_[index])) chosen_ = index;
  }
  return chosen_ != none;
}

template <class Visit>
void Selection::for_each_in(Visit&& visit) noexcept {
  for (std::size_t index = 0; index < cases_.size(); ++index) {
    if (cases_[index]->is_in()) visit(*cases_[index], index);
  }
}

bool Selection::try_each() noexcept {
  return choose_by([](SelectCase& each) {
    Wakeups wakeups;
    SpinLock* const lock = each.lock();
    if (lock == nullptr) return each.try_now(wakeups);
    const std::lock_guard held{*lock};
    return each.try_now(wakeups);
  });
}

// True if the timeout is not to be waited for. Otherwise it is known from now on.
bool Selection::choose_timeout() noexcept {
  if (timeout_ != none) return false;
  for_each_in([&](SelectCase& each, std::size_t index) {
    if (chosen_ != none) return;
    const Timeout timeout = each.timeout();
    if (!timeout.may_wait()) chosen_ = index;
    const TimePoint deadline = timeout.deadline();
    if (deadline >= deadline_) return;
    deadline_ = deadline;
    timeout_ = index;
  });
  return chosen_ != none;
}

std::error_code Selection::enter_those_of_loop(Sleeper& sleeper) noexcept {
  std::error_code error = no_error;
  for_each_in([&](SelectCase& each, std::size_t) {
    if (each.lock() == nullptr && !error) error = each.enter(sleeper);
  });
  return error;
}

// Each once, in an order that all have. Returns how many.
std::size_t Selection::sort_locks() noexcept {
  auto end = locks_.begin();
  for_each_in([&](SelectCase& each, std::size_t) {
    if (each.lock() != nullptr) *end++ = each.lock();
  });
  std::sort(locks_.begin(), end, std::less<>{});
  return static_cast<std::size_t>(std::unique(locks_.begin(), end) - locks_.begin());
}

// With all locks held nobody else can be faster to one of the cases while another is looked at. A
// single OS thread has just looked.
void Selection::enter_lists(Sleeper& sleeper) noexcept {
  if (is_single_threaded()) return enter_each(sleeper);
  Wakeups wakeups;
  const std::span<SpinLock*> locks = locks_.first(sort_locks());
  for (SpinLock* const each : locks) each->lock();
  choose_by([&](SelectCase& each) { return each.lock() != nullptr && each.try_now(wakeups); });
  if (chosen_ == none) enter_each(sleeper);
  for (SpinLock* const each : locks) each->unlock();
}

void Selection::enter_each(Sleeper& sleeper) noexcept {
  for_each_in([&](SelectCase& each, std::size_t) {
    if (each.lock() != nullptr) static_cast<void>(each.enter(sleeper));
  });
}

// Whoever has granted a case may have destroyed what it was about since: that is not touched any
// more. Its node is out of the list, and nobody else looks at it.
void Selection::leave() noexcept {
  for_each_in([&](SelectCase& each, std::size_t index) {
    std::unique_lock<SpinLock> held;
    const WaitNode* const node = each.node();
    if (node != nullptr && !node->is_granted) held = std::unique_lock{*each.lock()};
    if (each.leave()) chosen_ = index;
  });
}

std::error_code Selection::run() noexcept {
  if (const auto error = admit_wait()) return error;
  while (!try_each() && !choose_timeout()) {
    Sleeper sleeper{"select", nullptr, Sleeper::Queues::many};
    std::error_code error = sleeper.admit();
    if (!error) error = enter_those_of_loop(sleeper);
    if (!error) enter_lists(sleeper);
    Wake how = Wake::ready;
    if (!error && chosen_ == none) {
      how = sleeper.sleep(deadline_);
      if (!sleeper.give_up()) sleeper.await_wake();
    }
    leave();
    if (error || chosen_ != none) return error;
    if (how == Wake::ready || try_each()) continue;
    if (how == Wake::cancelled) return to_error(how);
    chosen_ = timeout_;
    return no_error;
  }
  return no_error;
}

}  // namespace

std::error_code select_one(std::span<SelectCase* const> cases, std::span<SpinLock*> locks,
                           std::size_t& chosen) noexcept {
  Selection selection{cases, locks};
  const std::error_code error = selection.run();
  chosen = selection.chosen();
  return error;
}

// --- a channel ---

std::error_code ChannelSelectCase::enter(Sleeper& sleeper) noexcept {
  node_.emplace(sleeper, item_);
  list_.enqueue(*node_);
  return no_error;
}

bool ChannelSelectCase::leave() noexcept {
  if (!node_) return false;
  const bool is_granted = node_->is_granted;
  if (is_granted) is_closed_ = node_->is_closed;
  node_.reset();
  return is_granted;
}

// --- an event ---

EventSelectCase::EventSelectCase(Event& event) noexcept
    : SelectCase(&event.queue_.lock()), event_(event) {}

bool EventSelectCase::try_now(Wakeups&) noexcept { return event_.pass(); }

std::error_code EventSelectCase::enter(Sleeper& sleeper) noexcept {
  node_.emplace(sleeper);
  event_.queue_.enqueue(*node_);
  return no_error;
}

bool EventSelectCase::leave() noexcept {
  if (!node_) return false;
  const bool is_granted = node_->is_granted;
  node_.reset();
  return is_granted;
}

// --- a descriptor ---

namespace {

void wake_task(evutil_socket_t, short, void* task) noexcept {
  auto& sleeping = *static_cast<corothread::Task*>(task);
  sleeping.scheduler()->wake(sleeping, Wake::ready);
}

}  // namespace

DescriptorSelectCase::DescriptorSelectCase(int descriptor, Readiness wanted) noexcept
    : SelectCase(nullptr),
      descriptor_(descriptor),
      events_(static_cast<short>((is_readable(wanted) ? POLLIN : 0) |
                                 (is_writable(wanted) ? POLLOUT : 0))) {}

bool DescriptorSelectCase::try_now(Wakeups&) noexcept {
  pollfd entry{.fd = descriptor_, .events = events_, .revents = 0};
  return ::poll(&entry, 1, 0) > 0 && entry.revents != POLLNVAL;
}

std::error_code DescriptorSelectCase::enter(Sleeper& sleeper) noexcept {
  auto* const thread = static_cast<ThreadTask*>(sleeper.thread());
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (::fcntl(descriptor_, F_GETFD) < 0) return system_error();  // the instance may get its number
  OwnedDescriptor instance{::epoll_create1(EPOLL_CLOEXEC)};
  if (!instance) return system_error();
  // The bits of poll(2) are those of epoll(7).
  epoll_event wanted{.events = static_cast<unsigned short>(events_), .data = {}};
  if (::epoll_ctl(instance.get(), EPOLL_CTL_ADD, descriptor_, &wanted) != 0) {
    return errno == EPERM ? make_error_code(Errc::not_pollable) : system_error();
  }
  if (instance.get() >= thread->core().descriptor_limit()) return system_error(EMFILE);
  auto* const event = new (event_) struct event;
  thread->core().assign(*event, instance.get(), EV_READ | EV_PERSIST, wake_task, thread);
  if (event_add(event, nullptr) != 0) return system_error(ENOMEM);
  instance_ = instance.release();
  return no_error;
}

bool DescriptorSelectCase::leave() noexcept {
  if (instance_ < 0) return false;
  event_del(std::launder(reinterpret_cast<struct event*>(event_)));
  ::close(std::exchange(instance_, -1));
  return false;
}

// --- a timer ---

bool TimerSelectCase::try_now(Wakeups&) noexcept {
  if (!timer_.has_expired()) return false;
  expirations_ = std::exchange(timer_.expirations_, 0);
  return true;
}

std::error_code TimerSelectCase::enter(Sleeper& sleeper) noexcept {
  if (timer_.owner_ == nullptr || sleeper.thread() != timer_.owner_) return Errc::not_the_owner;
  timer_.owner_->waits_for_timer = true;
  return no_error;
}

bool TimerSelectCase::leave() noexcept {
  if (timer_.owner_ != nullptr) timer_.owner_->waits_for_timer = false;
  return false;
}

}  // namespace evcoro::detail
