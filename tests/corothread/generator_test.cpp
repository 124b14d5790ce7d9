#include <corothread/generator.hpp>

#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <support/catch.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;

static_assert(std::ranges::input_range<Generator<int>>);
static_assert(std::ranges::view<Generator<int>>);
static_assert(!std::ranges::forward_range<Generator<int>>);
static_assert(std::input_iterator<Generator<std::string>::Iterator>);
static_assert(std::is_same_v<std::ranges::range_reference_t<Generator<int>>, int&>);
static_assert(std::is_same_v<std::ranges::range_value_t<Generator<const int>>, int>);
static_assert(!std::is_copy_constructible_v<Generator<int>>);

namespace {

struct Fixture {
  StackPool pool{{.capacity = 10, .stack_size = 128 * 1024}};

  Generator<int> count_to(int last) {
    return {pool, [last](auto& yield) {
              for (int i = 1; i <= last; ++i) yield(i);
            }};
  }
};

// Counts its copies and moves.
struct Counted {
  Counted() = default;
  Counted(const Counted& other) : copies(other.copies + 1), moves(other.moves) {}
  Counted(Counted&& other) noexcept : copies(other.copies), moves(other.moves + 1) {}
  int copies = 0;
  int moves = 0;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a generator is read by range-for") {
  std::vector<int> squares;
  Generator<int> generator{pool, [](auto& yield) {
                             for (int i = 1; i <= 3; ++i) yield(i * i);
                           }};
  for (const int square : generator) squares.push_back(square);
  REQUIRE(squares == std::vector{1, 4, 9});
}

TEST_CASE_METHOD(Fixture, "a generator that yields nothing is an empty range") {
  Generator<int> generator{pool, [](auto&) {}};
  REQUIRE(generator.begin() == generator.end());
}

#if !defined(__clang__) || __clang_major__ >= 16  // those before reject libstdc++'s views
TEST_CASE_METHOD(Fixture, "the standard views adapt a generator") {
  std::vector<int> got;
  const auto even = [](int value) { return value % 2 == 0; };
  const auto tenfold = [](int value) { return 10 * value; };
  auto generator = count_to(1'000'000);
  for (const int value : std::move(generator) | std::views::filter(even) |
                             std::views::transform(tenfold) | std::views::take(3)) {
    got.push_back(value);
  }
  REQUIRE(got == std::vector{20, 40, 60});
}
#endif

TEST_CASE_METHOD(Fixture, "elements are not copied, and can be changed in place") {
  Generator<Counted> generator{pool, [](auto& yield) {
                                 Counted own;
                                 yield(own);
                                 yield(Counted{});
                                 own.copies = 7;
                                 yield(own);
                               }};
  auto element = generator.begin();
  Counted* const own = &*element;
  REQUIRE(element->copies == 0);
  REQUIRE(element->moves == 0);
  ++element;
  REQUIRE(element->copies + element->moves == 0);
  element++;
  REQUIRE(&*element == own);
  REQUIRE((*element).copies == 7);
}

TEST_CASE_METHOD(Fixture, "a const element is copied for a generator that lets it be changed") {
  const Counted original;
  Generator<Counted> copies{pool, [&](auto& yield) { yield(original); }};
  REQUIRE(copies.begin()->copies == 1);
  Generator<const Counted> refers{pool, [&](auto& yield) {
                                    yield(original);
                                    yield(Counted{});
                                  }};
  auto element = refers.begin();
  REQUIRE(&*element == &original);
  REQUIRE((++element)->copies == 0);
}

TEST_CASE_METHOD(Fixture, "move-only elements can be moved out") {
  Generator<std::unique_ptr<int>> generator{
      pool, [](auto& yield) {
        yield(std::make_unique<int>(1));
        auto second = std::make_unique<int>(2);
        yield(second);
        yield(std::make_unique<int>(second == nullptr ? 3 : 4));
      }};
  std::vector<std::unique_ptr<int>> got;
  for (auto& element : generator) got.push_back(std::move(element));
  REQUIRE(got.size() == 3);
  for (int i = 0; i < 3; ++i) REQUIRE(*got[static_cast<std::size_t>(i)] == i + 1);
}

TEST_CASE_METHOD(Fixture, "the body starts at begin, and not before") {
  bool started = false;
  Generator<int> generator{pool, [&](auto& yield) {
                             started = true;
                             yield(1);
                           }};
  REQUIRE_FALSE(started);
  REQUIRE(*generator.begin() == 1);
  REQUIRE(started);
}

TEST_CASE_METHOD(Fixture, "exceptions come out of begin and ++") {
  Generator<int> at_once{pool, [](auto&) { throw std::runtime_error("at once"); }};
  REQUIRE_THROWS_WITH(at_once.begin(), "at once");

  Generator<int> later{pool, [](auto& yield) {
                         yield(1);
                         throw std::runtime_error("later");
                       }};
  auto element = later.begin();
  REQUIRE(*element == 1);
  REQUIRE_THROWS_WITH(++element, "later");
  REQUIRE(element == later.end());
}

TEST_CASE_METHOD(Fixture, "a second begin throws") {
  auto generator = count_to(2);
  auto element = generator.begin();
  REQUIRE_THROWS_AS(generator.begin(), std::logic_error);
  REQUIRE(*element == 1);
  REQUIRE(*++element == 2);
  REQUIRE(++element == generator.end());
  REQUIRE_THROWS_AS(generator.begin(), std::logic_error);
  REQUIRE_THROWS_AS(++element, std::logic_error);
}

TEST_CASE_METHOD(Fixture, "destroying a generator early unwinds its body") {
  struct Sets {
    ~Sets() { flag = true; }
    bool& flag;
  };
  bool unwound = false;
  {
    Generator<int> generator{pool, [&](auto& yield) {
                               const Sets local{unwound};
                               while (true) yield(1);
                             }};
    REQUIRE(*generator.begin() == 1);
    REQUIRE_FALSE(unwound);
  }
  REQUIRE(unwound);
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(Fixture, "a generator that is moved goes on where it was") {
  auto first = count_to(3);
  auto element = first.begin();
  Generator<int> second{std::move(first)};
  REQUIRE(*++element == 2);
  first = std::move(second);
  REQUIRE(*++element == 3);
  first = count_to(9);  // kills what it had
  REQUIRE(pool.in_use() == 1);
}

namespace {

// The numbers of a binary tree of this depth, in order: generators within generators.
Generator<int> in_order(StackPool& pool, int root, int depth) {
  return {pool, [&pool, root, depth](auto& yield) {
            if (depth > 0) {
              for (const int value : in_order(pool, root - (1 << (depth - 1)), depth - 1))
                yield(value);
            }
            yield(root);
            if (depth > 0) {
              for (const int value : in_order(pool, root + (1 << (depth - 1)), depth - 1))
                yield(value);
            }
          }};
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a generator may consume others of its kind") {
  std::vector<int> numbers;
  std::vector<int> expected;
  for (const int value : in_order(pool, 8, 3)) numbers.push_back(value);
  for (int i = 1; i <= 15; ++i) expected.push_back(i);
  REQUIRE(numbers == expected);
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(Fixture, "a pipeline of generators passes each element on") {
  Generator<int> filtered{pool, [&](auto& yield) {
                            for (const int value : count_to(20)) {
                              if (value % 5 == 0) yield(value);
                            }
                          }};
  std::vector<std::string> got;
  Generator<std::string> printed{pool, [&](auto& yield) {
                                   for (const int value : filtered) yield(std::to_string(value));
                                 }};
  for (const std::string& text : printed) got.push_back(text);
  REQUIRE(got == std::vector<std::string>{"5", "10", "15", "20"});
}

TEST_CASE_METHOD(Fixture, "a body may move its own generator") {
  std::vector<Generator<int>> all;
  all.reserve(1);
  all.emplace_back(pool, [&](auto& yield) {
    all.push_back(count_to(1));  // moves all that are there
    yield(7);
  });
  const auto first = all[0].begin();
  REQUIRE(*first == 7);
}
