// Chapter 3: a generator is a coroutine that is read like a container.
#include <cstdio>
#include <iterator>
#include <string>
#include <vector>

#include <corothread/generator.hpp>
#include <stacks/stack_pool.hpp>

using evcoro::corothread::Generator;
using evcoro::corothread::GeneratorYield;
using evcoro::stacks::StackPool;

namespace {

// [squares]
Generator<int> squares(StackPool& pool) {
  return {pool, [](auto& yield) {
            for (int i = 1;; ++i) yield(i * i);
          }};
}
// [/squares]

// [leaves]
struct Node {
  std::string name;
  std::vector<Node> children = {};
};

void walk(const Node& node, GeneratorYield<const std::string>& yield) {
  if (node.children.empty()) yield(node.name);
  for (const Node& child : node.children) walk(child, yield);
}

Generator<const std::string> leaves(StackPool& pool, const Node& tree) {
  return {pool, [&tree](auto& yield) { walk(tree, yield); }};
}
// [/leaves]

// [same_leaves]
// Whether two trees have the same leaves in the same order, whatever their shapes.
bool same_leaves(StackPool& pool, const Node& one, const Node& other) {
  auto left = leaves(pool, one);
  auto right = leaves(pool, other);
  auto a = left.begin();
  auto b = right.begin();
  while (a != left.end() && b != right.end()) {
    if (*a != *b) {
      std::printf("'%s' is not '%s'\n", a->c_str(), b->c_str());
      return false;
    }
    ++a;
    ++b;
  }
  return a == left.end() && b == right.end();
}
// [/same_leaves]

}  // namespace

int main() {
  StackPool pool{{.capacity = 2}};

  // [use_squares]
  std::printf("squares:");
  for (const int square : squares(pool)) {
    if (square > 50) break;
    std::printf(" %d", square);
  }
  std::puts("");
  // [/use_squares]

  // [use_leaves]
  const Node deep{"", {{"", {{"ant"}, {"", {{"bee"}, {"cat"}}}}}, {"dog"}}};
  const Node flat{"", {{"ant"}, {"bee"}, {"cat"}, {"dog"}}};
  const Node other{"", {{"ant"}, {"", {{"bee"}, {"cow"}}}, {"dog"}}};
  std::printf("leaves:");
  for (const std::string& leaf : leaves(pool, deep)) std::printf(" %s", leaf.c_str());
  std::puts("");
  // [/use_leaves]

  // [use_same_leaves]
  std::printf("deep and flat: %s\n", same_leaves(pool, deep, flat) ? "the same" : "different");
  std::printf("deep and other: %s\n", same_leaves(pool, deep, other) ? "the same" : "different");
  // [/use_same_leaves]
}
