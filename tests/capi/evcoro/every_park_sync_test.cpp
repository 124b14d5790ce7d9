// Blocking calls of evcoro/sync and of loop groups in C, cancelled at each of their suspensions;
// see every_park_fixture.hpp.
#include <cstdint>

#include <evcoro/loop_group.h>
#include <evcoro/sync/broadcast.h>
#include <evcoro/sync/channel.h>
#include <evcoro/sync/mutex.h>
#include <evcoro/sync/select.h>
#include <evcoro/sync/sync.h>
#include <capi/evcoro/every_park_fixture.hpp>
#include <support/pipe.hpp>

using support::CFixture;
using support::moment;

namespace {

// Freed has a handle, which it frees when it gets another, or goes. The threads of an operation use
// it: so it lives longer than that, and gets a new one each time.
template <class Handle, int (*free)(Handle*)>
class Freed {
 public:
  Freed() = default;
  ~Freed() { reset(nullptr); }
  Freed(const Freed&) = delete;
  Freed& operator=(const Freed&) = delete;

  void reset(Handle* handle) {
    if (handle_ != nullptr) CHECK(free(handle_) == 0);
    handle_ = handle;
  }
  operator Handle*() const { return handle_; }  // NOLINT: implicit on purpose

 private:
  Handle* handle_ = nullptr;
};

using Mutex = Freed<EVMUTEX, EVMUTEX_free>;
using RwLock = Freed<EVRWLOCK, EVRWLOCK_free>;
using Cond = Freed<EVCOND, EVCOND_free>;
using Semaphore = Freed<EVSEMAPHORE, EVSEMAPHORE_free>;
using Flag = Freed<EVFLAG, EVFLAG_free>;
using WaitGroup = Freed<EVWAITGROUP, EVWAITGROUP_free>;
using Latch = Freed<EVLATCH, EVLATCH_free>;
using Barrier = Freed<EVBARRIER, EVBARRIER_free>;
using Once = Freed<EVONCE, EVONCE_free>;
using Channel = Freed<EVCHANNEL, EVCHANNEL_free>;
using Broadcast = Freed<EVBROADCAST, EVBROADCAST_free>;
using Subscription = Freed<EVSUBSCRIPTION, EVSUBSCRIPTION_free>;
using Group = Freed<EVLOOPGROUP, EVLOOPGROUP_free>;

void pause_some_times() {
  for (int i = 0; i < 3; ++i) EVTHREAD_delay(EVTHREAD_current(), moment);
}

}  // namespace

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: a mutex") {
  Mutex mutex;
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          mutex.reset(EVMUTEX_init());
          beside([&] {
            CHECK(EVMUTEX_lock(mutex) == 0);
            pause_some_times();
            CHECK(EVMUTEX_unlock(mutex) == 0);
          });
          const int result = EVMUTEX_timedlock(mutex, EVTIMEOUT_NEVER);
          return result < 0 ? result : EVMUTEX_unlock(mutex);
        }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: a lock for readers and writers") {
  RwLock lock;
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          lock.reset(EVRWLOCK_init());
          beside([&] {
            CHECK(EVRWLOCK_wrlock(lock) == 0);
            pause_some_times();
            CHECK(EVRWLOCK_wrunlock(lock) == 0);
          });
          const int result = EVRWLOCK_timedrdlock(lock, EVTIMEOUT_NEVER);
          return result < 0 ? result : EVRWLOCK_rdunlock(lock);
        }) >= 1);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          lock.reset(EVRWLOCK_init());
          beside([&] {
            CHECK(EVRWLOCK_rdlock(lock) == 0);
            pause_some_times();
            CHECK(EVRWLOCK_rdunlock(lock) == 0);
          });
          const int result = EVRWLOCK_timedwrlock(lock, EVTIMEOUT_NEVER);
          return result < 0 ? result : EVRWLOCK_wrunlock(lock);
        }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: conditions") {
  Mutex mutex;
  Cond cond;
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          mutex.reset(EVMUTEX_init());
          cond.reset(EVCOND_init());
          trickle([&] { CHECK(EVCOND_signal(cond) == 0); });
          CHECK(EVMUTEX_lock(mutex) == 0);
          int result = 0;
          for (int i = 0; i < 2 && result == 0; ++i) {
            result = EVCOND_wait(cond, mutex, EVTIMEOUT_NEVER);
          }
          return support::after(result, [&] { CHECK(EVMUTEX_unlock(mutex) == 0); });
        }) >= 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: permits, flags and groups") {
  Semaphore semaphore;
  Flag flag;
  WaitGroup group;
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          semaphore.reset(EVSEMAPHORE_init(0));
          flag.reset(EVFLAG_init(EVFLAG_AUTOMATIC, 0));
          group.reset(EVWAITGROUP_init(1'000'000));
          trickle([&] {
            CHECK(EVSEMAPHORE_release(semaphore, 1) == 0);
            CHECK(EVFLAG_set(flag) == 0);
            CHECK(EVWAITGROUP_done(group) == 0);
          });
          int result = EVSEMAPHORE_acquire(semaphore, 2, EVTIMEOUT_NEVER);
          for (int i = 0; i < 3 && result == 0; ++i) result = EVFLAG_wait(flag, EVTIMEOUT_NEVER);
          if (result < 0) return result;
          return EVWAITGROUP_wait_done(group, EVWAITGROUP_done_count(group) + 2, EVTIMEOUT_NEVER);
        }) >= 3);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          group.reset(EVWAITGROUP_init(2));
          trickle([&] { CHECK(EVWAITGROUP_done(group) == 0); }, 2);
          return EVWAITGROUP_wait(group, EVTIMEOUT_NEVER);
        }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: latches and barriers") {
  Latch latch;
  Barrier barrier;
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          latch.reset(EVLATCH_init(3));
          trickle([&] { CHECK(EVLATCH_count_down(latch, 1) == 0); }, 2);
          return EVLATCH_arrive_and_wait(latch, EVTIMEOUT_NEVER);
        }) >= 1);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          latch.reset(EVLATCH_init(2));
          trickle([&] { CHECK(EVLATCH_count_down(latch, 1) == 0); }, 2);
          return EVLATCH_wait(latch, EVTIMEOUT_NEVER);
        }) >= 1);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          barrier.reset(EVBARRIER_init(2, nullptr, nullptr));
          trickle([&] { CHECK(EVBARRIER_arrive(barrier, 1, nullptr) == 0); }, 2);
          std::uint64_t phase = 0;
          const int result = EVBARRIER_arrive_and_wait(barrier, EVTIMEOUT_NEVER);
          if (result < 0) return result;
          CHECK(EVBARRIER_arrive(barrier, 1, &phase) == 0);
          return EVBARRIER_wait(barrier, phase, EVTIMEOUT_NEVER);
        }) >= 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: what another thread does once") {
  Once once;
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          once.reset(EVONCE_init());
          beside([&] {
            const auto slowly = [](void*) { return pause_some_times(), 0; };
            CHECK(EVONCE_call(once, slowly, nullptr, EVTIMEOUT_NEVER) == 0);
          });
          return EVONCE_call(
              once, [](void*) { return 0; }, nullptr, EVTIMEOUT_NEVER);
        }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: channels") {
  Channel in;
  Channel out;
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          in.reset(EVCHANNEL_init(0, nullptr));
          out.reset(EVCHANNEL_init(1, nullptr));
          trickle([&, self] {
            void* ignored = nullptr;
            (void)EVCHANNEL_trysend(in, self);
            (void)EVCHANNEL_tryreceive(out, &ignored);
          });
          int result = 0;
          for (int i = 0; i < 2 && result == 0; ++i) {
            void* item = nullptr;
            result = EVCHANNEL_receive(in, &item, EVTIMEOUT_NEVER);
            CHECK((item == self) == (result == 0));
          }
          for (int i = 0; i < 3 && result == 0; ++i) {
            result = EVCHANNEL_send(out, self, EVTIMEOUT_NEVER);
          }
          return result;
        }) >= 3);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: broadcasts") {
  Broadcast in;
  Broadcast out;
  Subscription mine;
  Subscription others;
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          const EVSUBSCRIPTION_OPTIONS options{1, EVSLOW_BLOCK, {}};
          in.reset(EVBROADCAST_init(nullptr, nullptr));
          mine.reset(EVBROADCAST_subscribe(in, nullptr));
          out.reset(EVBROADCAST_init(nullptr, nullptr));
          others.reset(EVBROADCAST_subscribe(out, &options));
          trickle([&, self] {
            void* ignored = nullptr;
            (void)EVBROADCAST_trypublish(in, self);
            (void)EVSUBSCRIPTION_tryreceive(others, &ignored);
          });
          void* message = nullptr;
          int result = EVSUBSCRIPTION_receive(mine, &message, EVTIMEOUT_NEVER);
          CHECK((message == self) == (result == 0));
          for (int i = 0; i < 3 && result >= 0; ++i) {
            result = EVBROADCAST_publish(out, self, EVTIMEOUT_NEVER);
          }
          return result;
        }) >= 3);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: select") {
  const support::RawPipe pipe;
  Channel in;
  Channel out;
  Broadcast broadcast;
  Subscription subscription;
  Flag flag;
  in.reset(EVCHANNEL_init(0, nullptr));
  out.reset(EVCHANNEL_init(0, nullptr));
  broadcast.reset(EVBROADCAST_init(nullptr, nullptr));
  subscription.reset(EVBROADCAST_subscribe(broadcast, nullptr));
  flag.reset(EVFLAG_init(EVFLAG_AUTOMATIC, 0));
  const auto let_happen = [&](int turn) {
    void* item = nullptr;
    if (turn % 4 == 0) (void)EVCHANNEL_trysend(in, &flag);
    if (turn % 4 == 1) (void)EVCHANNEL_tryreceive(out, &item);
    if (turn % 4 == 2) (void)EVBROADCAST_trypublish(broadcast, &flag);
    if (turn % 4 == 3) CHECK(EVFLAG_set(flag) == 0);
  };
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          EVTIMER* const timer = EVTIMER_init(self, 1, timeval{3600, 0});
          CHECK(EVTIMER_start(timer) == 0);
          trickle([&, turn = 0]() mutable { let_happen(turn++); });
          EVSELECT_CASE cases[6]{};
          cases[0].kind = EVSELECT_RECEIVE;
          cases[0].channel = in;
          cases[1].kind = EVSELECT_SEND;
          cases[1].channel = out;
          cases[2].kind = EVSELECT_MESSAGE;
          cases[2].subscription = subscription;
          cases[3].kind = EVSELECT_FLAG;
          cases[3].flag = flag;
          cases[4].kind = EVSELECT_READABLE;
          cases[4].descriptor = pipe.reader();
          cases[5].kind = EVSELECT_TIMER;
          cases[5].timer = timer;
          int result = 0;
          for (int i = 0; i < 6 && result >= 0; ++i) {
            result = EVSELECT_wait(cases, 6, EVTIMEOUT_NEVER);
          }
          return support::after(result, [&] { CHECK(EVTIMER_free(timer) == 0); });
        }) >= 4);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: threads of a group that are joined") {
  EVLOOPGROUP_OPTIONS options;
  Group group;
  REQUIRE(EVLOOPGROUP_OPTIONS_init(&options) == 0);
  options.loops = 2;
  options.stack_size = std::size_t{256} * 1024;
  group.reset(EVLOOPGROUP_init(&options));
  EVREMOTETHREAD* thread = nullptr;
  const auto pause = [](EVTHREAD* self, EVSOCKET*, void*) {
    EVTHREAD_delay(self, timeval{0, 20'000});
  };
  CHECK(cancel_at_every_park(
            [&](EVTHREAD*) {
              thread = EVLOOPGROUP_start(group, pause, nullptr, nullptr);
              const int result = EVREMOTETHREAD_join(thread, EVTIMEOUT_NEVER);
              if (result == 0) thread = nullptr;
              return result;
            },
            [&] {
              if (thread != nullptr) CHECK(EVREMOTETHREAD_free(thread) == 0);
            }) >= 1);
}
