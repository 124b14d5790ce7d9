// describe_frame()
#include <stacks/frame.hpp>

#include <unistd.h>

#include <stacks/stack_pool.hpp>
#include <support/contains.hpp>

using evcoro::stacks::describe_frame;
using support::contains;

TEST_CASE("a frame is told by its function, in words of C++, and its file") {
  const auto function = &evcoro::stacks::stack_category;
  const std::string text = describe_frame(reinterpret_cast<const char*>(function) + 1);
  REQUIRE_THAT(text, contains("evcoro::stacks::stack_category()+0x1 ("));
  REQUIRE_THAT(describe_frame(reinterpret_cast<const void*>(&::getppid)), contains("libc"));
}

TEST_CASE("a frame in no file is a question mark") {
  int variable = 0;
  REQUIRE(describe_frame(&variable) == "?");
  REQUIRE(describe_frame(nullptr) == "?");
}
