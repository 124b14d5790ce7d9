#include <evcoro/loop_group.hpp>

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/spawner_libevent.hpp>
#include <evcoro/sync/detail/shielded.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <stacks/report.hpp>

namespace evcoro {
namespace detail {
namespace {

using namespace std::chrono_literals;

// Shutdown is one LoopGroup::shutdown() that is under way. After the last one nothing is spawned
// from elsewhere: so that no thread is left that may use the group while its members go.
struct Shutdown {
  Shutdown(std::size_t loops, TimePoint its_deadline, bool is_the_last) noexcept
      : missing(loops), deadline(its_deadline), is_last(is_the_last) {}

  void add(std::vector<ThreadInfo> threads) {
    const std::lock_guard lock{mutex};
    std::move(threads.begin(), threads.end(), std::back_inserter(left));
  }

  Latch missing;
  const TimePoint deadline;
  const bool is_last;
  std::mutex mutex;  // guards left
  std::vector<ThreadInfo> left;
};

std::vector<int> usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) throw std::system_error(system_error());
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
  if (error != 0) throw std::system_error(system_error(error), "LoopGroup: pin");
}

}  // namespace

// GroupMember is a loop of a group, with its OS thread unless it is the application's.
class GroupMember {
 public:
  // The application's loop.
  GroupMember(LoopGroup& group, std::size_t index, Loop& own);

  // A loop on an OS thread of its own, on core unless that is negative.
  GroupMember(LoopGroup& group, std::size_t index, const LoopGroupOptions& options, int core);

  ~GroupMember();

  // current() is that of the calling OS thread, or nullptr.
  static GroupMember* current() noexcept { return current_; }
  static void leave_to_parent() noexcept { current_ = nullptr; }

  LoopGroup& group() const noexcept { return group_; }
  std::size_t index() const noexcept { return index_; }
  Loop& loop() const noexcept { return *loop_; }
  Spawner& spawner() noexcept { return *spawner_; }
  bool has_os_thread() const noexcept { return os_thread_.joinable(); }
  std::size_t load() const noexcept { return loop_->load() + spawner_->pending(); }

  // begin_shutdown() lets the OS thread carry it out; one after the other.
  void begin_shutdown(std::shared_ptr<Shutdown> shutdown);

  // end() ends the OS thread, in which no coroutine thread is left then. begin_leaving() and
  // leave() end it with the process: within a second, and its coroutine threads stay as they are.
  void end() noexcept;
  void begin_leaving() noexcept { order(Next::leave); }
  void leave() noexcept;

 private:
  enum class Next { go_on, end, leave };

  void run(const LoopGroupOptions& options, int core, std::promise<void>& started) noexcept;
  void open(const LoopGroupOptions& options, int core);
  void drive() noexcept;
  void order(Next next) noexcept;
  Next carry_out_orders();

  static constinit thread_local GroupMember* current_;

  LoopGroup& group_;
  const std::size_t index_;
  Loop* loop_ = nullptr;
  std::optional<Loop> its_loop_;  // lives in its OS thread, if it has one
  std::shared_ptr<Spawner> spawner_;
  std::mutex mutex_;  // guards the orders
  std::vector<std::shared_ptr<Shutdown>> shutdowns_;
  Next next_ = Next::go_on;
  std::promise<void> has_left_;
  std::thread os_thread_;
};

constinit thread_local GroupMember* GroupMember::current_ = nullptr;

GroupMember::GroupMember(LoopGroup& group, std::size_t index, Loop& own)
    : group_(group), index_(index), loop_(&own) {
  spawner_ = std::make_shared<Spawner>(own.core());
  current_ = this;
}

GroupMember::GroupMember(LoopGroup& group, std::size_t index, const LoopGroupOptions& options,
                         int core)
    : group_(group), index_(index) {
  std::promise<void> started;
  os_thread_ = std::thread{[&] { run(options, core, started); }};
  try {
    started.get_future().get();
  } catch (...) {
    os_thread_.join();
    throw;
  }
}

GroupMember::~GroupMember() {
  if (has_os_thread()) {
    end();
  } else {
    spawner_->close();
    current_ = nullptr;
  }
}

// --- in its OS thread ---

void GroupMember::run(const LoopGroupOptions& options, int core,
                      std::promise<void>& started) noexcept {
  try {
    open(options, core);
  } catch (...) {
    started.set_exception(std::current_exception());
    return;
  }
  started.set_value();
  drive();
  has_left_.set_value();
}

void GroupMember::open(const LoopGroupOptions& options, int core) {
  const std::string name = options.name + " " + std::to_string(index_);
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
  if (core >= 0) pin_to(core);
  its_loop_.emplace(options.stacks);
  if (options.exception_handler) its_loop_->set_exception_handler(options.exception_handler);
  loop_ = &*its_loop_;
  spawner_ = std::make_shared<Spawner>(loop_->core());
  current_ = this;
}

void GroupMember::drive() noexcept {
  loop_->core().hold();  // it runs though it may have no thread
  Next next = Next::go_on;
  while (next == Next::go_on) {
    loop_->run();
    next = carry_out_orders();
  }
  if (next == Next::leave) return;
  spawner_->close();
  static_cast<void>(loop_->shutdown(never));
  loop_->core().release();
  its_loop_.reset();
}

GroupMember::Next GroupMember::carry_out_orders() {
  std::unique_lock lock{mutex_};
  const auto shutdowns = std::exchange(shutdowns_, {});
  const Next next = next_;
  lock.unlock();
  for (const auto& each : shutdowns) {
    if (each->is_last) spawner_->close();
    each->add(loop_->shutdown(each->deadline));
    each->missing.count_down();
  }
  return next;
}

// --- in any OS thread ---

void GroupMember::begin_shutdown(std::shared_ptr<Shutdown> shutdown) {
  {
    const std::lock_guard lock{mutex_};
    shutdowns_.push_back(std::move(shutdown));
  }
  loop_->stop();
}

void GroupMember::order(Next next) noexcept {
  {
    const std::lock_guard lock{mutex_};
    next_ = next;
  }
  loop_->stop();
}

void GroupMember::end() noexcept {
  order(Next::end);
  os_thread_.join();
}

void GroupMember::leave() noexcept {
  if (has_left_.get_future().wait_for(1s) == std::future_status::ready) {
    os_thread_.join();
  } else {
    os_thread_.detach();  // one that is busy goes with the process
  }
}

}  // namespace detail

using detail::GroupMember;

LoopGroup::LoopGroup(const Options& options) {
  const std::vector<int> cores = detail::usable_cores();
  const std::size_t count = options.loops != 0 ? options.loops : cores.size();
  if (options.own != nullptr) {
    members_.push_back(std::make_unique<GroupMember>(*this, 0, *options.own));
  }
  while (members_.size() < count) {
    const std::size_t index = members_.size();
    const int core = options.pin ? cores[index % cores.size()] : -1;
    members_.push_back(std::make_unique<GroupMember>(*this, index, options, core));
  }
}

LoopGroup::~LoopGroup() {
  const GroupMember* const here = member_of_caller();
  if (here != nullptr && here->has_os_thread())
    stacks::misuse("a LoopGroup was destroyed in one of its own OS threads");
  if (is_foreign()) {  // in a child process all is the parent's, and left as it is
    if (here != nullptr) GroupMember::leave_to_parent();
    for (auto& each : members_) static_cast<void>(each.release());
    return;
  }
  is_ending_ = true;
  static_cast<void>(shut_down_others(nullptr, never));
}

GroupMember* LoopGroup::member_of_caller() const noexcept {
  GroupMember* const here = GroupMember::current();
  return here != nullptr && &here->group() == this ? here : nullptr;
}

Loop& LoopGroup::loop(std::size_t index) const noexcept {
  if (index >= members_.size()) stacks::misuse("a LoopGroup has no loop of that index; see size()");
  return members_[index]->loop();
}

std::optional<std::size_t> LoopGroup::index_of_caller() const noexcept {
  const GroupMember* const here = member_of_caller();
  return here == nullptr ? std::nullopt : std::optional{here->index()};
}

std::size_t LoopGroup::next() noexcept {
  return turn_.fetch_add(1, std::memory_order_relaxed) % members_.size();
}

std::size_t LoopGroup::least_loaded() noexcept {
  const std::size_t first = next();
  std::size_t best = first;
  for (std::size_t i = 1; i < members_.size(); ++i) {
    const std::size_t index = (first + i) % members_.size();
    if (members_[index]->load() < members_[best]->load()) best = index;
  }
  return best;
}

void LoopGroup::admit(std::size_t index, std::unique_ptr<detail::SpawnRequest> request) noexcept {
  static_cast<void>(loop(index));
  if (!is_ending_ && !is_foreign()) members_[index]->spawner().post(std::move(request));
}

bool LoopGroup::is_foreign() const noexcept {
  return !members_.empty() && members_[0]->loop().core().is_foreign();
}

void LoopGroup::call(std::size_t index, detail::CallBase& request) {
  loop(index).core().require_own_process("LoopGroup::call_on");
  if (&loop(index) ==
      (GroupMember::current() != nullptr ? &GroupMember::current()->loop() : nullptr))
    return request.call();
  Event has_returned;
  std::exception_ptr failure;
  loop(index).post([&] {
    try {
      request.call();
    } catch (...) {
      failure = std::current_exception();
    }
    has_returned.set();
  });
  const detail::Shielded shielded;
  if (has_returned.wait()) {
    stacks::misuse(
        "LoopGroup::call_on() another loop in a callback of a loop, which can't wait for it; call "
        "it in a thread");
  }
  if (failure != nullptr) std::rethrow_exception(failure);
}

std::vector<ThreadInfo> LoopGroup::shutdown(Timeout timeout) {
  return shut_down_others(member_of_caller(), timeout);
}

// Shuts down all but the loops of the application's, unless that is here.
std::vector<ThreadInfo> LoopGroup::shut_down_others(GroupMember* here, Timeout timeout) {
  if (is_foreign()) return {};
  const TimePoint deadline = timeout.deadline();
  std::vector<GroupMember*> others;
  for (const auto& each : members_) {
    if (each.get() != here && each->has_os_thread()) others.push_back(each.get());
  }
  const auto shutdown = std::make_shared<detail::Shutdown>(others.size(), deadline, is_ending_);
  for (GroupMember* const each : others) each->begin_shutdown(shutdown);
  if (here != nullptr) shutdown->add(here->loop().shutdown(deadline));
  const detail::Shielded shielded;
  if (shutdown->missing.wait())
    stacks::misuse("a LoopGroup was shut down in a callback of a loop; do it in a thread");
  return std::move(shutdown->left);
}

// --- the shared one ---

namespace {

LoopGroupOptions shared_options() {
  return {.stacks = {.capacity = 10'000,
                     .stack_size = 64 * 1024,
                     .allocation = stacks::StackPool::Allocation::on_demand},
          .name = "go"};
}

}  // namespace

// It is never destroyed, since threads of it may run to the last. But it stops with the process.
struct LoopGroup::Shared {
  ~Shared() {
    const LoopGroup* const it = group;
    if (it == nullptr || it->is_foreign()) return;
    detail::is_leaving = true;
    for (const auto& each : it->members_) each->begin_leaving();
    for (const auto& each : it->members_) each->leave();
  }

  std::atomic<LoopGroup*> group{nullptr};
};

LoopGroup& LoopGroup::shared() {
  static Shared the_shared;
  static std::mutex making;
  LoopGroup* group = the_shared.group;
  if (group != nullptr && !group->is_foreign()) return *group;
  const std::lock_guard lock{making};
  group = the_shared.group;
  if (group == nullptr || group->is_foreign())
    the_shared.group = group = new LoopGroup(shared_options());
  return *group;
}

LoopGroup& LoopGroup::current() {
  GroupMember* const here = GroupMember::current();
  return here != nullptr && !here->group().is_foreign() ? here->group() : shared();
}

}  // namespace evcoro
