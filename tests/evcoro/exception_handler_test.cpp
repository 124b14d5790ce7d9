// What becomes of exceptions that nobody joins for.
#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

#include <evcoro/scope.hpp>
#include <stacks/report.hpp>
#include <support/contains.hpp>
#include <support/failing_new.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

std::string reported;

// Collects what the library reports while it lives.
class Sink {
 public:
  Sink() {
    reported.clear();
    reported.reserve(4096);  // it is written to without memory, too
    before_ = stacks::set_report_sink(
        [](const char* text, std::size_t size) noexcept { reported.append(text, size); });
  }
  ~Sink() { stacks::set_report_sink(before_); }

 private:
  stacks::ReportSink before_;
};

std::string describe(std::exception_ptr exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return error.what();
  } catch (int number) {
    return std::to_string(number);
  }
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "exceptions of detached threads go to the handler") {
  std::vector<std::string> reports;
  loop->set_exception_handler([&](const ThreadInfo& thread, std::exception_ptr exception) {
    REQUIRE_THAT(thread.spawned_at, support::contains("exception_handler_test.cpp:"));
    reports.push_back(thread.name + ": " + describe(exception));
  });
  spawn([] { throw std::runtime_error("one"); }, {.name = "a"});
  spawn([] { throw 2; }, {.name = "b"});
  spawn(
      [] {
        REQUIRE(!this_thread::sleep_for(1ms));
        throw std::logic_error("three");
      },
      {.name = "c"});
  loop->run();
  REQUIRE(reports == std::vector<std::string>{"a: one", "b: 2", "c: three"});
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an exception is reported once whenever its thread is let go") {
  std::vector<std::string> reports;
  loop->set_exception_handler([&](const ThreadInfo& thread, std::exception_ptr exception) {
    reports.push_back(thread.name + ": " + describe(exception));
  });
  const auto fail = [] { throw 1; };
  Thread detached = loop->spawn({.name = "detached later"}, fail).value();
  Thread joined = loop->spawn({.name = "joined"}, fail).value();
  {
    Thread dropped = loop->spawn({.name = "dropped"}, fail).value();
    loop->run();
    REQUIRE(reports.empty());
  }
  detached.detach();
  REQUIRE_THROWS_AS(joined.join(), int);
  REQUIRE(reports == std::vector<std::string>{"dropped: 1", "detached later: 1"});
}

TEST_CASE_METHOD(support::LoopFixture,
                 "without a handler exceptions are reported with their thread") {
  const Sink sink;
  spawn([] { throw std::runtime_error("the disk is full"); }, {.name = "writer"});
  constexpr auto line = __LINE__;
  loop->run();
  REQUIRE_THAT(reported, support::contains("evcoro: thread 'writer' (id ") &&
                             support::contains(__FILE__ + (":" + std::to_string(line - 1))) &&
                             support::contains("exception: the disk is full\n"));
  reported.clear();
  spawn([] { throw 1; });
  loop->run();
  REQUIRE_THAT(reported, support::contains("an exception that is no std::exception\n"));
}

TEST_CASE_METHOD(support::LoopFixture, "an exception whose loop is gone is reported all the same") {
  const Sink sink;
  {
    Thread thread = loop->spawn([] { throw 1; }).value();
    loop->run();
    loop.reset();
  }
  REQUIRE_THAT(reported, support::contains("ended with an exception"));
}

TEST_CASE("a handler that throws is a misuse") {
  const support::Ended ended = support::in_child_with_loop([](std::optional<Loop>& loop) {
    loop->set_exception_handler(
        [](const ThreadInfo&, std::exception_ptr exception) { std::rethrow_exception(exception); });
    loop->spawn([] { throw 1; }).value().detach();
    loop->run();
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, support::contains("a loop's exception handler threw"));
}

TEST_CASE_METHOD(support::LoopFixture, "without memory, exceptions are reported all the same") {
  const Sink sink;
  const std::string long_name(40, 'x');  // it would have to be copied
  int whole = 0;
  int short_ones = 0;
  const auto count_of = [](const char* text) {
    int count = 0;
    for (auto at = reported.find(text); at != std::string::npos; at = reported.find(text, at + 1)) {
      ++count;
    }
    return count;
  };
  const int failed = support::fail_each_new([&](support::FailingNew& failing) {
    reported.clear();
    spawn([] { throw std::runtime_error("the disk is full"); }, {.name = long_name});
    spawn([] {
      Scope scope;
      (void)scope.spawn([] { return std::make_error_code(std::errc::io_error); });
    });
    (void)failing.run([&] { loop->run(); });
    loop->run();
    REQUIRE(count_of("\n") == 2);
    REQUIRE(count_of("ended with an exception") == 2);
    const int whole_now = count_of(": the disk is full\n") + count_of(": Scope: ");
    const int short_now = count_of("there is no memory to say which\n") + count_of("bad_alloc\n");
    REQUIRE(whole_now + short_now == 2);
    REQUIRE(short_now <= 1);  // one call alone has failed
    whole += whole_now;
    short_ones += short_now;
  });
  REQUIRE(failed > 1);
  REQUIRE(whole > failed);
  REQUIRE(short_ones > 0);
}

TEST_CASE_METHOD(support::LoopFixture, "without memory, the handler is called all the same") {
  std::vector<std::uint64_t> handled;
  handled.reserve(8);
  loop->set_exception_handler(
      [&](const ThreadInfo& thread, std::exception_ptr) { handled.push_back(thread.id); });
  const int failed = support::fail_each_new([&](support::FailingNew& failing) {
    handled.clear();
    const Thread thread = loop->spawn([] { throw 1; }).value();
    Thread other = loop->spawn([] { throw 1; }).value();
    const std::uint64_t id = other.info().id;
    other.detach();
    (void)failing.run([&] { loop->run(); });
    REQUIRE(handled == std::vector{id});
  });
  REQUIRE(failed > 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a handler may set another") {
  std::string handled;
  const std::string captured(100, 'x');  // large enough to lie on the heap
  loop->set_exception_handler([&, captured](const ThreadInfo&, std::exception_ptr) {
    loop->set_exception_handler(
        [&](const ThreadInfo&, std::exception_ptr) { handled += "second"; });
    handled += captured;
  });
  for (int i = 0; i < 2; ++i) spawn([] { throw std::runtime_error("for the handler"); });
  loop->run();
  REQUIRE(handled == captured + "second");
}
