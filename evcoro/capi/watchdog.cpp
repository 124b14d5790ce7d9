#include <evcoro/watchdog.h>

#include <chrono>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/watchdog.hpp>

using namespace evcoro::capi;
using evcoro::Stall;
using evcoro::Watchdog;
using evcoro::WatchdogOptions;

struct tagEVWATCHDOG {
  Watchdog watchdog;
};

namespace {

// Without memory nobody is told.
void tell(const Stall& stall, void (*on_stall)(const EVSTALL*, void*), void* ctx) noexcept try {
  std::vector<const char*> backtrace;
  for (const std::string& each : stall.backtrace) backtrace.push_back(each.c_str());
  const std::string text = to_string(stall);
  EVSTALL told{};
  told.id = stall.id;
  told.name = stall.name.c_str();
  told.started_at = stall.spawned_at.c_str();
  told.held = evcoro::detail::to_timeval(stall.held);
  told.backtrace = backtrace.data();
  told.backtrace_size = backtrace.size();
  told.text = text.c_str();
  on_stall(&told, ctx);
} catch (const std::bad_alloc&) {
}

WatchdogOptions to_watchdog_options(const EVWATCHDOG_OPTIONS& from) {
  using std::chrono::milliseconds;
  WatchdogOptions to;
  to.limit = std::chrono::duration_cast<milliseconds>(to_duration(from.limit));
  to.signal = from.signal;
  if (from.on_stall != nullptr) {
    to.on_stall = [on_stall = from.on_stall, ctx = from.ctx](const Stall& stall) {
      tell(stall, on_stall, ctx);
    };
  }
  return to;
}

}  // namespace

int EVWATCHDOG_OPTIONS_init(EVWATCHDOG_OPTIONS* options) noexcept {
  if (options == nullptr) return fail(EINVAL);
  const WatchdogOptions defaults;
  *options = {};
  options->limit = evcoro::detail::to_timeval(defaults.limit);
  options->signal = defaults.signal;
  return 0;
}

EVWATCHDOG* EVWATCHDOG_init(const EVWATCHDOG_OPTIONS* options) noexcept try {
  return new EVWATCHDOG{
      Watchdog{options == nullptr ? WatchdogOptions{} : to_watchdog_options(*options)}};
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVWATCHDOG_free(EVWATCHDOG* watchdog) noexcept {
  if (watchdog == nullptr) return fail(EINVAL);
  delete watchdog;
  return 0;
}
