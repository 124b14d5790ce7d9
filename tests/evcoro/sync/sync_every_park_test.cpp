// Several primitives of evcoro/sync together, cancelled at each of their waits.
#include <mutex>

#include <evcoro/scope.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/every_park.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: many primitives together") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Mutex mutex;
      ConditionVariable changed;
      bool is_ready = false;
      SharedMutex shared;
      Semaphore semaphore{2};
      Event event;
      WaitGroup group{1};
      Latch latch{2};
      Thread helper = loop->spawn([&] {
                            const auto pause = [] { CHECK(!this_thread::sleep_for(100us)); };
                            shared.lock();
                            CHECK(!semaphore.acquire());
                            {
                              const std::scoped_lock lock{mutex};
                              pause();
                            }
                            pause();
                            {
                              const std::scoped_lock lock{mutex};
                              is_ready = true;
                              changed.notify_one();
                              pause();
                            }
                            pause();
                            shared.unlock();
                            pause();
                            semaphore.release();
                            pause();
                            event.set();
                            pause();
                            group.done();
                            pause();
                            latch.count_down();
                          })
                          .value();
      REQUIRE(this_thread::yield() ==
              (cancelled ? make_error_code(std::errc::operation_canceled) : std::error_code{}));
      const auto operate = [&]() -> std::error_code {
        if (const auto error = mutex.lock(never)) return error;
        {
          std::unique_lock lock{mutex, std::adopt_lock};
          if (const auto error = changed.wait(lock, [&] { return is_ready; })) return error;
        }
        if (const auto error = shared.lock_shared(never)) return error;
        shared.unlock_shared();
        if (const auto error = semaphore.acquire(2, never)) return error;
        semaphore.release(2);
        if (const auto error = event.wait()) return error;
        if (const auto error = group.wait()) return error;
        if (const auto error = latch.arrive_and_wait()) return error;
        return this_thread::yield();
      };
      const std::error_code error = operate();
      CHECK(is_canceled(error) == cancelled);
      const Scope cleaning_up{support::long_time, Scope::Shielded{}};
      CHECK(helper.join());
      CHECK(mutex.try_lock());
      mutex.unlock();
      CHECK(shared.try_lock());
      shared.unlock();
      CHECK(semaphore.available() == 2);
    });
    CHECK(parks >= 7);
  });
}
