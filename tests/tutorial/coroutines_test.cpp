// The chapters about coroutines print what their pages say.
#include <tutorial/chapter.hpp>

#include <sys/resource.h>

#include <csignal>
#include <regex>

using tutorial::Chapter;
using tutorial::expected;
using tutorial::require_prints_as_expected;

namespace {

// An overflow's report without what depends on the compiler (sizes of frames, and how the path of
// the source was given), and without what Valgrind and qemu add.
std::string common_part(std::string output) {
  output = std::regex_replace(output, std::regex{"(used|size|of) [0-9]+"}, "$1 N");
  output = tutorial::without_particulars(output);
  return std::regex_replace(output, std::regex{"(==[0-9]+==|qemu: )[^\n]*\n"}, "");
}

void dump_no_core() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

}  // namespace

TEST_CASE("chapter 1, first coroutine") { require_prints_as_expected("01_first_coroutine"); }

TEST_CASE("chapter 2, yield and values") { require_prints_as_expected("02_yield_and_values"); }

TEST_CASE("chapter 3, generators") { require_prints_as_expected("03_generators"); }

TEST_CASE("chapter 4, stacks and overflow") {
  if (support::under_sanitizer()) support::skip("a sanitizer reports the overflow itself");
  Chapter chapter{"04_stacks_and_overflow", {}, {.set_up = dump_no_core}};
  const support::Ended ended = chapter.wait();
  REQUIRE(common_part(ended.output) == common_part(expected("04_stacks_and_overflow")));
  REQUIRE(ended.signal == SIGSEGV);
}

TEST_CASE("chapter 5, lifetime and kill") { require_prints_as_expected("05_lifetime_and_kill"); }
