#include <stacks/stack_pool.hpp>

#include <system_error>
#include <vector>

#include <support/catch.hpp>

using namespace evcoro::stacks;

namespace {

// Counts how often it was told, and keeps the order of all.
struct Waiter final : StackWaiter {
  explicit Waiter(std::vector<Waiter*>& order) : order_(order) {}
  void stack_free() noexcept override {
    linked_when_told = is_linked();
    order_.push_back(this);
  }
  bool linked_when_told = false;

 private:
  std::vector<Waiter*>& order_;
};

struct Fixture {
  StackPool pool{{.capacity = 2}};
  std::error_code error;
  Stack* first = pool.take(error);
  Stack* second = pool.take(error);
  std::vector<Waiter*> told;
  Waiter a{told};
  Waiter b{told};
  Waiter c{told};
};

using Told = std::vector<Waiter*>;

}  // namespace

TEST_CASE_METHOD(Fixture, "who waits for a stack is told once, first come first served") {
  for (Waiter* waiter : {&b, &a, &c}) pool.wait(*waiter);
  REQUIRE(told.empty());
  pool.give_back(*first);
  REQUIRE(told == Told{&b});
  REQUIRE_FALSE(b.linked_when_told);
  pool.give_back(*second);
  REQUIRE(told == Told{&b, &a});
  pool.give_back(*pool.take(error));
  REQUIRE(told == Told{&b, &a, &c});
  pool.give_back(*pool.take(error));
  REQUIRE(told.size() == 3);
}

TEST_CASE_METHOD(Fixture, "who no longer waits is not told") {
  for (Waiter* waiter : {&a, &b, &c}) pool.wait(*waiter);
  a.unlink();
  pool.give_back(*first);
  REQUIRE(told == Told{&b});
  pool.give_back(*second);
  REQUIRE(told == Told{&b, &c});
}

TEST_CASE_METHOD(Fixture, "who was told and needs no stack passes the word on") {
  for (Waiter* waiter : {&a, &b}) pool.wait(*waiter);
  pool.give_back(*first);
  pool.pass_on();
  REQUIRE(told == Told{&a, &b});
  pool.pass_on();  // nobody waits
  REQUIRE(told.size() == 2);
  pool.give_back(*second);
}

TEST_CASE_METHOD(Fixture, "the word is not passed on when the stack was taken meanwhile") {
  for (Waiter* waiter : {&a, &b}) pool.wait(*waiter);
  pool.give_back(*first);
  first = pool.take(error);
  pool.pass_on();
  REQUIRE(told == Told{&a});
  pool.give_back(*first);
  REQUIRE(told == Told{&a, &b});
  pool.give_back(*second);
}

TEST_CASE_METHOD(Fixture, "who is told may wait again, behind the others") {
  for (Waiter* waiter : {&a, &b}) pool.wait(*waiter);
  pool.give_back(*first);
  pool.wait(a);
  pool.give_back(*second);
  REQUIRE(told == Told{&a, &b});
  pool.give_back(*pool.take(error));
  REQUIRE(told == Told{&a, &b, &a});
}
