// DeadlockFixture: a loop whose threads may wait for each other, and what is reported of that.
//
//   TEST_CASE_METHOD(support::DeadlockFixture, "...") {
//     block();
//     REQUIRE(run_until_report());
//   }
#pragma once

#include <sys/time.h>

#include <csignal>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>

#include <corothread/detail/sanitizers.hpp>
#include <evcoro/deadlock.hpp>
#include <evcoro/sync/event.hpp>
#include <stacks/report.hpp>
#include <support/loop_fixture.hpp>
#include <support/sync.hpp>

namespace support {

// Reports are those that came while it lives. then() is called at each, and must not use evcoro
// beyond Loop::stop() and Loop::post().
class Reports {
 public:
  Reports() {
#if defined(EVCORO_TSAN)
    skip("TSan has an OS thread of its own");
#endif
    current_ = this;
    evcoro::stacks::set_report_sink([](const char* text, std::size_t size) noexcept {
      const std::scoped_lock lock{current_->mutex_};
      current_->text_.append(text, size);
      ++current_->count_;
      if (current_->then) current_->then();
    });
    evcoro::set_deadlock_reports(true);
  }
  ~Reports() {
    evcoro::set_deadlock_reports(false);
    evcoro::stacks::set_report_sink(nullptr);
  }
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  int count() {
    const std::scoped_lock lock{mutex_};
    return count_;
  }
  std::string text() {
    const std::scoped_lock lock{mutex_};
    return text_;
  }
  std::function<void()> then;

 private:
  static inline Reports* current_;
  std::mutex mutex_;
  std::string text_;
  int count_ = 0;
};

class DeadlockFixture : public LoopFixture {
 public:
  DeadlockFixture() {
    reports.then = [this] { loop->stop(); };
  }
  ~DeadlockFixture() noexcept(false) { end_all(); }

  // end_all() comes before what threads wait for goes.
  void end_all() {
    if (loop) CHECK(loop->shutdown(long_time).empty());
  }

  // run_until_report() runs the loop until a report stops it; false if none comes.
  bool run_until_report() {
    const int before = reports.count();
    run_for(long_time);
    return reports.count() != before;
  }

  // stays_silent() lets the loop come to rest for a while; false if there is a report.
  bool stays_silent() {
    const int before = reports.count();
    run_for(std::chrono::milliseconds{20});
    return reports.count() == before;
  }

  // block() spawns a thread that nobody will wake.
  void block(evcoro::SpawnOptions options = {.name = "blocked"}) {
    spawn([&] { (void)never_set.wait(); }, options);
  }

  Reports reports;
  evcoro::Event never_set;

 private:
  // A signal ends it: a timer of the loop, or another OS thread, would be a reason not to report.
  void run_for(std::chrono::microseconds time) {
    running_ = &*loop;
    std::signal(SIGALRM, [](int) { running_->stop(); });
    const auto set = [](long microseconds) {
      const itimerval value{.it_interval = {},
                            .it_value = {microseconds / 1'000'000, microseconds % 1'000'000}};
      ::setitimer(ITIMER_REAL, &value, nullptr);
    };
    set(time.count());
    loop->run();
    set(0);
  }

  static inline evcoro::Loop* running_;
};

}  // namespace support
