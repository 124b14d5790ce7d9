// What belongs to one thread, or one loop: ThreadLocal, LoopLocal, Loop::own().
#include <string>
#include <vector>

#include <evcoro/local.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// Notes its end, and that it may block then.
struct Noting {
  std::vector<std::string>* ends = nullptr;
  std::string name;
  ~Noting() {
    if (ends == nullptr) return;
    if (Loop::current() != nullptr) REQUIRE(!this_thread::sleep_for(1ms));
    ends->push_back(name);
  }
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "each thread has its own, and it goes with the thread") {
  const ThreadLocal<int> number;
  const ThreadLocal<Noting> first;
  const ThreadLocal<Noting> second;
  std::vector<std::string> ends;
  REQUIRE(number.find() == nullptr);
  in_thread([&] {
    const auto body = [&](int mine) {
      REQUIRE(number.find() == nullptr);
      REQUIRE(number.get() == 0);
      number.get() = mine;
      first->name = "first of " + std::to_string(mine);
      first->ends = &ends;
      second->name = "second of " + std::to_string(mine);
      second->ends = &ends;
      REQUIRE(!this_thread::yield());
      REQUIRE(*number == mine);
      REQUIRE(number.find() == &number.get());
    };
    Thread one = loop->spawn([&] { body(1); }).value();
    Thread two = loop->spawn([&] { body(2); }).value();
    REQUIRE(one.join());
    REQUIRE(two.join());
    REQUIRE(number.find() == nullptr);
  });
  REQUIRE(ends ==
          std::vector<std::string>{"second of 1", "second of 2", "first of 1", "first of 2"});
}

TEST_CASE_METHOD(support::LoopFixture, "each loop has its own, and it goes with the loop") {
  const LoopLocal<Noting> local;
  std::vector<std::string> ends;
  Loop other{{.capacity = 1, .stack_size = support::test_stack_size}};
  REQUIRE(local.find(*loop) == nullptr);
  local.get(*loop) = Noting{};
  local.get(*loop).name = "local";
  local.get(*loop).ends = &ends;
  REQUIRE(&local.get(other) != &local.get(*loop));
  Noting& owned = loop->own(Noting{nullptr, "owned"});
  owned.ends = &ends;
  loop.reset();
  REQUIRE(ends == std::vector<std::string>{"owned", "local"});
}

TEST_CASE("a thread's variable outside a thread is a misuse") {
  const auto ended = support::in_child([] { ThreadLocal<int>{}.get() = 1; });
  REQUIRE(ended.output.find("ThreadLocal::get() outside a thread") != std::string::npos);
}
