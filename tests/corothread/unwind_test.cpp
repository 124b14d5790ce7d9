// Backtraces walk from a coroutine or a task to its entry, and end there.
#include <dlfcn.h>
#include <execinfo.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <corothread/coroutine.hpp>
#include <corothread/scheduler.hpp>
#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/process.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;
using support::contains;

namespace {

// A walk: where each function that is on the stack starts, innermost first.
using Walk = std::vector<void*>;

constexpr std::size_t most_frames = 200;

// The start of the function that a return address points into; the call lies right before it.
void* function_of(void* return_address) {
  return _Unwind_FindEnclosingFunction(static_cast<std::byte*>(return_address) - 1);
}

Walk walk_by_backtrace() {
  void* addresses[most_frames];
  const int count = ::backtrace(addresses, most_frames);
  Walk walk;
  for (int i = 0; i < count; ++i) walk.push_back(function_of(addresses[i]));
  return walk;
}

Walk walk_by_unwinder() {
  Walk walk;
  _Unwind_Backtrace(
      [](_Unwind_Context* context, void* to) {
        auto& frames = *static_cast<Walk*>(to);
        const auto address = _Unwind_GetIP(context);
        if (address == 0) return _URC_NO_REASON;  // the end is shown as a frame of its own
        if (frames.size() == most_frames) return _URC_END_OF_STACK;
        frames.push_back(function_of(reinterpret_cast<void*>(address)));
        return _URC_NO_REASON;
      },
      &walk);
  return walk;
}

using Walker = Walk (*)();

// What follows a call keeps it from being made a jump, which would leave no frame.
void not_a_tail_call() { asm volatile(""); }

}  // namespace

// Not in the unnamed namespace, so that a debugger shows them by plain names.
namespace unwind_test {

[[gnu::noinline]] void innermost(Walker walker, Walk& walk) {
  walk = walker();
  not_a_tail_call();
}

[[gnu::noinline]] void outermost(Walker walker, Walk& walk) {
  innermost(walker, walk);
  not_a_tail_call();
}

[[gnu::noinline]] void resume(Coroutine<void()>& coroutine) {
  if (coroutine.state() == CoroutineState::initial) {
    coroutine.start();
  } else {
    coroutine.resume();
  }
  not_a_tail_call();
}

[[gnu::noinline]] void run(support::TaskFixture& fixture) {
  fixture.run();
  not_a_tail_call();
}

[[gnu::noinline]] void stop_here() { asm volatile("" ::: "memory"); }

[[gnu::noinline]] void calls_stop_here(int& called) {
  stop_here();
  ++called;
}

}  // namespace unwind_test

namespace {

template <class Function>
bool passes(const Walk& walk, Function* function) {
  return std::find(walk.begin(), walk.end(), reinterpret_cast<void*>(function)) != walk.end();
}

// The walk has the functions that were called on the stack, ends, and ends in a function that the
// unwinder knows: that of the library that is the first on each stack.
void require_whole(const Walk& walk) {
  REQUIRE(passes(walk, unwind_test::innermost));
  REQUIRE(passes(walk, unwind_test::outermost));
  REQUIRE(walk.size() < most_frames);
#if !defined(EVCORO_SWITCH_UCONTEXT)
  REQUIRE(walk.back() != nullptr);  // or it has strayed to where there is no unwind information
  Dl_info entry{};
  Dl_info library{};
  REQUIRE(::dladdr(walk.back(), &entry) != 0);
  REQUIRE(::dladdr(reinterpret_cast<void*>(&Scheduler::current), &library) != 0);
  REQUIRE(std::string(entry.dli_fname) == library.dli_fname);
#endif
}

struct Fixture : support::TaskFixture {
  Walker walker = GENERATE(walk_by_backtrace, walk_by_unwinder);
  Walk walk;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a backtrace in a coroutine reaches its entry, and ends there") {
  Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                unwind_test::outermost(walker, walk);
                                yield();
                                walk.clear();
                                unwind_test::outermost(walker, walk);
                              }};
  unwind_test::resume(coroutine);
  require_whole(walk);
  REQUIRE_FALSE(passes(walk, unwind_test::resume));  // that is on another stack
  unwind_test::resume(coroutine);
  require_whole(walk);
}

TEST_CASE_METHOD(Fixture, "a backtrace in a task reaches its entry, and ends there") {
  spawn([&] {
    Scheduler::yield();
    unwind_test::outermost(walker, walk);
  });
  spawn([] { Scheduler::yield(); });
  unwind_test::run(*this);
  require_whole(walk);
  REQUIRE_FALSE(passes(walk, unwind_test::run));
}

TEST_CASE("a debugger can stop inside a coroutine") {  // the next test lets gdb do so
  StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
  int called = 0;
  Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                yield();
                                unwind_test::calls_stop_here(called);
                              }};
  coroutine.start();
  coroutine.resume();
  REQUIRE(called == 1);
}

TEST_CASE("gdb walks from a coroutine to its entry") {
  if (support::under_sanitizer()) support::skip("gdb and sanitizers don't mix");
  if (support::running_on_valgrind()) support::skip("gdb would debug Valgrind");
  if (support::under_emulator()) support::skip("gdb would debug the emulator");
  if (std::system("gdb --version >/dev/null 2>&1") != 0) support::skip("there is no gdb");
  char self[4096] = {};
  REQUIRE(::readlink("/proc/self/exe", self, sizeof self - 1) > 0);
  const std::string command =
      "gdb -nx -batch -iex 'set debuginfod enabled off'"
      " -ex 'break unwind_test::stop_here' -ex run -ex backtrace"
      " --args '" +
      std::string(self) + "' 'a debugger can stop inside a coroutine' 2>&1";
  FILE* const gdb = ::popen(command.c_str(), "r");
  REQUIRE(gdb != nullptr);
  std::string output;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, gdb) != nullptr) output += buffer;
  ::pclose(gdb);
  if (output.find("not permitted") != std::string::npos) support::skip("gdb may not trace here");
  INFO(output);
  REQUIRE_THAT(output, contains("#0  unwind_test::stop_here"));
  REQUIRE_THAT(output, contains("unwind_test::calls_stop_here"));
  REQUIRE_THAT(output, contains("CoroutineFrame::enter"));
  REQUIRE_THAT(output, !contains("Backtrace stopped"));
  REQUIRE_THAT(output, !contains("corrupt"));
#if !defined(EVCORO_SWITCH_UCONTEXT)
  REQUIRE_THAT(output, contains("in evcoro_switch_entry"));
#endif
}
