#include <evcoro/deadlock.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/detail/deadlock_watch.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/sync/detail/wait_queue.hpp>
#include <stacks/report.hpp>

namespace evcoro {
namespace detail {
namespace {

bool default_is_on() noexcept {
  if (const char* const wish = std::getenv("EVCORO_DEADLOCK_REPORTS"))
    return std::string_view{wish} != "0";
#if defined(NDEBUG)
  return false;
#else
  return true;
#endif
}

// By the process's own account; 0 if that can't be read.
std::ptrdiff_t count_os_threads() noexcept {
  constexpr std::string_view label = "Threads:";
  char text[4096];
  const OwnedDescriptor status{::open("/proc/self/status", O_RDONLY | O_CLOEXEC)};
  const ssize_t size = status ? ::read(status.get(), text, sizeof text - 1) : -1;
  if (size <= 0) return 0;
  text[size] = '\0';
  const char* const found = std::strstr(text, label.data());
  return found == nullptr ? 0 : std::strtol(found + label.size(), nullptr, 10);
}

// Graph is who waits for whom.
class Graph {
 public:
  void add(const LoopCore& core) {
    core.scheduler().for_each_live_task([&](const corothread::Task& task) {
      threads_.push_back(static_cast<const ThreadTask*>(&task));
    });
  }

  bool empty() const noexcept { return threads_.empty(); }
  std::string to_text() const;

  // state() is the same as long as nobody has run.
  std::uint64_t state() const noexcept {
    std::uint64_t sum = 0;
    for (const ThreadTask* each : threads_)
      sum = sum * 31 + each->identity().id() * 17 + each->parks();
    return sum;
  }

 private:
  const ThreadTask* find(std::uintptr_t caller_id) const noexcept;
  const ThreadTask* waited_for_by(const ThreadTask& thread) const noexcept;
  std::string cycle() const;

  std::vector<const ThreadTask*> threads_;
};

std::string short_name(const ThreadTask& thread) {
  return "'" + std::string(thread.identity().name()) + "' (id " +
         std::to_string(thread.identity().id()) + ")";
}

const ThreadTask* Graph::find(std::uintptr_t caller_id) const noexcept {
  const auto found = std::find_if(threads_.begin(), threads_.end(), [&](const ThreadTask* each) {
    return reinterpret_cast<std::uintptr_t>(static_cast<const corothread::Task*>(each)) ==
           caller_id;
  });
  return found == threads_.end() ? nullptr : *found;
}

// The holder of what thread waits for, or whom it joins; nullptr if that is nobody in particular.
const ThreadTask* Graph::waited_for_by(const ThreadTask& thread) const noexcept {
  if (thread.sleeper != nullptr && thread.sleeper->holder() != nullptr)
    return find(*thread.sleeper->holder() & ~std::uintptr_t{1});
  const auto joined = std::find_if(threads_.begin(), threads_.end(),
                                   [&](auto* each) { return each->joiner() == &thread; });
  return joined == threads_.end() ? nullptr : *joined;
}

std::string Graph::cycle() const {
  for (const ThreadTask* const start : threads_) {
    std::string path = short_name(*start);
    const ThreadTask* next = waited_for_by(*start);
    for (std::size_t steps = 0; next != nullptr && steps < threads_.size(); ++steps) {
      path += " -> " + short_name(*next);
      if (next == start) return path;
      next = waited_for_by(*next);
    }
  }
  return {};
}

std::string Graph::to_text() const {
  std::string text = "evcoro: deadlock: every thread waits for another\n";
  for (const ThreadTask* const each : threads_) {
    text += "evcoro:   " + to_string(each->describe());
    if (const ThreadTask* const other = waited_for_by(*each)) {
      text += (each->sleeper != nullptr ? ", held by " : " of ") + short_name(*other);
    }
    text += "\n";
  }
  const std::string its_cycle = cycle();
  if (!its_cycle.empty()) text += "evcoro:   cycle: " + its_cycle + "\n";
  return text;
}

}  // namespace

DeadlockWatch& DeadlockWatch::of_process() noexcept {
  alignas(DeadlockWatch) static std::byte storage[sizeof(DeadlockWatch)];
  static auto& the_watch = *new (storage) DeadlockWatch{default_is_on()};
  return the_watch;
}

void DeadlockWatch::restart() noexcept {
  DeadlockWatch& watch = of_process();
  new (&watch) DeadlockWatch{watch.is_on()};
}

void DeadlockWatch::rest(LoopCore& core) noexcept {
  look([&] {
    const auto is_core = [&](const Resting& each) { return each.core == &core; };
    if (std::none_of(resting_.begin(), resting_.end(), is_core)) {
      resting_.push_back({.core = &core, .os_thread = ::gettid()});
    }
  });
}

void DeadlockWatch::leave(const LoopCore& core) noexcept {
  const std::lock_guard lock{mutex_};
  std::erase_if(resting_, [&](const Resting& each) { return each.core == &core; });
}

void DeadlockWatch::add_idle() noexcept {
  look([&] { ++idle_; });
}

// Without the lock, since who wakes somebody has others. Who does so isn't at rest itself.
void DeadlockWatch::remove_idle() noexcept { --idle_; }

// What has come for a loop since it came to rest will let it leave.
bool DeadlockWatch::all_rest() const {
  std::set<pid_t> os_threads;
  for (const Resting& each : resting_) {
    if (!each.core->inbox().is_empty()) return false;
    os_threads.insert(each.os_thread);
  }
  return static_cast<std::ptrdiff_t>(os_threads.size()) + idle_ == count_os_threads();
}

// The sink is told without the lock: it may do anything.
template <class Change>
void DeadlockWatch::look(Change&& change) noexcept try {
  std::string text;
  {
    const std::lock_guard lock{mutex_};
    change();
    text = find_deadlock();
  }
  if (!text.empty()) stacks::report(text);
} catch (const std::exception&) {  // without memory, or /proc: then there is no report
}

// The report; empty if there is no deadlock, or the same as before.
std::string DeadlockWatch::find_deadlock() {
  if (!is_on() || resting_.empty() || !all_rest()) return {};
  Graph graph;
  for (const Resting& each : resting_) graph.add(*each.core);
  if (graph.empty() || std::exchange(reported_, graph.state()) == graph.state()) return {};
  return graph.to_text();
}

}  // namespace detail

void set_deadlock_reports(bool on) noexcept { detail::DeadlockWatch::of_process().set_on(on); }

bool deadlock_reports() noexcept { return detail::DeadlockWatch::of_process().is_on(); }

}  // namespace evcoro
