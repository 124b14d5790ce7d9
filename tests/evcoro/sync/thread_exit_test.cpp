// OS threads that end with coroutine threads of theirs queued on what others have.
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <vector>

#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using support::is_canceled;
using support::long_time;
using support::OsThread;

namespace {

// Things are of each kind, none of which can be had.
struct Things {
  Things() {
    mutex.lock();
    shared_mutex.lock();
  }
  ~Things() {
    shared_mutex.unlock();
    mutex.unlock();
  }

  // waits() are what a thread can do that waits for each of them.
  std::vector<std::function<std::error_code()>> waits() {
    return {
        [this] { return mutex.lock(long_time); },
        [this] { return shared_mutex.lock(long_time); },
        [this] { return shared_mutex.lock_shared(long_time); },
        [this] { return semaphore.acquire(1, long_time); },
        [this] { return event.wait(); },
        [this] { return latch.wait(); },
        [this] { return group.wait(); },
        [this] { return barrier.arrive_and_wait(); },
        [this] {
          std::unique_lock lock{condition_mutex};
          return condition.wait(lock);
        },
        [this] { return full.send(1); },
        [this] { return empty.receive().error(); },
        [this] { return select(on_receive(empty), on_event(event)).error(); },
    };
  }

  // use() is as if nobody had waited.
  void use() {
    REQUIRE(!mutex.try_lock());
    semaphore.release();
    REQUIRE(semaphore.try_acquire());
    event.set();
    REQUIRE(event.try_wait());
    latch.count_down();
    group.done();
    condition.notify_one();
    REQUIRE(full.try_send(1) == std::errc::operation_would_block);
    REQUIRE(empty.try_send(1) == std::errc::operation_would_block);
  }

  Mutex mutex;
  SharedMutex shared_mutex;
  Semaphore semaphore{0};
  Event event;
  Latch latch{1};
  WaitGroup group{1};
  Barrier<> barrier{2};
  Mutex condition_mutex;
  ConditionVariable condition;
  Channel<int> full;
  Channel<int> empty;
};

// wait_in() makes a loop in place, with a thread for each of waits, and returns when all wait.
template <class Place>
void wait_in(Place& place, const std::vector<std::function<std::error_code()>>& waits,
             std::atomic<int>& canceled) {
  place.emplace(stacks::StackPool::Options{.capacity = waits.size() + 1,
                                           .stack_size = support::test_stack_size});
  for (const auto& wait : waits) {
    place->spawn([&] { canceled += is_canceled(wait()) ? 1 : 0; }).value().detach();
  }
  place->spawn([&] { place->stop(); }).value().detach();
  place->run();
}

}  // namespace

TEST_CASE("an OS thread ends with its loop, whose threads leave what they wait for") {
  Things things;
  const auto waits = things.waits();
  std::atomic<int> canceled{0};
  OsThread{[&] {
    std::optional<Loop> loop;
    wait_in(loop, waits, canceled);
  }}.join();
  REQUIRE(canceled == static_cast<int>(waits.size()));
  things.use();
}

TEST_CASE("a loop that is local to an OS thread ends with that") {
  Things things;
  const auto waits = things.waits();
  std::atomic<int> canceled{0};
  OsThread{[&] {
    thread_local std::optional<Loop> loop;
    wait_in(loop, waits, canceled);
  }}.join();
  REQUIRE(canceled == static_cast<int>(waits.size()));
  things.use();
}
