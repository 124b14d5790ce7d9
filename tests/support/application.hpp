// Application: a libevent application that embeds a loop: it has an event_base of its own, which it
// dispatches itself.
//
//   TEST_CASE_METHOD(support::Application, "...") {
//     call_in(5ms, [&] { loop.reset(); });
//     event_base_dispatch(base.get());
//   }
#pragma once

#include <event2/event.h>
#include <sys/timerfd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include <evcoro/loop.hpp>
#include <support/loop_fixture.hpp>

namespace support {

struct FreeBase {
  void operator()(event_base* base) const noexcept { event_base_free(base); }
};
using Base = std::unique_ptr<event_base, FreeBase>;

// make_base() makes an event_base with flags, EVENT_BASE_FLAG_...
inline Base make_base(int flags = 0) {
  event_config* const config = event_config_new();
  event_config_set_flag(config, flags);
  Base base{event_base_new_with_config(config)};
  event_config_free(config);
  return base;
}

// call_in() has base call function once, after delay. It must not throw: CHECK, not REQUIRE.
inline void call_in(event_base* base, std::chrono::milliseconds delay,
                    std::function<void()> function) {
  const timeval time{.tv_sec = delay.count() / 1000, .tv_usec = delay.count() % 1000 * 1000};
  const auto call = [](evutil_socket_t, short, void* argument) {
    const std::unique_ptr<std::function<void()>> owned{
        static_cast<std::function<void()>*>(argument)};
    (*owned)();
  };
  event_base_once(base, -1, EV_TIMEOUT, call, new std::function<void()>(std::move(function)),
                  &time);
}

// call_when() has base call function once, as soon as condition() holds. Neither must throw.
inline void call_when(event_base* base, std::function<bool()> condition,
                      std::function<void()> function) {
  call_in(base, std::chrono::milliseconds{1}, [=]() mutable {
    if (condition()) return function();
    call_when(base, std::move(condition), std::move(function));
  });
}

// count_events() counts the events that keep base from running out of work.
inline int count_events(event_base* base) {
  return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE);
}

// count_wake_ups() counts the events that would end base's next wait by themselves: timeouts,
// timerfds that are set, and what is active already.
inline int count_wake_ups(event_base* base) {
  int count = 0;
  const auto visit = [](const event_base*, const event* event, void* argument) {
    itimerspec expiry{};
    const bool is_set = ::timerfd_gettime(event_get_fd(event), &expiry) == 0 &&
                        (expiry.it_value.tv_sec != 0 || expiry.it_value.tv_nsec != 0);
    if (is_set || event_pending(event, EV_TIMEOUT, nullptr) != 0) ++*static_cast<int*>(argument);
    return 0;
  };
  event_base_foreach_event(base, visit, &count);
  return count;
}

class Application {
 public:
  ~Application() noexcept(false) {
    if (std::uncaught_exceptions() > 0) return;
    loop.reset();
    CHECK(pool.in_use() == 0);
    CHECK(count_events(base.get()) == 0);
  }

  template <class F>
  void spawn(F&& function, evcoro::SpawnOptions options = {}) {
    loop->spawn(options, std::forward<F>(function)).value().detach();
  }

  void call_in(std::chrono::milliseconds delay, std::function<void()> function) {
    support::call_in(base.get(), delay, std::move(function));
  }

  void call_when(std::function<bool()> condition, std::function<void()> function) {
    support::call_when(base.get(), std::move(condition), std::move(function));
  }

  void dispatch() { REQUIRE(event_base_dispatch(base.get()) >= 0); }

  Base base = make_base();
  evcoro::stacks::StackPool pool{{.capacity = 16, .stack_size = test_stack_size}};
  std::optional<evcoro::Loop> loop{std::in_place, pool, base.get()};
};

}  // namespace support
