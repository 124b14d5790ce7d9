#include <stacks/intrusive_list.hpp>

#include <optional>
#include <vector>

#include <support/catch.hpp>

using evcoro::stacks::IntrusiveList;
using evcoro::stacks::ListLink;

namespace {

struct Element : ListLink {
  explicit Element(int number) : value(number) {}
  int value;
};

std::vector<int> values(const IntrusiveList<Element>& list) {
  std::vector<int> found;
  list.for_each([&](Element& element) { found.push_back(element.value); });
  return found;
}

}  // namespace

TEST_CASE("a list hands out its elements in the order in which they came") {
  IntrusiveList<Element> list;
  Element one{1};
  Element two{2};
  REQUIRE(list.empty());
  list.push_back(one);
  list.push_back(two);
  REQUIRE(list.front().value == 1);
  REQUIRE(list.pop_front().value == 1);
  REQUIRE_FALSE(one.is_linked());
  REQUIRE(list.pop_front().value == 2);
  REQUIRE(list.empty());
}

TEST_CASE("an element leaves the middle of a list without knowing the list") {
  IntrusiveList<Element> list;
  Element one{1};
  Element two{2};
  Element three{3};
  for (Element* element : {&one, &two, &three}) list.push_back(*element);
  two.unlink();
  two.unlink();  // of one that is in no list: nothing
  REQUIRE_FALSE(two.is_linked());
  REQUIRE(values(list) == std::vector{1, 3});
}

TEST_CASE("an element that is destroyed leaves its list") {
  IntrusiveList<Element> list;
  Element one{1};
  std::optional<Element> two{2};
  list.push_back(one);
  list.push_back(*two);
  two.reset();
  REQUIRE(values(list) == std::vector{1});
}

TEST_CASE("a list that is destroyed leaves its elements unlinked") {
  Element one{1};
  {
    IntrusiveList<Element> list;
    list.push_back(one);
    REQUIRE(one.is_linked());
  }
  REQUIRE_FALSE(one.is_linked());
}

TEST_CASE("a visitor may unlink the element that it is given") {
  IntrusiveList<Element> list;
  Element one{1};
  Element two{2};
  Element three{3};
  for (Element* element : {&one, &two, &three}) list.push_back(*element);
  list.for_each([](Element& element) {
    if (element.value != 2) element.unlink();
  });
  REQUIRE(values(list) == std::vector{2});
}

TEST_CASE("an element can be put in front of the others") {
  IntrusiveList<Element> list;
  Element one{1};
  Element two{2};
  list.push_front(two);
  list.push_front(one);
  REQUIRE(values(list) == std::vector{1, 2});
}
