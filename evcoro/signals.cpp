#include <evcoro/signals.hpp>

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <evcoro/detail/patience.hpp>
#include <evcoro/detail/signal_masks.hpp>
#include <evcoro/detail/signals_libevent.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace detail {
namespace {

// Real-time signals that are kept for a waiter one by one.
constexpr std::size_t most_kept = 1024;

// The signals that add() has blocked in this OS thread, where they were not before. (All zero is
// the empty set.)
thread_local sigset_t blocked_here{};

// Unblocks those of signals that a waiter has blocked here.
void unblock(const sigset_t& signals) noexcept {
  sigset_t ours;
  sigandset(&ours, &signals, &blocked_here);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (sigismember(&ours, signal) == 1) sigdelset(&blocked_here, signal);
  }
  ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
}

SignalInfo to_info(const signalfd_siginfo& read) noexcept {
  return {.number = static_cast<int>(read.ssi_signo),
          .code = read.ssi_code,
          .sender = static_cast<pid_t>(read.ssi_pid),
          .sender_user = read.ssi_uid,
          .value = read.ssi_int};
}

}  // namespace

// --- one waiter ---

void SignalState::read_signals() noexcept {
  signalfd_siginfo read;
  while (true) {
    const ssize_t count = ::read(number(), &read, sizeof read);
    if (count == sizeof read) {
      SignalRegistry::instance().deliver(to_info(read), loop_);
    } else if (count >= 0 || errno != EINTR) {
      may_read = false;
      return;
    }
  }
}

Result<SignalInfo> SignalState::wait(Timeout timeout) noexcept {
  if (core() != nullptr && core()->is_foreign()) return Errc::parents_loop;
  if (const auto error = admit(Direction::read)) return error;
  const Hold hold{*this};
  Patience patience{timeout};
  while (number() >= 0) {
    if (may_read || !patience.may_wait()) read_signals();
    SignalInfo info;
    if (SignalRegistry::instance().take(*this, info)) return info;
    if (!patience.may_wait()) return to_error(corothread::Wake::timed_out);
    if (const auto error = Descriptor::wait(Direction::read, patience.deadline(), "signals")) {
      return error;
    }
  }
  return to_error(corothread::Wake::cancelled);  // destroyed while this thread was away
}

// As the kernel does it: a signal that is pending already is pending once, but for real-time ones.
// Without memory those are, too, and a first one is lost.
void SignalState::keep(const SignalInfo& info) noexcept {
  const bool one_by_one = info.number >= SIGRTMIN && pending_.size() < most_kept;
  const auto same = std::find_if(pending_.rbegin(), pending_.rend(), [&](const SignalInfo& each) {
    return each.number == info.number;
  });
  const bool is_kept = (one_by_one || same == pending_.rend()) && add(info);
  if (!is_kept && same != pending_.rend()) ++same->count;
}

bool SignalState::add(const SignalInfo& info) noexcept try {
  pending_.push_back(info);
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

void SignalState::on_loop_gone() noexcept {
  SignalRegistry::instance().remove(*this);
  Descriptor::on_loop_gone();
}

void SignalState::close() noexcept {
  SignalRegistry::instance().remove(*this);
  const int descriptor = give_up();
  if (descriptor >= 0) ::close(descriptor);
  drop();
}

// --- all waiters ---

// It is never destroyed: OS threads may outlive the statics.
SignalRegistry& SignalRegistry::instance() {
  static auto* const registry = new SignalRegistry;
  return *registry;
}

SignalRegistry::SignalRegistry() {
  ::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                   [] { instance().forget_parent(); });
}

void SignalRegistry::add(SignalState& state) {
  const std::lock_guard lock{mutex_};
  states_.push_back(&state);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &state.signals_, &before);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (!state.wants(signal)) continue;
    ++users_[static_cast<std::size_t>(signal)];
    if (sigismember(&before, signal) == 0) sigaddset(&blocked_here, signal);
  }
}

void SignalRegistry::remove(SignalState& state) noexcept {
  const std::lock_guard lock{mutex_};
  if (std::erase(states_, &state) == 0) return;
  sigset_t unused;
  sigemptyset(&unused);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (state.wants(signal) && --users_[static_cast<std::size_t>(signal)] == 0) {
      sigaddset(&unused, signal);
    }
  }
  unblock(unused);
}

void SignalRegistry::deliver(const SignalInfo& info, const LoopCore& here) noexcept {
  const std::lock_guard lock{mutex_};
  for (SignalState* const state : states_) {
    if (!state->wants(info.number)) continue;
    state->keep(info);
    if (&state->loop_ == &here) {
      state->wake_waiters();
    } else {
      wake_elsewhere(state->loop_);
    }
  }
}

// The loop can't go meanwhile: it would have to get past on_loop_gone().
void SignalRegistry::wake_elsewhere(LoopCore& core) noexcept try {
  core.loop().post([this, &core] { wake_waiters_of(core); });
} catch (const std::bad_alloc&) {  // it hears of it with the next one
}

void SignalRegistry::wake_waiters_of(const LoopCore& core) noexcept {
  const std::lock_guard lock{mutex_};
  for (SignalState* const state : states_) {
    if (&state->loop_ == &core && !state->pending_.empty()) state->wake_waiters();
  }
}

bool SignalRegistry::take(SignalState& state, SignalInfo& info) noexcept {
  const std::lock_guard lock{mutex_};
  if (state.pending_.empty()) return false;
  info = state.pending_.front();
  state.pending_.pop_front();
  return true;
}

// In a child process, which has got here with the mutex locked.
void SignalRegistry::forget_parent() noexcept {
  states_.clear();
  users_.fill(0);
  unblock(sigset_t{blocked_here});
  mutex_.unlock();
}

}  // namespace detail

// --- the handle ---

namespace {

Loop& current_loop() {
  Loop* const loop = Loop::current();
  if (loop == nullptr)
    throw std::system_error(make_error_code(Errc::not_in_a_thread), "SignalWaiter");
  return *loop;
}

// Throws for what can't be waited for.
sigset_t to_set(std::span<const int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : signals) {
    if (detail::is_fault(each) || each == SIGKILL || each == SIGSTOP ||
        sigaddset(&set, each) != 0) {
      throw std::system_error(detail::system_error(EINVAL),
                              "SignalWaiter: signal " + std::to_string(each));
    }
  }
  return set;
}

}  // namespace

SignalWaiter::SignalWaiter(std::initializer_list<int> signals)
    : SignalWaiter(current_loop(), signals) {}

SignalWaiter::SignalWaiter(Loop& loop, std::span<const int> signals) {
  loop.core().require_own_process("SignalWaiter");
  const sigset_t set = to_set(signals);
  const int descriptor = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor < 0) throw std::system_error(detail::system_error(), "SignalWaiter: signalfd");
  try {
    state_ = new detail::SignalState(loop.core(), descriptor, set);
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  try {
    detail::SignalRegistry::instance().add(*state_);
  } catch (...) {
    state_->close();
    throw;
  }
  detail::report_threads_that_receive(set);
}

SignalWaiter::~SignalWaiter() { state_->close(); }

Result<SignalInfo> SignalWaiter::wait(Timeout timeout) noexcept { return state_->wait(timeout); }

void block_signals(std::span<const int> signals) noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : signals) {
    sigaddset(&set, each);
    sigdelset(&detail::blocked_here, each);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace evcoro
