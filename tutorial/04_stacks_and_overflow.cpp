// Chapter 4: stacks are few and small; what that means, and what happens to who needs more.
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>

#include <corothread/coroutine.hpp>
#include <stacks/overflow.hpp>
#include <stacks/stack_pool.hpp>

using evcoro::corothread::Coroutine;
using evcoro::stacks::StackPool;

namespace {

// [parse]
// Returns how deep the brackets in text are nested, and takes them off it. It calls itself once
// for each level: the text decides how much stack that takes.
std::size_t depth(std::string_view& text) {
  std::size_t deepest = 0;
  while (text.starts_with('(')) {
    text.remove_prefix(1);
    deepest = std::max(deepest, 1 + depth(text));
    if (text.starts_with(')')) text.remove_prefix(1);
  }
  return deepest;
}
// [/parse]

// [measure]
void parse_in_coroutine(StackPool& pool, std::string_view text) {
  Coroutine<std::size_t()> parser(pool, [text](auto&) mutable { return depth(text); },
                                  {.name = "parser"});
  std::printf("depth %zu, ", parser.start().value());
  const std::size_t used = StackPool::watermark(parser.stack());
  std::printf("used %zu of %zu bytes\n", used, parser.stack().size());
}
// [/measure]

std::string nested(std::size_t levels) {
  return std::string(levels, '(') + std::string(levels, ')');
}

}  // namespace

int main() {
  // [install]
  evcoro::stacks::install_overflow_handler();
  StackPool pool{{.capacity = 2, .stack_size = 16 * 1024}};
  // [/install]

  // [full]
  {
    const auto nothing = [](auto&) {};
    const Coroutine<void()> first(pool, nothing);
    const Coroutine<void()> second(pool, nothing);
    try {
      const Coroutine<void()> third(pool, nothing);
    } catch (const std::system_error& error) {
      std::printf("third: %s\n", error.what());
    }
  }
  std::printf("stacks in use: %zu\n", pool.in_use());
  // [/full]

  // [overflow]
  parse_in_coroutine(pool, nested(10));
  parse_in_coroutine(pool, nested(50));
  std::fflush(stdout);  // what comes now is the end
  parse_in_coroutine(pool, nested(100'000));
  // [/overflow]
}
