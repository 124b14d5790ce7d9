#include <evcoro/http/access_log.hpp>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <evcoro/detail/process.hpp>
#include <evcoro/http/detail/log_line.hpp>
#include <evcoro/local.hpp>

namespace evcoro::http {
namespace detail {
namespace {

constexpr std::size_t many = 64 * 1024;  // bytes that don't wait for the interval

// Signals are for the application's OS threads; but for those that faults raise.
std::thread start_without_signals(std::function<void()> run) {
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    sigdelset(&blocked, fault);
  }
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  const auto restore = [&] { pthread_sigmask(SIG_SETMASK, &before, nullptr); };
  try {
    std::thread started{std::move(run)};
    restore();
    return started;
  } catch (...) {
    restore();
    throw;
  }
}

// Shard is what a loop has gathered.
struct Shard {
  std::mutex mutex;
  std::string lines;
  std::size_t count = 0;
};

struct ShardOfLoop {
  std::shared_ptr<Shard> shard;
};

}  // namespace

// AccessLogState is shared by the log and its observers.
class AccessLogState {
 public:
  AccessLogState(LogSink sink, AccessLogOptions options)
      : options_(options), sink_(std::move(sink)), outside_(add_shard()) {}

  void start() {
    writer_ = start_without_signals([this] { write_in_turns(); });
  }

  // In a child process the writer, and what it holds, is the parent's.
  bool is_foreign() const noexcept { return process_ != evcoro::detail::watch_forks(); }

  void stop() noexcept {
    {
      const std::lock_guard lock{mutex_};
      is_stopped_ = true;
    }
    wake_.notify_one();
    writer_.join();
  }

  // In a child process it is never destroyed: that would wait for the OS thread to leave the
  // condition. It stays where leak checkers find it.
  void keep(std::shared_ptr<AccessLogState> self) noexcept {
    static std::atomic<AccessLogState*> kept{nullptr};
    self_ = std::move(self);
    next_kept_ = kept.exchange(this);
  }

  // A line for which there is no memory is lost: a response doesn't fail for it.
  void add(const Exchange& exchange) noexcept {
    if (is_over_.load(std::memory_order_relaxed) || is_foreign()) return;
    try {
      add_line(exchange);
    } catch (...) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void flush() noexcept {
    if (is_foreign()) return;
    std::unique_lock lock{mutex_};
    const std::uint64_t wanted = ++asked_;
    wake_.notify_one();
    written_.wait(lock, [&] { return answered_ >= wanted; });
  }

  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  void add_line(const Exchange& exchange) {
    std::string line;
    append_log_line(line, exchange, current_second(), options_);
    Shard& shard = shard_here();
    std::size_t before = 0;
    {
      const std::lock_guard lock{shard.mutex};
      before = shard.lines.size();
      if (before + line.size() > options_.most_buffered) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      shard.lines += line;
      ++shard.count;
    }
    const bool is_many = before < many && before + line.size() >= many;
    if (before == 0 || is_many) wake(is_many);
  }

  std::shared_ptr<Shard> add_shard() {
    auto made = std::make_shared<Shard>();
    const std::lock_guard lock{mutex_};
    shards_.push_back(made);
    return made;
  }

  Shard& shard_here() {
    Loop* const loop = Loop::current();
    if (loop == nullptr) return *outside_;
    ShardOfLoop& here = of_loops_.get(*loop);
    if (here.shard == nullptr) here.shard = add_shard();
    return *here.shard;
  }

  void wake(bool is_urgent) {
    {
      const std::lock_guard lock{mutex_};
      has_lines_ = true;
      if (is_urgent) ++asked_;
    }
    wake_.notify_one();
  }

  void write_in_turns() noexcept {
    std::unique_lock lock{mutex_};
    while (true) {
      const auto is_urgent = [&] { return is_stopped_ || asked_ > answered_; };
      wake_.wait(lock, [&] { return has_lines_ || is_urgent(); });
      wake_.wait_for(lock, options_.interval, is_urgent);
      const bool is_last = is_stopped_;
      const std::uint64_t answering = asked_;
      has_lines_ = false;
      // Nobody else takes any away, but others are added. NOLINTNEXTLINE(modernize-loop-convert)
      for (std::size_t i = 0; i < shards_.size(); ++i) {
        const std::shared_ptr<Shard> shard = shards_[i];
        lock.unlock();
        write_out(*shard);
        lock.lock();
      }
      drop_dead_shards();
      answered_ = answering;
      written_.notify_all();
      if (is_last) return is_over_.store(true, std::memory_order_relaxed);
    }
  }

  void write_out(Shard& shard) noexcept {
    std::string lines;
    std::size_t count = 0;
    {
      const std::lock_guard lock{shard.mutex};
      lines.swap(shard.lines);
      count = std::exchange(shard.count, 0);
    }
    if (lines.empty()) return;
    try {
      sink_(lines);
    } catch (...) {
      dropped_.fetch_add(count, std::memory_order_relaxed);
    }
  }

  // Those of loops that are gone, which have been written.
  void drop_dead_shards() noexcept {
    std::erase_if(shards_, [](const std::shared_ptr<Shard>& shard) {
      const std::lock_guard lock{shard->mutex};
      return shard.use_count() == 1 && shard->lines.empty();
    });
  }

  const AccessLogOptions options_;
  const LogSink sink_;
  const int process_ = evcoro::detail::watch_forks();
  std::atomic<bool> is_over_{false};
  std::atomic<std::uint64_t> dropped_{0};
  LoopLocal<ShardOfLoop> of_loops_;

  std::mutex mutex_;  // of all below, but for what is in the shards
  std::condition_variable wake_;
  std::condition_variable written_;
  std::vector<std::shared_ptr<Shard>> shards_;
  bool has_lines_ = false;
  bool is_stopped_ = false;
  std::uint64_t asked_ = 0;               // how often all was to be written at once
  std::uint64_t answered_ = 0;            // up to which of these it has been
  const std::shared_ptr<Shard> outside_;  // for lines from no loop
  std::thread writer_;
  std::shared_ptr<AccessLogState> self_;  // once it is kept
  AccessLogState* next_kept_ = nullptr;
};

}  // namespace detail

AccessLog::AccessLog(LogSink sink, Options options)
    : state_(std::make_shared<detail::AccessLogState>(std::move(sink), options)) {
  state_->start();
}

AccessLog::~AccessLog() {
  if (!state_->is_foreign()) {
    state_->stop();
  } else {
    state_->keep(state_);
  }
}

ExchangeObserver AccessLog::observer() const {
  return [state = state_](const Exchange& exchange) { state->add(exchange); };
}

void AccessLog::flush() noexcept { state_->flush(); }

std::uint64_t AccessLog::dropped() const noexcept { return state_->dropped(); }

}  // namespace evcoro::http
