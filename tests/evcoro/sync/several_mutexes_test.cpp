// Several threads that take the same two mutexes by std::scoped_lock. That takes one, tries the
// other, and on failure starts anew by waiting for the other: where each unlock() hands the lock
// over to somebody who doesn't run yet, all of them may find the other one taken, for ever.
#include <csignal>
#include <mutex>
#include <string>

#include <unistd.h>

#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <support/sync.hpp>

using namespace evcoro;

namespace {

// took_turns() is whether three threads of a loop get to an end.
template <class M>
bool took_turns() {
  const support::Ended ended = support::in_child_with_loop([](std::optional<Loop>& loop) {
    ::alarm(20);  // instead of for ever
    M first;
    M second;
    for (int i = 0; i < 3; ++i) {
      loop->spawn([&, i] {
            for (int turn = 0; turn < 50; ++turn) {
              const std::scoped_lock both{i % 2 == 0 ? first : second, i % 2 == 0 ? second : first};
              (void)this_thread::yield();
            }
          })
          .value()
          .detach();
    }
    loop->run();
  });
  return ended.signal == 0 && ended.status == 0;
}

}  // namespace

TEST_CASE("three threads get on that take two mutexes at once") { REQUIRE(took_turns<Mutex>()); }

TEST_CASE("three threads get on that take two shared mutexes at once") {
  REQUIRE(took_turns<SharedMutex>());
}
