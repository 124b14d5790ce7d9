// Chapter 26: a loop is stopped, goes on, and is aborted; who runs first, and what a loop can say
// of its threads.
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

#include <evcoro/local.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>

using evcoro::Loop;
using evcoro::Priority;
using evcoro::Thread;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// [stop]
void count_to_three(Loop& loop) {
  for (int i = 1; i <= 3; ++i) {
    std::printf("  %d\n", i);
    if (i == 2) loop.stop();
    this_thread::sleep_for(50ms);
  }
}

const char* run(Loop& loop) {
  switch (loop.run()) {
    case Loop::End::stopped:
      return "stopped";
    case Loop::End::aborted:
      return "aborted";
    case Loop::End::idle:
      break;
  }
  return "nothing is left";
}

void stop_and_go_on(Loop& loop) {
  loop.spawn({.name = "counter"}, [&] { count_to_three(loop); }).value().detach();
  std::printf("run: %s\n", run(loop));
  for (const evcoro::ThreadInfo& thread : loop.threads()) {
    std::printf("  %s\n", to_string(thread).c_str());
  }
  std::printf("run again: %s\n", run(loop));
}
// [/stop]

// [abort]
void wait_for_ever() {
  const std::error_code error = this_thread::sleep_for(1h);
  std::printf("  a thread: %s\n", error.message().c_str());
}

void abort(Loop& loop) {
  loop.spawn(wait_for_ever).value().detach();
  loop.spawn(wait_for_ever).value().detach();
  loop.spawn([&] { loop.abort(); }).value().detach();
  std::printf("run: %s\n", run(loop));
}
// [/abort]

// [urgent]
void say(const char* what) { std::printf("  %s\n", what); }

void go_first(Loop& loop) {
  loop.spawn([] { say("a report"); }).value().detach();
  loop.spawn([] { say("a backup"); }).value().detach();
  loop.spawn({.priority = Priority::urgent}, [] { say("an alarm"); }).value().detach();
  std::printf("run: %s\n", run(loop));
}
// [/urgent]

// [local]
struct Statistics {
  int requests = 0;
};
const evcoro::LoopLocal<Statistics> statistics;

void handle_request() { ++statistics.get(*Loop::current()).requests; }

void count_requests(Loop& loop) {
  Loop other{{.capacity = 1}};
  for (int i = 0; i < 3; ++i) loop.spawn(handle_request).value().detach();
  other.spawn(handle_request).value().detach();
  loop.run();
  other.run();
  std::printf("requests: %d here, %d there\n", statistics.get(loop).requests,
              statistics.get(other).requests);
}
// [/local]

// [parks]
void count_waits(Loop& loop) {
  const auto nap = [] {
    for (int i = 0; i < 3; ++i) this_thread::sleep_for(1ms);
  };
  const auto hurry = [] {
    for (int i = 0; i < 3; ++i) this_thread::yield();
  };
  std::array threads{loop.spawn({.name = "sleeper"}, nap).value(),
                     loop.spawn({.name = "runner"}, hurry).value()};
  loop.run();
  for (const Thread<>& each : threads) {
    const evcoro::ThreadInfo info = each.info();
    std::printf("%s: has waited %d times\n", info.name.c_str(), static_cast<int>(info.parks));
  }
}
// [/parks]

}  // namespace

int main() try {
  Loop loop{{.capacity = 10}};
  stop_and_go_on(loop);
  abort(loop);
  go_first(loop);
  count_requests(loop);
  count_waits(loop);
} catch (const std::exception& error) {
  std::fprintf(stderr, "26_loop_control: %s\n", error.what());
  return 1;
}
