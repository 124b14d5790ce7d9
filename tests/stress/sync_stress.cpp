// Randomised stress of evcoro/sync: for each primitive, coroutine threads of four loops and four OS
// threads use it at once, with random deadlines and cancellations, and what must hold is checked.
//
//   sync_stress [--seconds N] [--seed S] [PRIMITIVE...]
//
// N is for each primitive; the seed, which is printed, gives each participant the same decisions
// again. Best run under ThreadSanitizer.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/broadcast.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/once.hpp>
#include <evcoro/sync/recursive_mutex.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <evcoro/thread.hpp>

namespace {

using namespace evcoro;
using namespace std::chrono_literals;

constexpr int loops = 4;
constexpr int threads_per_loop = 8;
constexpr int os_threads = 4;
constexpr int participants = loops * threads_per_loop + os_threads;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "sync_stress: violated: %s\n", what);
  std::abort();
}

// Dice are one participant's decisions.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }
  bool once_in(unsigned n) { return below(n) == 0; }
  Timeout patience() { return std::chrono::microseconds{below(4) == 0 ? 0 : below(300)}; }

 private:
  std::mt19937_64 engine_;
};

bool is_in_thread() { return Loop::current() != nullptr; }

void go_on_if_cancelled() {
  if (is_in_thread() && this_thread::stop_requested()) this_thread::acknowledge_cancellation();
}

// A pause within what a primitive guards, so that others come meanwhile.
void dwell(Dice& dice) {
  if (!dice.once_in(3)) return;
  if (!is_in_thread()) {
    std::this_thread::yield();
  } else if (dice.once_in(4)) {
    static_cast<void>(this_thread::sleep_for(std::chrono::microseconds{dice.below(50)}));
  } else {
    static_cast<void>(this_thread::yield());
  }
}

// Scenario is a primitive with what uses it. step() is what a participant does again and again;
// end() checks, when all have come to their end.
class Scenario {
 public:
  virtual ~Scenario() = default;
  virtual void step(Dice& dice, int participant) = 0;
  virtual void leave(int /*participant*/) {}
  virtual void end() {}
};

// --- locks ---

template <class M>
class Exclusion final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    switch (dice.below(4)) {
      case 0:
        if (mutex_.lock(dice.patience())) return;
        break;
      case 1:
        if (!mutex_.try_lock()) return;
        break;
      default:
        mutex_.lock();
    }
    const std::unique_lock lock{mutex_, std::adopt_lock};
    const long before = count_;
    dwell(dice);
    require(count_ == before, "one holder at a time");
    ++count_;
    ++expected_;
  }
  void end() override { require(count_ == expected_, "nothing is lost under a lock"); }

 private:
  M mutex_;
  long count_ = 0;
  std::atomic<long> expected_{0};
};

class Several final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const unsigned first = dice.below(3);
    const unsigned second = (first + 1 + dice.below(2)) % 3;
    const std::scoped_lock lock{mutexes_[first], mutexes_[second]};
    const long sum = counts_[first] + counts_[second];
    dwell(dice);
    require(sum == counts_[first] + counts_[second], "one holder of both at a time");
    ++counts_[first];
    --counts_[second];
  }
  void end() override {
    require(counts_[0] + counts_[1] + counts_[2] == 0, "nothing is lost under two locks");
  }

 private:
  std::array<Mutex, 3> mutexes_;
  std::array<long, 3> counts_{};
};

class Sharing final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(4)) {
      write(dice);
    } else {
      read(dice);
    }
  }

 private:
  void read(Dice& dice) {
    if (dice.once_in(2)) {
      if (mutex_.lock_shared(dice.patience())) return;
    } else if (dice.once_in(3)) {
      if (!mutex_.try_lock_shared()) return;
    } else {
      mutex_.lock_shared();
    }
    const std::shared_lock lock{mutex_, std::adopt_lock};
    const long first = data_.front();
    dwell(dice);
    require(std::all_of(data_.begin(), data_.end(), [&](long each) { return each == first; }),
            "no writer among readers");
  }
  void write(Dice& dice) {
    if (dice.once_in(2)) {
      if (mutex_.lock(dice.patience())) return;
    } else {
      mutex_.lock();
    }
    const std::unique_lock lock{mutex_, std::adopt_lock};
    ++data_.front();
    dwell(dice);
    for (long& each : data_) each = data_.front();
  }

  SharedMutex mutex_;
  std::array<long, 4> data_{};
};

// --- waiting for something ---

class Conditions final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    std::unique_lock lock{mutex_};
    if (dice.once_in(2)) {
      if (not_full_.wait(
              lock, [&] { return items_ < 3; }, dice.patience()))
        return;
      ++items_;
      ++put_;
      not_empty_.notify_one();
    } else {
      if (not_empty_.wait(
              lock, [&] { return items_ > 0; }, dice.patience()))
        return;
      --items_;
      ++taken_;
      dice.once_in(2) ? not_full_.notify_all() : not_full_.notify_one();
    }
    require(items_ >= 0 && items_ <= 3, "a condition holds when it is waited for");
  }
  void end() override { require(put_ == taken_ + items_, "as many are taken as were put"); }

 private:
  Mutex mutex_;
  ConditionVariable not_full_;
  ConditionVariable not_empty_;
  long items_ = 0;
  long put_ = 0;
  long taken_ = 0;
};

class Permits final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const std::size_t count = 1 + dice.below(3);
    if (dice.once_in(4) ? !semaphore_.try_acquire(count)
                        : bool{semaphore_.acquire(count, dice.patience())}) {
      return;
    }
    require(inside_.fetch_add(static_cast<int>(count)) + static_cast<int>(count) <= limit,
            "no more than the permits");
    dwell(dice);
    inside_ -= static_cast<int>(count);
    semaphore_.release(count);
  }
  void end() override { require(semaphore_.available() == limit, "all permits come back"); }

 private:
  static constexpr int limit = 4;
  Semaphore semaphore_{limit};
  std::atomic<int> inside_{0};
};

class Events final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(2)) {
      ++sets_;
      event_.set();
    } else if (!event_.wait(dice.patience())) {
      require(++passes_ <= sets_, "no more pass than it was set");
    }
  }

 private:
  Event event_;
  std::atomic<long> sets_{0};
  std::atomic<long> passes_{0};
};

class Groups final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(3)) {
      const auto error = dice.once_in(2)
                             ? group_.wait(dice.patience())
                             : group_.wait_done(group_.done_count() + 1, dice.patience());
      static_cast<void>(error);
      return;
    }
    group_.add();
    dwell(dice);
    group_.done();
  }
  void end() override {
    require(group_.missing() == 0 && !group_.wait(no_wait), "all that were added are done");
  }

 private:
  WaitGroup group_;
};

class Latches final : public Scenario {
 public:
  Latches() {
    for (std::size_t i = 0; i < count; ++i) {
      latches_.push_back(std::make_unique<Latch>(participants));
    }
  }
  void step(Dice& dice, int participant) override {
    std::size_t& mine = next_[static_cast<std::size_t>(participant)];
    if (mine == count) {
      dwell(dice);
      return;
    }
    Latch& latch = *latches_[mine];
    ++arrived_[mine];
    std::error_code error = latch.arrive_and_wait(dice.patience());
    if (!error)
      require(arrived_[mine] == participants, "nobody passes a latch before all are there");
    ++mine;
  }
  void leave(int participant) override {
    for (std::size_t& mine = next_[static_cast<std::size_t>(participant)]; mine < count; ++mine) {
      ++arrived_[mine];
      latches_[mine]->count_down();
    }
  }
  void end() override {
    for (const auto& each : latches_) require(each->try_wait(), "all latches are open in the end");
  }

 private:
  static constexpr std::size_t count = 20'000;
  std::vector<std::unique_ptr<Latch>> latches_;
  std::array<std::atomic<int>, count> arrived_{};
  std::array<std::size_t, participants> next_{};
};

class Barriers final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const long before = completions_;
    const auto phase = barrier_.arrive();
    while (barrier_.wait(phase, dice.patience())) go_on_if_cancelled();
    require(completions_ > before, "nobody passes a barrier before its completion");
  }
  void leave(int) override { barrier_.arrive_and_drop(); }

 private:
  struct Complete {
    Barriers* self;
    void operator()() noexcept { ++self->completions_; }
  };
  std::atomic<long> completions_{0};
  Barrier<Complete> barrier_{participants, Complete{this}};
};

class Onces final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const std::size_t index = std::min<std::size_t>(calls_.fetch_add(1) / participants, count - 1);
    const auto maybe_fail = [&] {
      dwell(dice);
      if (dice.once_in(4)) throw Failed{};
      require(++done_[index] == 1, "once is once");
    };
    try {
      if (!onces_[index].call(maybe_fail, dice.patience()))
        require(done_[index] == 1, "it is done when call() returns");
    } catch (const Failed&) {
    }
  }

 private:
  struct Failed {};
  static constexpr std::size_t count = 100'000;
  std::vector<Once> onces_ = std::vector<Once>(count);
  std::vector<std::atomic<int>> done_ = std::vector<std::atomic<int>>(count);
  std::atomic<std::size_t> calls_{0};
};

// --- channels ---

// Tally is what went in and what came out.
class Tally {
 public:
  std::unique_ptr<long> next() { return std::make_unique<long>(++last_); }
  void sent(long value) {
    ++sent_;
    sum_sent_ += value;
  }
  void received(long value) {
    ++received_;
    sum_received_ += value;
  }
  void check() const {
    require(sent_ == received_ && sum_sent_ == sum_received_, "what is sent is received, once");
  }

 private:
  std::atomic<long> last_{0};
  std::atomic<long> sent_{0};
  std::atomic<long> received_{0};
  std::atomic<long> sum_sent_{0};
  std::atomic<long> sum_received_{0};
};

using Parcel = std::unique_ptr<long>;

void send_one(Channel<Parcel>& channel, Tally& tally, Dice& dice) {
  Parcel parcel = tally.next();
  const long value = *parcel;
  const auto error = dice.once_in(4) ? channel.try_send(std::move(parcel))
                                     : channel.send(std::move(parcel), dice.patience());
  require((parcel == nullptr) == !error, "a value that was not sent stays");
  if (!error) tally.sent(value);
}

void receive_one(Channel<Parcel>& channel, Tally& tally, Dice& dice) {
  auto parcel = dice.once_in(4) ? channel.try_receive() : channel.receive(dice.patience());
  if (parcel) tally.received(**parcel);
}

void drain(Channel<Parcel>& channel, Tally& tally) {
  channel.close();
  while (auto parcel = channel.try_receive()) tally.received(**parcel);
}

class Channels final : public Scenario {
 public:
  explicit Channels(std::size_t capacity) : channel_(capacity) {}
  void step(Dice& dice, int) override {
    dice.once_in(2) ? send_one(channel_, tally_, dice) : receive_one(channel_, tally_, dice);
  }
  void end() override {
    drain(channel_, tally_);
    tally_.check();
  }

 private:
  Channel<Parcel> channel_;
  Tally tally_;
};

class Selects final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(3)) {
      Channel<Parcel>& channel = *channels_[dice.below(3)];
      dice.once_in(2) ? send_one(channel, tally_, dice) : receive_one(channel, tally_, dice);
      return;
    }
    Parcel first = tally_.next();
    Parcel second = tally_.next();
    const long first_value = *first;
    const long second_value = *second;
    const auto received = [&](Result<Parcel> parcel) {
      if (parcel) tally_.received(**parcel);
    };
    const bool swapped = dice.once_in(2);
    Channel<Parcel>& one = *channels_[swapped ? 1 : 0];
    Channel<Parcel>& two = *channels_[swapped ? 0 : 1];
    const auto chosen = select(when(dice.once_in(2), on_send(one, std::move(first),
                                                             [&](std::error_code error) {
                                                               if (!error) tally_.sent(first_value);
                                                             })),
                               when(dice.once_in(2), on_send(two, std::move(second),
                                                             [&](std::error_code error) {
                                                               if (!error)
                                                                 tally_.sent(second_value);
                                                             })),
                               when(dice.once_in(2), on_receive(one, received)),
                               when(dice.once_in(2), on_receive(*channels_[2], received)),
                               on_event(event_), on_timeout(dice.patience()));
    if (dice.once_in(8)) event_.set();
    const bool sent = chosen && *chosen < 2;
    require((first == nullptr) + (second == nullptr) == (sent ? 1 : 0),
            "a select sends what it has chosen, and nothing else");
  }
  void end() override {
    for (const auto& each : channels_) drain(*each, tally_);
    tally_.check();
  }

 private:
  std::array<std::unique_ptr<Channel<Parcel>>, 3> channels_{std::make_unique<Channel<Parcel>>(0),
                                                            std::make_unique<Channel<Parcel>>(0),
                                                            std::make_unique<Channel<Parcel>>(2)};
  Event event_;
  Tally tally_;
};

class Broadcasts final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(4)) {
      auto subscription = broadcast_.subscribe(
          {.capacity = 2, .slow = dice.once_in(2) ? Slow::block : Slow::drop_oldest});
      long last = 0;
      for (unsigned i = dice.below(6); i > 0; --i) {
        const auto message = subscription.receive(dice.patience());
        if (!message) continue;
        require(*message > last, "messages come in order");
        last = *message;
      }
    } else {
      std::unique_lock lock{order_, std::defer_lock};
      if (order_.lock(dice.patience())) return;
      lock = std::unique_lock{order_, std::adopt_lock};
      static_cast<void>(broadcast_.publish(++last_, dice.patience()));
    }
  }

 private:
  Mutex order_;
  long last_ = 0;
  Broadcast<long> broadcast_;
};

// --- participants ---

class Run {
 public:
  Run(Scenario& scenario, std::uint64_t seed) : scenario_(scenario), seed_(seed) {}

  void operator()(std::chrono::seconds duration) {
    std::vector<std::thread> all;
    for (int i = 0; i < loops; ++i) all.emplace_back([this, i] { run_loop(i); });
    for (int i = 0; i < os_threads; ++i) {
      all.emplace_back([this, i] { participate(loops * threads_per_loop + i); });
    }
    std::this_thread::sleep_for(duration);  // it is what this is about
    is_over_ = true;
    for (std::thread& each : all) each.join();
    scenario_.end();
  }

  std::uint64_t steps() const { return steps_; }

 private:
  void participate(int number) {
    Dice dice{seed_ + static_cast<std::uint64_t>(number)};
    std::uint64_t steps = 0;
    for (; !is_over_; ++steps) {
      scenario_.step(dice, number);
      go_on_if_cancelled();
      if (is_in_thread() && dice.once_in(16)) static_cast<void>(this_thread::yield());
    }
    go_on_if_cancelled();
    scenario_.leave(number);
    steps_ += steps;
  }

  void run_loop(int index) {
    Loop loop{{.capacity = threads_per_loop + 1, .stack_size = 256 * 1024}};
    std::vector<Thread<>> threads;
    for (int i = 0; i < threads_per_loop; ++i) {
      const int number = index * threads_per_loop + i;
      threads.push_back(loop.spawn([this, number] { participate(number); }).value());
    }
    auto canceller = loop.spawn([&] { cancel_some(threads, index); }).value();
    loop.run();
  }

  void cancel_some(std::vector<Thread<>>& threads, int index) {
    Dice dice{seed_ + 1000 + static_cast<std::uint64_t>(index)};
    while (!is_over_) {
      static_cast<void>(this_thread::sleep_for(std::chrono::microseconds{dice.below(500)}));
      Thread<>& victim = threads[dice.below(threads_per_loop)];
      if (!victim.has_ended()) victim.request_stop();
    }
  }

  Scenario& scenario_;
  const std::uint64_t seed_;
  std::atomic<bool> is_over_{false};
  std::atomic<std::uint64_t> steps_{0};
};

struct Named {
  std::string_view name;
  std::function<std::unique_ptr<Scenario>()> make;
};

const Named all_scenarios[] = {
    {"mutex", [] { return std::make_unique<Exclusion<Mutex>>(); }},
    {"recursive_mutex", [] { return std::make_unique<Exclusion<RecursiveMutex>>(); }},
    {"several_mutexes", [] { return std::make_unique<Several>(); }},
    {"shared_mutex", [] { return std::make_unique<Sharing>(); }},
    {"condition_variable", [] { return std::make_unique<Conditions>(); }},
    {"semaphore", [] { return std::make_unique<Permits>(); }},
    {"event", [] { return std::make_unique<Events>(); }},
    {"wait_group", [] { return std::make_unique<Groups>(); }},
    {"latch", [] { return std::make_unique<Latches>(); }},
    {"barrier", [] { return std::make_unique<Barriers>(); }},
    {"once", [] { return std::make_unique<Onces>(); }},
    {"channel", [] { return std::make_unique<Channels>(0); }},
    {"buffered_channel", [] { return std::make_unique<Channels>(4); }},
    {"select", [] { return std::make_unique<Selects>(); }},
    {"broadcast", [] { return std::make_unique<Broadcasts>(); }},
};

}  // namespace

int main(int count, char** arguments) {
  std::chrono::seconds duration{1};
  std::uint64_t seed = std::random_device{}();
  std::vector<std::string_view> wanted;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument{arguments[i]};
    if (argument == "--seconds" && i + 1 < count) {
      duration = std::chrono::seconds{std::atoi(arguments[++i])};
    } else if (argument == "--seed" && i + 1 < count) {
      seed = std::strtoull(arguments[++i], nullptr, 10);
    } else {
      wanted.push_back(argument);
    }
  }
  for (const auto& [name, make] : all_scenarios) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    std::printf("%.*s, seed %llu: ", static_cast<int>(name.size()), name.data(),
                static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    const auto scenario = make();
    Run run{*scenario, seed};
    run(duration);
    std::printf("%llu steps\n", static_cast<unsigned long long>(run.steps()));
  }
}
