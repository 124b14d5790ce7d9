// After fork() a loop is the parent's alone.
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <thread>

#include <support/application.hpp>
#include <support/contains.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// Prints what function throws.
template <class Function>
void print_refusal(Function&& function) {
  try {
    function();
    std::puts("no exception");
  } catch (const std::logic_error& error) {
    std::puts(error.what());
  }
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a loop says in a child process that it is the parent's") {
  Thread thread = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  loop->run_once(no_wait);
  const support::Ended ended = support::in_child([&] {
    print_refusal([&] { loop->run(); });
    print_refusal([&] { loop->run_once(no_wait); });
    print_refusal([&] { (void)loop->shutdown(1h); });
  });
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 0);
  REQUIRE_THAT(ended.output, !support::contains("no exception"));
  REQUIRE_THAT(ended.output,
               support::contains("Loop::run: this loop belongs to the parent process"));
  REQUIRE_THAT(ended.output, support::contains("make one in the child"));
  thread.request_stop();
  loop->run();
  REQUIRE(thread.join().has_value());
}

TEST_CASE_METHOD(support::LoopFixture, "a loop is unharmed by what a child process does with it") {
  std::optional<Thread<std::error_code>> thread =
      loop->spawn([] { return this_thread::sleep_until(never); }).value();
  spawn([] { REQUIRE(!this_thread::sleep_for(20ms)); });
  loop->run_once(no_wait);
  const support::Ended ended = support::in_child([&] {
    loop->stop();
    loop->post([] { std::puts("ran"); });
    thread.reset();
    loop.reset();
    std::puts("destroyed");
  });
  REQUIRE(ended.output == "destroyed\n");
  REQUIRE(ended.status == 0);
  bool called = false;
  std::thread other{[&] {  // the loop still hears of posts
    loop->post([&] {
      called = true;
      thread->request_stop();
    });
  }};
  REQUIRE(loop->run() == Loop::End::idle);
  other.join();
  REQUIRE(called);
  REQUIRE(thread->join().value() == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::LoopFixture, "a child process can make a loop of its own") {
  spawn([] { REQUIRE(!this_thread::sleep_for(5ms)); });
  loop->run_once(no_wait);
  const support::Ended ended = support::in_child([] {
    Loop own{{.capacity = 1, .stack_size = support::test_stack_size}};
    Thread thread = own.spawn([] { return this_thread::sleep_for(1ms); }).value();
    own.run();
    std::puts(thread.join().value() ? "error" : "slept");
  });
  REQUIRE(ended.output == "slept\n");
  REQUIRE(ended.status == 0);
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "a thread that forked cannot block in the child process") {
  support::Ended ended;
  in_thread([&] {
    ended = support::in_child([&] {
      (void)this_thread::sleep_for(1ms);
      std::puts("slept");
    });
  });
  REQUIRE_THAT(ended.output, !support::contains("slept"));
  REQUIRE_THAT(ended.output, support::contains("this loop belongs to the parent process"));
}

TEST_CASE_METHOD(support::Application,
                 "a child process may dispatch the base of a loop, and takes nothing from it") {
  bool posted = false;
  spawn([&] {
    while (!posted) (void)this_thread::sleep_for(1ms);
  });
  event_base_loop(base.get(), EVLOOP_NONBLOCK);
  loop->post([&] { posted = true; });  // what is on its way is the parent's
  const auto ended = support::in_child([&] {
    event_reinit(base.get());
    call_in(20ms, [&] { event_base_loopbreak(base.get()); });
    event_base_dispatch(base.get());
    std::puts(posted ? "stolen" : "dispatched");
  });
  REQUIRE(ended.output == "dispatched\n");
  dispatch();
  REQUIRE(posted);
}
