// cancel_at_every_park(): cancels an operation at its first suspension, then, run anew, at its
// second, and so on until it completes. What an operation leaves behind at any of them, the fixture
// finds.
//
//   in_thread([&] {
//     const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
//       const auto result = operation_to_test();
//       CHECK((result.error == std::errc::operation_canceled) == cancelled);   // or the like
//     });
//     CHECK(parks >= 2);   // at how many it was cancelled: so it does wait, and was tested
//   });
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <support/catch.hpp>

namespace support {

// request_stop_at_park() cancels thread as soon as it is parked for the number'th time, counted
// from one; false if it ends before. It is called in another thread of its loop, which always is in
// the run queue: so it sees the thread at each of its parks, but for those that were over by the
// time that the loop had polled.
template <class T>
bool request_stop_at_park(evcoro::Thread<T>& thread, int number, bool& cancelled) {
  std::uint64_t seen = 0;
  while (!thread.has_ended()) {
    const evcoro::ThreadInfo info = thread.info();
    if (info.state == evcoro::TaskState::parked && std::exchange(seen, info.parks) != seen) {
      if (--number == 0) {
        cancelled = true;
        thread.request_stop();
        return true;
      }
    }
    evcoro::this_thread::yield();
  }
  return false;
}

// cancel_at_every_park() is to be called in a thread of loop. The operation gets a reference to a
// flag, which is set when its thread is cancelled. Returns at how many parks it was: all that there
// are, since a run with one that was over too soon is repeated. More than limit parks are a failure
// of the test.
template <class Operation>
int cancel_at_every_park(evcoro::Loop& loop, Operation&& operation, int limit = 100) {
  static_assert(!std::is_invocable_v<Operation&, bool>, "cancelled is a reference: it changes");
  int repeats = 20;
  for (int number = 1; number <= limit; ++number) {
    bool cancelled = false;
    auto thread = loop.spawn({.name = "operation"}, [&] { operation(cancelled); }).value();
    const bool was_cancelled = request_stop_at_park(thread, number, cancelled);
    const auto parks = static_cast<int>(thread.info().parks);
    thread.join().value();
    if (was_cancelled) continue;
    if (number > parks || repeats-- == 0) return number - 1;
    --number;
  }
  FAIL("an operation parked more than " << limit << " times");
  return limit;
}

}  // namespace support
