#include <evcoro/sync/select.h>

#include <array>
#include <new>
#include <type_traits>
#include <utility>
#include <variant>

#include <evcoro/capi/sync_objects.hpp>
#include <evcoro/sync/select.hpp>

using namespace evcoro::capi;
using evcoro::Readiness;
using evcoro::Result;
using evcoro::Timeout;
using evcoro::detail::Nothing;
using evcoro::detail::SelectCase;

namespace {

// What the cases store when they have happened.
struct StoreItem {
  template <class T>
  void operator()(Result<T> received) const noexcept {
    its_case.error = received ? 0 : received.error().default_error_condition().value();
    if (received) its_case.item = received->release();
  }
  EVSELECT_CASE& its_case;
};

struct StoreError {
  void operator()(std::error_code error) const noexcept {
    its_case.error = error.default_error_condition().value();
  }
  EVSELECT_CASE& its_case;
};

struct StoreExpirations {
  void operator()(std::uint64_t expirations) const noexcept { its_case.expirations = expirations; }
  EVSELECT_CASE& its_case;
};

// CCase is the place of one case.
class CCase {
 public:
  CCase() noexcept = default;
  CCase(const CCase&) = delete;
  CCase& operator=(const CCase&) = delete;
  ~CCase() { static_cast<void>(item_.release()); }  // unless it was sent it is the caller's still

  // set() is false if its_case can't be.
  bool set(EVSELECT_CASE& its_case) noexcept;
  void set(Timeout timeout) noexcept { its_.emplace<Timed>(timeout, Nothing{}); }

  SelectCase* get() noexcept {
    return std::visit([](auto& each) { return to_pointer(each); }, its_);
  }

  // A message may turn out not to be had.
  void finish(EVSELECT_CASE& its_case) noexcept try {
    its_case.error = 0;
    std::visit([](auto& each) { finish_one(each); }, its_);
  } catch (const std::bad_alloc&) {
    its_case.error = ENOMEM;
  }

 private:
  using Receive = evcoro::ReceiveCase<Context, StoreItem>;
  using Send = evcoro::SendCase<Context, StoreError>;
  using Message = evcoro::SubscriptionCase<CMessage, StoreItem>;
  using Flag = evcoro::EventCase<Nothing>;
  using Descriptor = evcoro::DescriptorCase<Nothing>;
  using Expiry = evcoro::TimerCase<StoreExpirations>;
  using Timed = evcoro::TimeoutCase<Nothing>;

  static SelectCase* to_pointer(std::monostate&) noexcept { return nullptr; }
  static SelectCase* to_pointer(SelectCase& its_case) noexcept { return &its_case; }
  static void finish_one(std::monostate&) noexcept {}
  template <class Case>
  static void finish_one(Case& its_case) {
    its_case.finish();
  }

  Context item_;  // to be sent
  std::variant<std::monostate, Receive, Send, Message, Flag, Descriptor, Expiry, Timed> its_;
};

bool CCase::set(EVSELECT_CASE& its_case) noexcept {
  switch (its_case.kind) {
    case EVSELECT_NOTHING:
      set(evcoro::never);
      return true;
    case EVSELECT_RECEIVE:
      if (its_case.channel == nullptr) return false;
      its_.emplace<Receive>(its_case.channel->channel, StoreItem{its_case});
      return true;
    case EVSELECT_SEND:
      if (its_case.channel == nullptr) return false;
      item_ = Context{its_case.item, its_case.channel->destroy};
      its_.emplace<Send>(its_case.channel->channel, item_, StoreError{its_case});
      return true;
    case EVSELECT_MESSAGE:
      if (its_case.subscription == nullptr) return false;
      its_.emplace<Message>(its_case.subscription->subscription, StoreItem{its_case});
      return true;
    case EVSELECT_FLAG:
      if (its_case.flag == nullptr) return false;
      its_.emplace<Flag>(its_case.flag->event, Nothing{});
      return true;
    case EVSELECT_READABLE:
      its_.emplace<Descriptor>(its_case.descriptor, Readiness::readable, Nothing{});
      return true;
    case EVSELECT_WRITABLE:
      its_.emplace<Descriptor>(its_case.descriptor, Readiness::writable, Nothing{});
      return true;
    case EVSELECT_TIMER:
      if (its_case.timer == nullptr) return false;
      its_.emplace<Expiry>(its_case.timer->timer, StoreExpirations{its_case});
      return true;
  }
  return false;
}

// select_among() has room for up to so many cases, and the timeout.
template <std::size_t Most>
[[gnu::noinline]] int select_among(EVSELECT_CASE* cases, std::size_t count,
                                   Timeout timeout) noexcept {
  std::array<CCase, Most + 1> places;
  std::array<SelectCase*, Most + 1> all;
  std::array<evcoro::detail::SpinLock*, Most + 1> locks;
  for (std::size_t i = 0; i < count; ++i) {
    if (!places[i].set(cases[i])) return fail(EINVAL);
    all[i] = places[i].get();
  }
  places[count].set(timeout);
  all[count] = places[count].get();
  std::size_t chosen = 0;
  const std::span used{all.data(), count + 1};
  if (const auto error = evcoro::detail::select_one(used, locks, chosen)) return fail(error);
  if (chosen == count) return fail(ETIMEDOUT);
  places[chosen].finish(cases[chosen]);
  return static_cast<int>(chosen);
}

}  // namespace

int EVSELECT_wait(EVSELECT_CASE* cases, size_t count, struct timeval timeout) noexcept {
  constexpr size_t few = 4;
  if ((cases == nullptr && count != 0) || count > EVSELECT_MAX) return fail(EINVAL);
  return count <= few ? select_among<few>(cases, count, to_timeout(timeout))
                      : select_among<EVSELECT_MAX>(cases, count, to_timeout(timeout));
}
