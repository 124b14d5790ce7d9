// Semaphore and Permit, in one loop.
#include <evcoro/sync/semaphore.hpp>

#include <vector>

#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_timed_out;

namespace {

class SemaphoreFixture : public support::LoopFixture {
 public:
  // spawn_acquirer() spawns a thread that acquires count permits for good.
  Thread<std::error_code> spawn_acquirer(std::size_t count = 1, Timeout timeout = {}) {
    return loop->spawn([=, this] { return semaphore.acquire(count, timeout); }).value();
  }

  Semaphore semaphore{0};
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a semaphore limits how many do something at once") {
  Semaphore semaphore{3};
  int working = 0;
  int most = 0;
  int done = 0;
  for (int i = 0; i < 12; ++i) {
    spawn([&] {
      REQUIRE(!semaphore.acquire());
      const Permit permit{semaphore};
      most = std::max(most, ++working);
      for (int step = 0; step < 3; ++step) (void)this_thread::yield();
      --working;
      ++done;
    });
  }
  loop->run();
  REQUIRE(most == 3);
  REQUIRE(done == 12);
  REQUIRE(semaphore.available() == 3);
}

TEST_CASE_METHOD(SemaphoreFixture, "permits are taken while there are some") {
  semaphore.release(3);
  in_thread([&] {
    REQUIRE(semaphore.available() == 3);
    REQUIRE(!semaphore.acquire());
    REQUIRE(!semaphore.acquire(2, no_wait));
    REQUIRE(semaphore.available() == 0);
    REQUIRE(is_timed_out(semaphore.acquire(no_wait)));
    REQUIRE(is_timed_out(semaphore.acquire(1ms)));
    REQUIRE(!semaphore.try_acquire());
    REQUIRE(!semaphore.try_acquire_for(1ms));
    REQUIRE(!semaphore.try_acquire_until(Clock::now() + 1ms));
    semaphore.release(2);
    REQUIRE(!semaphore.try_acquire(3));
    REQUIRE(is_timed_out(semaphore.acquire(3, 1ms)));
    REQUIRE(semaphore.available() == 2);
    REQUIRE(semaphore.try_acquire(2));
    semaphore.release(2);
    REQUIRE(semaphore.try_acquire_for(1ms));
    REQUIRE(semaphore.try_acquire_until(TimePoint{}));
    REQUIRE(semaphore.available() == 0);
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "a permit is released when it goes, also by an exception") {
  semaphore.release();
  in_thread([&] {
    const auto work = [&] {
      REQUIRE(!semaphore.acquire(no_wait));
      const Permit permit{semaphore};
      REQUIRE(semaphore.available() == 0);
      throw 1;
    };
    for (int i = 0; i < 3; ++i) REQUIRE_THROWS_AS(work(), int);
    REQUIRE(semaphore.available() == 1);
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "permits go to who has waited longest") {
  in_thread([&] {
    std::vector<Thread<std::error_code>> threads;
    for (int i = 0; i < 4; ++i) threads.push_back(spawn_acquirer());
    REQUIRE(support::until_parked(threads.back()));
    REQUIRE(threads.back().info().wait_reason == "semaphore");
    for (std::size_t i = 0; i < threads.size(); ++i) {
      semaphore.release();
      REQUIRE(!semaphore.try_acquire());  // nobody gets ahead
      REQUIRE(!threads[i].join().value());
      if (i + 1 < threads.size()) REQUIRE(!threads[i + 1].has_ended());
    }
    REQUIRE(semaphore.available() == 0);
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "who wants few permits does not overtake who wants many") {
  in_thread([&] {
    Thread many = spawn_acquirer(3);
    Thread few = spawn_acquirer(1);
    REQUIRE(support::until_parked(few));
    semaphore.release(2);
    REQUIRE(semaphore.available() == 0);  // for who comes now
    REQUIRE(!semaphore.try_acquire());
    REQUIRE(is_timed_out(semaphore.acquire(no_wait)));
    REQUIRE(is_timed_out(semaphore.acquire(1ms)));
    REQUIRE(!many.has_ended());
    REQUIRE(!few.has_ended());
    semaphore.release();
    REQUIRE(!many.join().value());
    REQUIRE(!few.has_ended());
    semaphore.release(2);
    REQUIRE(!few.join().value());
    REQUIRE(semaphore.available() == 1);
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "one release serves as many as it is enough for") {
  in_thread([&] {
    Thread first = spawn_acquirer(2);
    Thread second = spawn_acquirer(1);
    Thread third = spawn_acquirer(2);
    REQUIRE(support::until_parked(third));
    semaphore.release(4);
    REQUIRE(!first.join().value());
    REQUIRE(!second.join().value());
    REQUIRE(!third.has_ended());
    REQUIRE(is_timed_out(semaphore.acquire(no_wait)));  // the one that is left is spoken for
    semaphore.release();
    REQUIRE(!third.join().value());
    REQUIRE(semaphore.available() == 0);
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "a waiter for many that leaves lets those behind it in") {
  const bool is_cancelled = GENERATE(false, true);
  in_thread([&] {
    semaphore.release(2);
    Thread many = spawn_acquirer(5, is_cancelled ? Timeout{} : Timeout{1ms});
    Thread first = spawn_acquirer(1);
    Thread second = spawn_acquirer(1);
    Thread third = spawn_acquirer(1);
    if (is_cancelled) {
      REQUIRE(support::until_parked(third));
      many.request_stop();
    }
    const std::error_code error = many.join().value();
    REQUIRE((is_cancelled ? is_canceled(error) : is_timed_out(error)));
    REQUIRE(!first.join().value());
    REQUIRE(!second.join().value());
    REQUIRE(!third.has_ended());
    semaphore.release();
    REQUIRE(!third.join().value());
    REQUIRE(semaphore.available() == 0);
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "after a wait in vain a release finds no stale waiter") {
  in_thread([&] {
    REQUIRE(is_timed_out(spawn_acquirer(1, 1ms).join().value()));
    Thread cancelled = spawn_acquirer();
    REQUIRE(support::until_parked(cancelled));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    semaphore.release();
    REQUIRE(semaphore.available() == 1);
    Thread in_vain = spawn_acquirer(2, 1ms);
    Thread next = spawn_acquirer(2);
    REQUIRE(is_timed_out(in_vain.join().value()));
    REQUIRE(!next.has_ended());
    semaphore.release();
    REQUIRE(!next.join().value());
    REQUIRE(semaphore.available() == 0);
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "a permit that comes with a cancellation is not lost") {
  const bool releases_first = GENERATE(true, false);
  in_thread([&] {
    Thread first = spawn_acquirer();
    Thread second = spawn_acquirer();
    REQUIRE(support::until_parked(second));
    if (releases_first) semaphore.release();
    first.request_stop();
    if (!releases_first) semaphore.release();
    REQUIRE(!first.join().value());
    REQUIRE(!second.has_ended());
    semaphore.release();
    REQUIRE(!second.join().value());
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "a permit that comes with the deadline is not lost") {
  in_thread([&] {
    int taken = 0;
    int released = 0;
    for (int i = 0; i < 100; ++i) {
      Thread waiter = spawn_acquirer(1, 100us);
      REQUIRE(!this_thread::sleep_for(i * 2us));
      semaphore.release();
      ++released;
      if (!waiter.join().value()) ++taken;
    }
    REQUIRE(semaphore.available() == static_cast<std::size_t>(released - taken));
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "a cancelled thread takes permits by try_acquire() only") {
  semaphore.release(2);
  in_thread([&] {
    Thread thread = loop->spawn([&] {
                          CHECK(is_canceled(semaphore.acquire()));
                          CHECK(is_canceled(semaphore.acquire(no_wait)));
                          CHECK(is_canceled(semaphore.acquire(2, never)));
                          CHECK(!semaphore.try_acquire_for(1h));
                          CHECK(semaphore.available() == 2);
                          CHECK(semaphore.try_acquire(2));
                          CHECK(!semaphore.try_acquire());
                        })
                        .value();
    thread.request_stop();
    REQUIRE(thread.join());
    REQUIRE(semaphore.available() == 0);
  });
}

TEST_CASE_METHOD(SemaphoreFixture, "who releases a permit need not have acquired it") {
  Thread first = spawn_acquirer();
  Thread second = spawn_acquirer();
  loop->run_once(no_wait);
  REQUIRE(second.info().state == TaskState::parked);
  loop->post([&] { semaphore.release(); });  // outside of threads
  spawn([&] { semaphore.release(); });
  loop->run();
  REQUIRE(!first.join().value());
  REQUIRE(!second.join().value());
}
