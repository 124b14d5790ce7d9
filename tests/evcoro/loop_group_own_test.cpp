// LoopGroup: the application's own loop in it, functions that are called in its loops, posts, and
// the shared group.
#include <dirent.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <evcoro/loop_group.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/application.hpp>
#include <support/contains.hpp>
#include <support/group.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::group_options;
using support::long_time;
using support::OsThread;

namespace {

// unread_notifications() is how often eventfds of the process have been written since they were
// read.
int unread_notifications() {
  int sum = 0;
  DIR* const directory = ::opendir("/proc/self/fdinfo");
  while (const dirent* const entry = ::readdir(directory)) {
    std::ifstream file{std::string{"/proc/self/fdinfo/"} + entry->d_name};
    for (std::string key; file >> key;) {
      if (key == "eventfd-count:") file >> key, sum += std::stoi(key, nullptr, 16);
    }
  }
  ::closedir(directory);
  return sum;
}

// Busy keeps a loop in a callback until it is let go.
class Busy {
 public:
  explicit Busy(LoopGroup& group, std::size_t index) {
    group.call_on(index, [] {});  // so that it has begun to run
    std::latch begins{1};
    group.loop(index).post([&begins, ends = ends_] {
      begins.count_down();
      ends->wait();
    });
    begins.wait();
  }
  ~Busy() { let_go(); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

  void let_go() {
    if (!std::exchange(is_over_, true)) ends_->count_down();
  }

 private:
  std::shared_ptr<std::latch> ends_ = std::make_shared<std::latch>(1);
  bool is_over_ = false;
};

LoopGroupOptions with_own(Loop& loop, std::size_t loops) {
  auto options = group_options(loops);
  options.own = &loop;
  return options;
}

}  // namespace

TEST_CASE_METHOD(support::Application, "the application's own loop is the first of a group") {
  LoopGroup group{with_own(*loop, 3)};
  REQUIRE(group.size() == 3);
  REQUIRE(&group.loop(0) == &*loop);
  REQUIRE(&LoopGroup::current() == &group);
  REQUIRE(group.index_of_caller() == 0);
  const auto here = std::this_thread::get_id();
  std::vector<std::optional<std::size_t>> where;
  bool first_is_here = false;
  spawn([&] {
    for (std::size_t i = 0; i < 3; ++i) {
      where.push_back(group.spawn([&] { return group.index_of_caller(); }).join().value());
    }
    first_is_here =
        group.spawn_on(0, [&] { return std::this_thread::get_id() == here; }).join().value();
  });
  dispatch();
  REQUIRE(where == std::vector<std::optional<std::size_t>>{0, 1, 2});
  REQUIRE(first_is_here);
}

TEST_CASE_METHOD(support::Application,
                 "other loops and OS threads spawn on the application's own") {
  LoopGroup group{with_own(*loop, 2)};
  const auto here = std::this_thread::get_id();
  std::atomic<int> ran_here{0};
  WaitGroup done{3};
  const auto note = [&] {
    if (std::this_thread::get_id() == here) ++ran_here;
    done.done();
  };
  group.go_on(1, {}, [&] { group.go_on(0, {}, note); });
  group.go_on(1, {}, [&] { (void)group.spawn_on(0, note).join(); });
  OsThread other{[&] { group.go_on(0, {}, note); }};
  spawn([&] { CHECK(!done.wait(long_time)); });
  dispatch();
  REQUIRE(ran_here == 3);
}

TEST_CASE_METHOD(support::Application, "a group goes, the application's loop stays as it was") {
  bool goes_on = true;
  std::error_code error;
  spawn([&] {
    while (goes_on) error = this_thread::sleep_for(1ms);
  });
  {
    LoopGroup group{with_own(*loop, 2)};
    group.go_on(0, {}, [] { FAIL("it was not started before the group went"); });
  }
  call_in(5ms, [&] { goes_on = false; });
  dispatch();
  REQUIRE(!error);
  LoopGroup again{with_own(*loop, 1)};
  REQUIRE(again.size() == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "call_on calls in the loop's OS thread, and waits for it") {
  LoopGroup group{group_options(2)};
  const auto there =
      group.spawn_on(1, [] { return std::this_thread::get_id(); }).join(long_time).value();
  std::thread::id called_in;
  group.call_on(1, [&] { called_in = std::this_thread::get_id(); });
  REQUIRE(called_in == there);
  called_in = {};
  in_thread([&] {  // the loop goes on meanwhile
    Busy busy{group, 1};
    Thread caller =
        loop->spawn([&] { group.call_on(1, [&] { called_in = std::this_thread::get_id(); }); })
            .value();
    REQUIRE(support::until_parked(caller));
    REQUIRE(called_in == std::thread::id{});
    busy.let_go();
    REQUIRE(caller.join());
    REQUIRE(called_in == there);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "what a function throws comes out of call_on") {
  LoopGroup group{with_own(*loop, 2)};
  const auto fail = [] { throw std::runtime_error("there"); };
  REQUIRE_THROWS_WITH(group.call_on(1, fail), "there");
  REQUIRE_THROWS_WITH(group.call_on(0, fail), "there");  // the caller's own: at once
  in_thread([&] { REQUIRE_THROWS_WITH(group.call_on(1, fail), "there"); });
}

TEST_CASE_METHOD(support::LoopFixture, "a cancelled thread's call_on is waited for all the same") {
  LoopGroup group{group_options(1)};
  in_thread([&] {
    bool was_called = false;
    Thread thread = loop->spawn([&] { group.call_on(0, [&] { was_called = true; }); }).value();
    thread.request_stop();
    REQUIRE(thread.join());
    REQUIRE(was_called);
  });
}

TEST_CASE("call_on in a callback of another loop is a misuse") {
  const support::Ended ended = support::in_child([] {
    LoopGroup group{group_options(2)};
    const Busy busy{group, 1};
    group.call_on(0, [&] { group.call_on(1, [] {}); });
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("in a callback of a loop, which can't wait for it"));
}

TEST_CASE_METHOD(support::LoopFixture, "however many posts, a loop is notified once") {
  LoopGroup group{group_options(1)};
  Busy busy{group, 0};
  REQUIRE(unread_notifications() == 0);
  constexpr int posts = 1000;
  std::vector<int> order;
  std::atomic<int> called{0};
  for (int i = 0; i < posts; ++i) group.loop(0).post([&, i] { order.push_back(i); });
  REQUIRE(unread_notifications() == 1);
  OsThread{[&] {
    for (int i = 0; i < posts; ++i) group.loop(0).post([&] { ++called; });
  }}.join();
  auto spawned = group.spawn_on(0, [] { return 1; });
  REQUIRE(unread_notifications() == 1);
  busy.let_go();
  REQUIRE(spawned.join(long_time).value() == 1);
  REQUIRE(called == posts);
  REQUIRE(order.size() == posts);
  REQUIRE(std::ranges::is_sorted(order));
  REQUIRE(unread_notifications() == 0);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "however many threads are woken, their loop is notified once") {
  LoopGroup group{group_options(1)};
  Event event{Event::Reset::manual};
  std::atomic<int> waiting{0};
  WaitGroup done{10};
  for (int i = 0; i < 10; ++i) {
    group.go([&] {
      ++waiting;
      (void)event.wait();
      done.done();
    });
  }
  REQUIRE(support::eventually_outside([&] { return waiting == 10; }));
  Busy busy{group, 0};
  REQUIRE(unread_notifications() == 0);
  event.set();
  REQUIRE(unread_notifications() == 1);
  busy.let_go();
  REQUIRE(!done.wait(long_time));
}

TEST_CASE("the shared group is there from the first call on, wherever that is") {
  WaitGroup done{3};
  std::atomic<bool> is_shared{true};
  const auto note = [&] {
    if (LoopGroup::current().index_of_caller() == std::nullopt) is_shared = false;
    if (&LoopGroup::current() != &LoopGroup::shared()) is_shared = false;
    done.done();
  };
  OsThread first{[&] { evcoro::go(note); }};
  OsThread second{[&] { evcoro::go([&](int) { note(); }, 1); }};
  evcoro::go(note);
  REQUIRE(!done.wait(long_time));
  REQUIRE(is_shared);
  REQUIRE(&LoopGroup::current() == &LoopGroup::shared());
  REQUIRE(LoopGroup::shared().size() == std::thread::hardware_concurrency());
  LoopGroup own{group_options(1)};
  own.spawn([&] { is_shared = &LoopGroup::current() == &own; }).join(long_time).value();
  REQUIRE(is_shared);
}
