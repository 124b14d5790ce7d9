// An idle loop makes no wake-ups, and satisfied waits leave none behind.

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include <evcoro/timer.hpp>
#include <support/application.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// How often an OS thread of this process has gone to sleep.
long count_sleeps(pid_t os_thread) {
  std::ifstream status{"/proc/self/task/" + std::to_string(os_thread) + "/status"};
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view key = "voluntary_ctxt_switches:";
    if (line.starts_with(key)) return std::stol(line.substr(key.size()));
  }
  return -1;
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "an idle loop sleeps and does not wake up") {
  Thread thread = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  loop->run_once(no_wait);
  REQUIRE(support::count_wake_ups(loop->base()) == 0);

  std::atomic<pid_t> id{0};
  std::thread runner{[&] {
    id = static_cast<pid_t>(::syscall(SYS_gettid));
    loop->run();
  }};
  while (id == 0) std::this_thread::yield();
  bool idle = false;  // for a whole period; the first ones may see it begin
  for (int period = 0; period < 50 && !idle; ++period) {
    const long before = count_sleeps(id);
    std::this_thread::sleep_for(100ms);
    idle = before > 0 && count_sleeps(id) == before;
  }
  loop->post([&] { thread.request_stop(); });
  runner.join();
  REQUIRE(idle);
  REQUIRE(thread.join().has_value());
}

TEST_CASE_METHOD(support::LoopFixture, "a loop without work has no event") {
  REQUIRE(support::count_events(loop->base()) == 0);
  in_thread([] { REQUIRE(!this_thread::sleep_for(1ms)); });
  REQUIRE(support::count_events(loop->base()) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a timed wait that was satisfied leaves no wake-up behind") {
  Thread waiter = loop->spawn([] { return this_thread::sleep_for(1h); }).value();
  loop->run_once(no_wait);
  REQUIRE(support::count_wake_ups(loop->base()) == 1);
  SECTION("when threads are left") {
    Thread other = loop->spawn([] { return this_thread::sleep_until(never); }).value();
    waiter.request_stop();
    loop->run_once(no_wait);
    REQUIRE(waiter.has_ended());
    REQUIRE(support::count_wake_ups(loop->base()) == 0);
    other.request_stop();
    loop->run();
    REQUIRE(other.join().has_value());
  }
  SECTION("when none is left") {
    waiter.request_stop();
    REQUIRE(loop->run() == Loop::End::idle);
    REQUIRE(support::count_wake_ups(loop->base()) == 0);
  }
  REQUIRE(waiter.join().value() == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::LoopFixture, "a timer that was cancelled leaves no wake-up behind") {
  Thread thread = loop->spawn([] {
                        Timer timer;
                        timer.start(1h);
                        (void)this_thread::yield();
                        timer.cancel();
                        return this_thread::sleep_until(never);
                      })
                      .value();
  while (thread.info().state != TaskState::parked) loop->run_once(no_wait);
  REQUIRE(support::count_wake_ups(loop->base()) == 0);
  thread.request_stop();
  loop->run();
  REQUIRE(thread.join().has_value());
}

TEST_CASE_METHOD(support::Application, "a run_once that ended early leaves no wake-up behind") {
  call_in(1ms, [] {});
  loop->run_once(1h);
  REQUIRE(support::count_wake_ups(base.get()) == 0);
  dispatch();  // returns: there is nothing to wait for
}
