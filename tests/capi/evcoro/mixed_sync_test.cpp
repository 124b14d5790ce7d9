// What crosses loops in C, in a program that has C++ code, too: its exceptions, and what there is
// no memory for.
#include <atomic>
#include <cerrno>
#include <mutex>
#include <stdexcept>
#include <string>

#include <evcoro/loop_group.h>
#include <evcoro/sync/broadcast.h>
#include <evcoro/sync/channel.h>
#include <evcoro/sync/mutex.h>
#include <evcoro/sync/sync.h>
#include <evcoro/loop.hpp>
#include <stacks/report.hpp>
#include <support/contains.hpp>
#include <support/failing_new.hpp>
#include <support/group.hpp>
#include <support/loop_fixture.hpp>
#include <support/process.hpp>

using namespace evcoro;
using support::FailingNew;
using support::long_time;

namespace {

const timeval long_timeval{30, 0};

int throw_error(void*) { throw std::runtime_error{"no session"}; }
int do_nothing(void*) { return 0; }

EVLOOPGROUP* two_loops() {
  EVLOOPGROUP_OPTIONS options;
  if (EVLOOPGROUP_OPTIONS_init(&options) != 0) return nullptr;
  options.loops = 2;
  options.stack_size = std::size_t{256} * 1024;
  return EVLOOPGROUP_init(&options);
}

// Reports are those that came while it lives.
class Reports {
 public:
  Reports() {
    text_.clear();
    evcoro::stacks::set_report_sink([](const char* text, std::size_t size) noexcept {
      const std::scoped_lock lock{mutex_};
      text_.append(text, size);
    });
  }
  ~Reports() { evcoro::stacks::set_report_sink(nullptr); }
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  static std::string text() {
    const std::scoped_lock lock{mutex_};
    return text_;
  }

 private:
  static inline std::mutex mutex_;
  static inline std::string text_;
};

// Discarded counts the contexts that were given to discard().
std::atomic<int> discarded{0};
void discard(void*) { ++discarded; }

// require_each_failure() requires that make() is NULL with ENOMEM for each allocation that fails.
template <class Make, class Free>
void require_each_failure(Make&& make, Free&& free) {
  const int failed = support::fail_each_new([&](FailingNew& failing) {
    auto* const made = failing.run(make).value();
    const int error = errno;
    REQUIRE((made == nullptr) == failing.has_failed());
    if (made == nullptr) REQUIRE(error == ENOMEM);
    if (made != nullptr) REQUIRE(free(made) == 0);
  });
  REQUIRE(failed >= 1);
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture,
                 "an exception of what is to be done once is a failure for C") {
  EVONCE* const once = EVONCE_init();
  std::string reported;
  loop->set_exception_handler([&](const ThreadInfo&, std::exception_ptr exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::runtime_error& error) {
      reported = error.what();
    }
  });
  in_thread([&] {
    REQUIRE(EVONCE_call(once, throw_error, nullptr, EVTIMEOUT_NEVER) == -1);
    REQUIRE(errno == ENOTRECOVERABLE);
    REQUIRE(EVONCE_is_done(once) == 0);
  });
  REQUIRE(reported == "no session");
  const Reports reports;
  REQUIRE(EVONCE_call(once, throw_error, nullptr, EVTIMEOUT_NEVER) == -1);  // in an OS thread
  REQUIRE(errno == ENOTRECOVERABLE);
  REQUIRE_THAT(Reports::text(),
               support::contains("the function of an EVONCE ended with an exception"));
  REQUIRE(EVONCE_call(once, do_nothing, nullptr, EVTIMEOUT_NEVER) == 0);
  REQUIRE(EVONCE_free(once) == 0);
}

TEST_CASE("an exception that leaves a thread of a group is reported, and its handle is joined") {
  const Reports reports;
  EVLOOPGROUP* const group = two_loops();
  const auto fail = [](EVTHREAD*, EVSOCKET*, void*) { throw std::runtime_error{"no session"}; };
  EVREMOTETHREAD* const thread = EVLOOPGROUP_start(group, fail, nullptr, nullptr);
  REQUIRE(EVREMOTETHREAD_join(thread, long_timeval) == 0);
  REQUIRE_THAT(Reports::text(), support::contains("no session"));
  REQUIRE(EVLOOPGROUP_free(group) == 0);
}

TEST_CASE("an exception that leaves a function called on a loop is reported") {
  const Reports reports;
  EVLOOPGROUP* const group = two_loops();
  const auto fail = [](void*) { throw std::runtime_error{"no session"}; };
  REQUIRE(EVLOOPGROUP_call_on(group, 1, fail, nullptr) == 0);
  REQUIRE_THAT(Reports::text(),
               support::contains("EVLOOPGROUP_call_on() ended with an exception; catch it there"));
  REQUIRE(EVLOOPGROUP_free(group) == 0);
}

TEST_CASE("a mutex in C keeps threads of C++ code apart") {
  EVMUTEX* const mutex = EVMUTEX_init();
  int number = 0;
  const auto count = [&] {
    int failures = 0;
    for (int i = 0; i < 100; ++i) {
      failures += EVMUTEX_lock(mutex);
      const int before = number;
      static_cast<void>(this_thread::yield());
      number = before + 1;
      failures += EVMUTEX_unlock(mutex);
    }
    return failures;
  };
  LoopGroup group{support::group_options(2)};
  auto one = group.spawn(count);
  auto other = group.spawn(count);
  REQUIRE(one.join(long_time).value() == 0);
  REQUIRE(other.join(long_time).value() == 0);
  REQUIRE(number == 200);
  REQUIRE(EVMUTEX_free(mutex) == 0);
}

TEST_CASE("what there is no memory for is ENOMEM") {
  require_each_failure(EVMUTEX_init, EVMUTEX_free);
  require_each_failure(EVMUTEX_init_recursive, EVMUTEX_free);
  require_each_failure(EVRWLOCK_init, EVRWLOCK_free);
  require_each_failure(EVCOND_init, EVCOND_free);
  require_each_failure([] { return EVSEMAPHORE_init(1); }, EVSEMAPHORE_free);
  require_each_failure([] { return EVFLAG_init(EVFLAG_MANUAL, 0); }, EVFLAG_free);
  require_each_failure([] { return EVWAITGROUP_init(0); }, EVWAITGROUP_free);
  require_each_failure([] { return EVLATCH_init(1); }, EVLATCH_free);
  require_each_failure([] { return EVBARRIER_init(1, nullptr, nullptr); }, EVBARRIER_free);
  require_each_failure(EVONCE_init, EVONCE_free);
  require_each_failure([] { return EVCHANNEL_init(4, discard); }, EVCHANNEL_free);
  require_each_failure([] { return EVBROADCAST_init(nullptr, nullptr); }, EVBROADCAST_free);
}

TEST_CASE("a message that there is no memory for stays the publisher's") {
  support::skip_without_failing_new();
  int message = 0;
  EVBROADCAST* const broadcast = EVBROADCAST_init([](void* one) { return one; }, discard);
  require_each_failure([&] { return EVBROADCAST_subscribe(broadcast, nullptr); },
                       EVSUBSCRIPTION_free);
  const int failed = support::fail_each_new([&](FailingNew& failing) {
    discarded = 0;
    const int count =
        failing.run([&] { return EVBROADCAST_publish(broadcast, &message, EVTIMEOUT_NOW); })
            .value();
    const int error = errno;
    REQUIRE(count == (failing.has_failed() ? -1 : 0));
    if (failing.has_failed()) REQUIRE(error == ENOMEM);
    REQUIRE(discarded == (failing.has_failed() ? 0 : 1));
  });
  REQUIRE(failed >= 1);
  REQUIRE(EVBROADCAST_free(broadcast) == 0);
}

TEST_CASE("a context that there is no memory for stays the caller's") {
  support::skip_without_failing_new();
  EVLOOPGROUP* const group = two_loops();
  const auto nothing = [](EVTHREAD*, EVSOCKET*, void*) {};
  EVTHREAD_OPTIONS options{};
  options.name = "a name that is too long for a string to have it in itself";
  options.discard = discard;
  discarded = 0;
  require_each_failure(
      [&] { return EVLOOPGROUP_start(group, nothing, nullptr, &options); },
      [](EVREMOTETHREAD* thread) { return EVREMOTETHREAD_join(thread, long_timeval); });
  const int failed = support::fail_each_new([&](FailingNew& failing) {
    const auto go = [&] { return EVLOOPGROUP_go(group, nothing, nullptr, &options); };
    const int result = failing.run(go).value();
    const int error = errno;
    REQUIRE(result == (failing.has_failed() ? -1 : 0));
    if (failing.has_failed()) REQUIRE(error == ENOMEM);
  });
  REQUIRE(failed >= 1);
  REQUIRE(discarded == 0);
  REQUIRE(EVLOOPGROUP_free(group) == 0);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a loop that C++ code made may have no memory for its face") {
  support::skip_without_failing_new();
  in_thread([] {
    EVTHREAD* const self = EVTHREAD_current();
    FailingNew failing{1};
    REQUIRE(failing.run([&] { return EVTHREAD_loop(self); }).value() == nullptr);
    REQUIRE(errno == ENOMEM);
    REQUIRE(failing.has_failed());
    REQUIRE(EVTHREAD_loop(self) != nullptr);
  });
}

TEST_CASE("a group that there is no memory for leaves no OS thread") {
  const std::size_t descriptors = support::open_descriptors();
  require_each_failure(two_loops, EVLOOPGROUP_free);
  require_each_failure([] { return EVLOOPGROUP_init(nullptr); }, EVLOOPGROUP_free);
  REQUIRE(support::open_descriptors() == descriptors);
}
