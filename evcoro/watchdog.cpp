#include <evcoro/watchdog.hpp>

#include <execinfo.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include <corothread/detail/running_task.hpp>
#include <corothread/scheduler.hpp>
#include <evcoro/detail/pulse.hpp>
#include <evcoro/error.hpp>
#include <stacks/frame.hpp>
#include <stacks/overflow.hpp>
#include <stacks/report.hpp>

namespace evcoro {
namespace detail {

std::atomic<bool> is_watched{false};

namespace {

using corothread::Scheduler;
using corothread::Task;
using corothread::TimePoint;
using std::chrono::nanoseconds;

// Pulses are all that there are in the process.
struct Pulses {
  std::mutex mutex;  // guards the list, and what is seen
  stacks::IntrusiveList<Pulse> list;

  static Pulses& of_process() noexcept {
    alignas(Pulses) static std::byte storage[sizeof(Pulses)];
    static Pulses& the_pulses = *new (storage) Pulses;  // never destroyed
    return the_pulses;
  }
};

// --- what the signal's handler does, in the OS thread of the loop ---

constexpr int most_frames = 64;

// Sample is a thread that was found holding its loop, on its way to the watchdog.
struct Sample {
  enum State { free, being_written, full };
  std::atomic<State> state{free};
  std::uint64_t id = 0;
  char name[32] = {};
  const char* file = "";
  std::uint32_t line = 0;
  nanoseconds held{};
  const void* interrupted_at = nullptr;
  std::array<void*, most_frames> frames{};
  int frame_count = 0;
};

Sample sample;
std::atomic<nanoseconds::rep> limit{0};

// Sighting is the thread that this OS thread was running when it was last looked at.
struct Sighting {
  const Task* task = nullptr;
  std::uint64_t parks = 0;
  int switches_left = 0;
  TimePoint since{};
  bool is_reported = false;

  bool is_same(const Task& running, const Scheduler& scheduler) const noexcept {
    return task == &running && parks == running.parks() &&
           switches_left == scheduler.switches_left();
  }
};

constinit thread_local Sighting sighting;

void take_sample(const Task& task, nanoseconds held, const void* interrupted_at) noexcept {
  auto expected = Sample::free;
  if (!sample.state.compare_exchange_strong(expected, Sample::being_written)) return;
  const corothread::Identity& identity = task.identity();
  sample.id = identity.id();
  const std::string_view name = identity.name();
  const std::size_t size = std::min(name.size(), sizeof sample.name - 1);
  std::memcpy(sample.name, name.data(), size);
  sample.name[size] = '\0';
  sample.file = identity.file();
  sample.line = identity.line();
  sample.held = held;
  sample.interrupted_at = interrupted_at;
  sample.frame_count = ::backtrace(sample.frames.data(), most_frames);
  sample.state.store(Sample::full, std::memory_order_release);
}

// Of the moments between the loop and its threads, when what runs isn't a task, the task's
// scheduler tells.
void look(const void* interrupted_at) noexcept {
  const Task* const task = corothread::detail::running_task();
  if (task == nullptr || task->scheduler() != Scheduler::current()) return;
  const TimePoint now = corothread::read_clock();
  const Scheduler& scheduler = *task->scheduler();
  if (!sighting.is_same(*task, scheduler)) {
    sighting = {.task = task,
                .parks = task->parks(),
                .switches_left = scheduler.switches_left(),
                .since = now};
    return;
  }
  const nanoseconds held = now - sighting.since;
  if (held.count() < limit || std::exchange(sighting.is_reported, true)) return;
  take_sample(*task, held, interrupted_at);
}

const void* program_counter(const void* context) noexcept {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return reinterpret_cast<const void*>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<const void*>(machine.pc);
#else
  static_cast<void>(machine);
  return nullptr;
#endif
}

void on_signal(int, siginfo_t*, void* context) noexcept {
  const int saved_errno = errno;
  look(program_counter(context));
  errno = saved_errno;
}

// --- what the watchdog makes of it ---

Stall to_stall(const Sample& taken) {
  Stall stall{.id = taken.id,
              .name = taken.name,
              .spawned_at = std::string(taken.file) + ":" + std::to_string(taken.line),
              .held = taken.held};
  // The first frames are those of the signal's handler.
  const auto end = taken.frames.begin() + taken.frame_count;
  auto frame = std::find(taken.frames.begin(), end, taken.interrupted_at);
  if (frame == end) frame = taken.frames.begin();
  for (; frame != end; ++frame) stall.backtrace.push_back(stacks::describe_frame(*frame));
  return stall;
}

}  // namespace

void restart_pulses() noexcept {
  new (&Pulses::of_process()) Pulses;
  is_watched = false;
}

Pulse::Pulse() noexcept {
  Pulses& pulses = Pulses::of_process();
  const std::lock_guard lock{pulses.mutex};
  pulses.list.push_back(*this);
}

Pulse::~Pulse() {
  const std::lock_guard lock{Pulses::of_process().mutex};
  unlink();
}

void Pulse::begin() noexcept {
  thread_local const pid_t this_os_thread = [] {
    stacks::set_up_signal_stack();
    return ::gettid();
  }();
  pass_.store(pass() + 1, std::memory_order_relaxed);
  os_thread_.store(this_os_thread, std::memory_order_relaxed);
}

}  // namespace detail

using detail::Pulse;
using detail::Pulses;
using detail::Sample;

std::string to_string(const Stall& stall) {
  const auto held = std::chrono::duration_cast<std::chrono::milliseconds>(stall.held).count();
  std::string text = "evcoro: '" + stall.name + "' (id " + std::to_string(stall.id) +
                     "), spawned at " + stall.spawned_at + ", has held its loop for " +
                     std::to_string(held) + " ms\n";
  int number = 0;
  for (const std::string& each : stall.backtrace)
    text += "evcoro:   #" + std::to_string(number++) + " " + each + "\n";
  return text;
}

class Watchdog::Core {
 public:
  explicit Core(Options options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

 private:
  void install_handler();
  void start();
  void watch() noexcept;
  void send_signals() noexcept;
  void report();

  const Options options_;
  struct sigaction previous_ {};
  bool has_handler_ = false;
  std::mutex mutex_;  // guards is_to_end_
  std::condition_variable end_;
  bool is_to_end_ = false;
  std::thread os_thread_;
};

Watchdog::Core::Core(Options options) : options_(std::move(options)) {
  if (options_.limit < std::chrono::milliseconds{1})
    throw std::system_error(detail::system_error(EINVAL), "Watchdog: the limit is below 1 ms");
  if (detail::is_watched.exchange(true))
    throw std::system_error(detail::system_error(EBUSY), "Watchdog: there is one already");
  try {
    install_handler();
    detail::limit = std::chrono::nanoseconds{options_.limit}.count();
    void* first[1];
    ::backtrace(first, 1);  // loads what it needs, which a signal's handler must not
    start();
  } catch (...) {
    if (has_handler_) ::sigaction(options_.signal, &previous_, nullptr);
    detail::is_watched = false;
    throw;
  }
}

// With all signals blocked in it, which are the application's.
void Watchdog::Core::start() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    os_thread_ = std::thread{[this] { watch(); }};
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Watchdog::Core::install_handler() {
  if (::sigaction(options_.signal, nullptr, &previous_) != 0)
    throw std::system_error(detail::system_error(), "Watchdog: signal");
  if (previous_.sa_handler != SIG_DFL && previous_.sa_handler != SIG_IGN)
    throw std::system_error(detail::system_error(EBUSY), "Watchdog: the signal has a handler");
  struct sigaction action {};
  action.sa_sigaction = detail::on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK | SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(options_.signal, &action, nullptr) != 0)
    throw std::system_error(detail::system_error(), "Watchdog: signal");
  has_handler_ = true;
}

// A signal that was sent may not have arrived yet: from now on it is ignored, where it was left to
// its default action.
Watchdog::Core::~Core() {
  {
    const std::lock_guard lock{mutex_};
    is_to_end_ = true;
  }
  end_.notify_one();
  os_thread_.join();
  struct sigaction action = previous_;
  if (action.sa_handler == SIG_DFL && options_.signal != SIGURG) action.sa_handler = SIG_IGN;
  ::sigaction(options_.signal, &action, nullptr);
  detail::sample.state = Sample::free;
  detail::is_watched = false;
}

void Watchdog::Core::watch() noexcept {
  ::pthread_setname_np(::pthread_self(), "watchdog");
  const auto period = std::max(std::chrono::nanoseconds{options_.limit} / 5,
                               std::chrono::nanoseconds{std::chrono::milliseconds{1}});
  std::unique_lock lock{mutex_};
  while (!end_.wait_for(lock, period, [&] { return is_to_end_; })) {
    lock.unlock();
    send_signals();
    if (detail::sample.state.load(std::memory_order_acquire) == Sample::full) report();
    lock.lock();
  }
}

// To the OS threads whose loop is in the pass that it was in the last time.
void Watchdog::Core::send_signals() noexcept {
  Pulses& pulses = Pulses::of_process();
  const std::lock_guard lock{pulses.mutex};
  pulses.list.for_each([&](Pulse& each) {
    const pid_t os_thread = each.os_thread();
    const std::uint64_t pass = each.pass();
    if (std::exchange(each.seen, pass) == pass && os_thread != 0)
      ::syscall(SYS_tgkill, ::getpid(), os_thread, options_.signal);
  });
}

void Watchdog::Core::report() try {
  const Stall stall = detail::to_stall(detail::sample);
  detail::sample.state.store(Sample::free, std::memory_order_release);
  if (options_.on_stall) {
    options_.on_stall(stall);
  } else {
    stacks::report(to_string(stall));
  }
} catch (const std::bad_alloc&) {
  detail::sample.state.store(Sample::free, std::memory_order_release);
}

Watchdog::Watchdog(Options options) : core_(std::make_unique<Core>(std::move(options))) {}
Watchdog::~Watchdog() = default;

}  // namespace evcoro
