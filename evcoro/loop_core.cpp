#include <sys/select.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/detail/deadlock_watch.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/process.hpp>
#include <evcoro/detail/waiter.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {
namespace {

using namespace std::chrono_literals;

event_base* make_base() {
  event_config* const config = event_config_new();
  if (config == nullptr) throw std::bad_alloc();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);  // posts come by our own eventfd
  event_base* const base = event_base_new_with_config(config);
  event_config_free(config);
  if (base == nullptr) {
    throw std::system_error(
        errno != 0 ? errno : ENODEV, std::generic_category(),
        "Loop: libevent has no usable back end (see EVENT_NO... in the environment)");
  }
  return base;
}

[[noreturn]] void refuse_to_nest(const char* what) {
  throw std::logic_error(
      std::string(what) +
      ": the loop is running already; call it outside its threads and callbacks");
}

itimerspec expiring_at(TimePoint deadline) noexcept {
  itimerspec expiry{};
  if (deadline == never) return expiry;  // all zero: none
  const auto since_epoch = std::max(deadline.time_since_epoch(), TimePoint::duration{1ns}).count();
  expiry.it_value = {.tv_sec = since_epoch / 1'000'000'000, .tv_nsec = since_epoch % 1'000'000'000};
  return expiry;
}

constinit thread_local int loops_driven = 0;  // by this OS thread, nested

// read_expirations() makes a timerfd unreadable again.
void read_expirations(int descriptor) noexcept {
  std::uint64_t count = 0;
  while (::read(descriptor, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

}  // namespace

bool is_driving_a_loop() noexcept { return loops_driven != 0; }

// Alarm ends a pass at its deadline. While it is set, a post ends the pass, too.
class LoopCore::Alarm : private corothread::TimerNode {
 public:
  Alarm(LoopCore& core, TimePoint deadline) noexcept
      : TimerNode([](TimerNode&) noexcept {}), core_(core) {
    core_.scheduler_.arm(*this, deadline);
    core_.hold();
  }
  ~Alarm() {
    core_.scheduler_.disarm(*this);
    core_.scheduler_.settle_wake_up();
    core_.release();
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

 private:
  LoopCore& core_;
};

LoopCore::LoopCore(Loop& loop, stacks::StackPool& stacks, event_base* base)
    : loop_(loop),
      stacks_(stacks),
      base_(base != nullptr ? base : make_base()),
      owns_base_(base == nullptr),
      process_number_(watch_forks()) {
  constexpr int wanted = EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE;
  has_edges_ = (event_base_get_features(base_) & wanted) == wanted;
  descriptor_limit_ = std::string_view{event_base_get_method(base_)} == "select"
                          ? FD_SETSIZE
                          : std::numeric_limits<int>::max();
  try {
    open_descriptors();
    add_events();
  } catch (...) {
    close_descriptors();
    if (owns_base_) event_base_free(base_);
    throw;
  }
}

void LoopCore::open_descriptors() {
  inbox_ = new Inbox;
  timer_descriptor_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer_descriptor_ < 0) throw std::system_error(system_error(), "Loop: timerfd_create");
  require_room_for(std::max(inbox_->descriptor(), timer_descriptor_));
}

void LoopCore::close_descriptors() noexcept {
  if (timer_descriptor_ >= 0) ::close(timer_descriptor_);
  if (inbox_ == nullptr) return;
  inbox_->close();
  inbox_->unref();
}

void LoopCore::add_events() {
  assign(drain_event_, -1, 0, on_drain, this);
  assign(later_event_, -1, 0, on_drain, this);
  assign(timer_event_, timer_descriptor_, EV_READ | EV_PERSIST, on_timer, this);
  timer_event_.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;  // see add_wake_event()
  errno = 0;
  if (event_add(&timer_event_, nullptr) != 0 || !add_wake_event(false)) {
    const std::error_code error = errno != 0 ? system_error() : system_error(EINVAL);
    event_del(&timer_event_);
    throw std::system_error(error, "Loop: event_add");
  }
}

std::error_code LoopCore::set_event_priority(int priority) noexcept {
  if (is_foreign()) return Errc::parents_loop;
  if (priority < 0 || priority >= event_base_get_npriorities(base_)) return system_error(EINVAL);
  for (struct event* each : {&drain_event_, &later_event_, &timer_event_, &wake_event_}) {
    if (event_priority_set(each, priority) != 0) return system_error(EBUSY);  // it is active
  }
  event_priority_ = priority;
  return {};
}

void LoopCore::require_room_for(int descriptor) const {
  if (descriptor < descriptor_limit_) return;
  throw std::system_error(system_error(EMFILE), "descriptor " + std::to_string(descriptor) +
                                                    " is too high for libevent's back end " +
                                                    event_base_get_method(base_));
}

LoopCore::~LoopCore() {
  leave_rest();
  while (!clients_.empty()) clients_.pop_front().on_loop_gone();  // which may end others, too
  for (struct event* each : {&drain_event_, &later_event_, &timer_event_, &wake_event_})
    event_del(each);
  if (owns_base_) event_base_free(base_);
  close_descriptors();
}

// --- the scheduler's wishes ---

void LoopCore::request_drain() noexcept { event_active(&drain_event_, EV_TIMEOUT, 1); }

void LoopCore::request_drain_after_poll() noexcept {
  const timeval at_once{};
  event_add(&later_event_, &at_once);
}

// A timer of the kernel's, since libevent's are as coarse as its clock, by up to 4 ms.
void LoopCore::set_wake_up(TimePoint deadline) noexcept {
  if (is_foreign()) return;  // it is the parent's, too
  const itimerspec expiry = expiring_at(deadline);
  ::timerfd_settime(timer_descriptor_, TFD_TIMER_ABSTIME, &expiry, nullptr);
}

TimePoint LoopCore::coarse_now() const noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return TimePoint{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

void LoopCore::on_drain(evutil_socket_t, short, void* self) noexcept {
  auto& core = *static_cast<LoopCore*>(self);
  if (core.is_foreign()) [[unlikely]]
    return;  // a child process dispatches the base: what it finds here is the parent's
  const PassUnderWatch pass{core.pulse_};
  core.leave_rest();
  if (std::exchange(core.timer_is_due_, false)) core.scheduler_.expire();
  core.scheduler_.drain();
  if (core.is_foreign()) [[unlikely]] {
    stacks::misuse(
        "a thread that forked blocked in the child process; this loop belongs to the parent "
        "process: call exec() or _exit() there, or make a loop");
  }
  core.carry_out_abort();
  core.carry_out_stop();
  core.settle();
  core.come_to_rest();
}

void LoopCore::on_timer(evutil_socket_t descriptor, short, void* self) noexcept {
  auto& core = *static_cast<LoopCore*>(self);
  if (core.is_foreign()) [[unlikely]] {
    event_del(&core.timer_event_);
    return;
  }
  read_expirations(descriptor);
  // After what else this pass has found: data that came with the deadline wins.
  core.timer_is_due_ = true;
  core.request_drain();
}

// --- other OS threads' wishes ---

void LoopCore::on_wake(evutil_socket_t, short, void* self) noexcept {
  auto& core = *static_cast<LoopCore*>(self);
  if (core.is_foreign()) [[unlikely]] {
    event_del(&core.wake_event_);
    return;
  }
  core.leave_rest();
  core.inbox_->acknowledge();
  core.inbox_->deliver_wakes();
  core.run_posted();
  core.carry_out_abort();
  core.carry_out_stop();
  core.settle();
  core.come_to_rest();
}

void LoopCore::carry_out_stop() noexcept {
  if (!stop_requested_.exchange(false)) return;
  stopped_ = true;
  event_base_loopbreak(base_);
}

// Begins an abort that was asked for, and ends the one that has no threads left.
void LoopCore::carry_out_abort() noexcept {
  if (abort_requested_.exchange(false)) {
    aborting_ = true;
    clients_.for_each([](LoopClient& client) { client.on_shutdown(); });
    cancel_all(nullptr);
  }
  if (!aborting_ || scheduler_.live_tasks() != 0) return;
  aborting_ = false;
  aborted_ = true;
  if (runs_ != 0) event_base_loopbreak(base_);
}

void LoopCore::abort() noexcept {
  abort_requested_ = true;
  inbox_->notify();
}

void LoopCore::stop() noexcept {
  stop_requested_ = true;
  inbox_->notify();
}

void LoopCore::post(std::unique_ptr<Posted> function) noexcept {
  inbox_->post(std::move(function));
}

void LoopCore::run_posted() noexcept {
  Posted* in_order = inbox_->take_posts();
  const Counted counted{callbacks};
  const Counted driven{loops_driven};  // nobody must wait in here
  while (in_order != nullptr) {
    Posted& each = *std::exchange(in_order, in_order->next);
    try {
      each.run();
    } catch (...) {
      report({.name = "post"}, std::current_exception());
    }
  }
}

// --- driving ---

// The wake event keeps the base from running out of events exactly while the loop has work that no
// other event of its own stands for. Otherwise it is internal, as libevent's own notification is.
bool LoopCore::add_wake_event(bool keeps_base_alive) noexcept {
  assign(wake_event_, inbox_->descriptor(), EV_READ | EV_PERSIST, on_wake, this);
  if (!keeps_base_alive) wake_event_.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;
  keeps_base_alive_ = keeps_base_alive;
  return event_add(&wake_event_, nullptr) == 0;
}

void LoopCore::settle() noexcept {
  const std::size_t threads = scheduler_.live_tasks();
  load_.store(threads, std::memory_order_relaxed);
  const bool has_work = threads != 0 || holders_ != 0;
  if (has_work == keeps_base_alive_) return;
  event_del(&wake_event_);
  add_wake_event(has_work);
}

// After a pass: perhaps nobody but another loop can wake a thread of this one, see DeadlockWatch.
void LoopCore::come_to_rest() noexcept {
  DeadlockWatch& watch = DeadlockWatch::of_process();
  if (!watch.is_on() || !may_rest_ || rests_ || !waits_for_threads_only()) return;
  rests_ = true;
  watch.rest(*this);
}

void LoopCore::leave_rest() noexcept {
  if (std::exchange(rests_, false)) DeadlockWatch::of_process().leave(*this);
}

bool LoopCore::waits_for_threads_only() const noexcept {
  const int events =
      event_base_get_num_events(base_, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE);
  if (events > (keeps_base_alive_ ? 1 : 0)) return false;
  if (scheduler_.has_ready_tasks() || scheduler_.has_timers() || stop_requested_) return false;
  return scheduler_.all_live_tasks([](const corothread::Task& task) {
    return task.wait_reason().descriptor == corothread::WaitReason::of_threads;
  });
}

// libevent has no question for this (event_base_get_running_event() crashes outside a callback),
// but it caches the time while it dispatches, and then only: two looks at the cache with a tick of
// the clock in between differ if there is none.
bool LoopCore::is_dispatching() const noexcept {
  // Perhaps by run(), before it dispatches, or driven directly.
  if (callbacks != 0 || scheduler_.is_draining()) return true;
  const auto same = [](const timeval& a, const timeval& b) {
    return a.tv_sec == b.tv_sec && a.tv_usec == b.tv_usec;
  };
  timeval first;
  timeval clock;
  timeval second;
  event_base_update_cache_time(base_);
  event_base_gettimeofday_cached(base_, &first);
  do {
    evutil_gettimeofday(&clock, nullptr);
  } while (same(clock, first));
  event_base_gettimeofday_cached(base_, &second);
  return same(first, second);
}

void LoopCore::require_own_process(const char* what) const {
  if (!is_foreign()) return;
  throw std::logic_error(std::string(what) +
                         ": this loop belongs to the parent process; make one in the child");
}

// Lets libevent run. False if it does already: is_dispatching() doesn't see that in a base with
// EVENT_BASE_FLAG_NO_CACHE_TIME.
bool LoopCore::run_base(int flags, bool for_ever) {
  const Counted counted{loops_driven};
  const bool could_rest = std::exchange(may_rest_, for_ever);
  come_to_rest();
  errno = 0;
  const bool has_run = event_base_loop(base_, flags) >= 0;
  leave_rest();
  may_rest_ = could_rest;
  if (has_run) return true;
  if (errno != 0) throw std::system_error(system_error(), "Loop: event_base_loop");
  return false;
}

Loop::End LoopCore::run() {
  require_own_process("Loop::run");
  if (is_dispatching()) refuse_to_nest("Loop::run");
  const Counted counted{runs_};
  run_posted();
  aborted_ = false;
  carry_out_abort();
  settle();
  stopped_ = stop_requested_.exchange(false);
  if (!stopped_ && !aborted_ && !run_base(0, true)) refuse_to_nest("Loop::run");
  if (std::exchange(aborted_, false)) return Loop::End::aborted;
  if (stop_requested_.exchange(false)) stopped_ = true;  // it came when nothing was left to do
  const bool broken =
      stopped_ || event_base_got_break(base_) != 0 || event_base_got_exit(base_) != 0;
  return broken ? Loop::End::stopped : Loop::End::idle;
}

void LoopCore::run_once(Timeout timeout) {
  require_own_process("Loop::run_once");
  if (is_dispatching() || !pass(timeout)) refuse_to_nest("Loop::run_once");
  leave_stop();
}

// A stop that came during a pass is meant for run(), which looks for it, or for the application's
// dispatch, which has to be told.
void LoopCore::leave_stop() noexcept {
  if (stop_requested_ && !owns_base_) inbox_->notify();
}

// One pass, or false if the base is being dispatched already.
bool LoopCore::pass(Timeout timeout) {
  run_posted();
  settle();
  const TimePoint deadline = timeout.deadline();
  std::optional<Alarm> alarm;
  if (timeout.may_wait() && deadline != never) alarm.emplace(*this, deadline);
  stopped_ = false;
  // EVLOOP_NONBLOCK alone would go on for as long as each pass finds something to do.
  const bool ran = run_base(timeout.may_wait() ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK,
                            timeout.may_wait() && deadline == never);
  if (stopped_) stop_requested_ = true;
  return ran;
}

}  // namespace evcoro::detail
