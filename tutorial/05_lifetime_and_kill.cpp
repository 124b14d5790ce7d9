// Chapter 5: how long a coroutine lives, and what happens to what it holds when it is ended early.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <corothread/coroutine.hpp>
#include <stacks/stack_pool.hpp>

using evcoro::corothread::Coroutine;
using evcoro::corothread::CoroutineState;
using evcoro::stacks::StackPool;

namespace {

// Something that has to be closed: a file, a lock, a connection.
class Door {
 public:
  explicit Door(std::string name) : name_(std::move(name)) { say("opened"); }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  ~Door() { say("closed"); }

 private:
  void say(const char* what) const { std::printf("  %s %s\n", name_.c_str(), what); }
  std::string name_;
};

// [visitor]
Coroutine<void()> make_visitor(StackPool& pool) {
  return {pool, [](auto& yield) {
            const Door front{"front door"};
            yield();
            const Door back{"back door"};
            yield();
            std::puts("  the visitor leaves");
          }};
}
// [/visitor]

// [to_the_end]
void run_to_the_end(StackPool& pool) {
  Coroutine<void()> visitor = make_visitor(pool);
  visitor.start();
  while (visitor.resume()) continue;
  std::printf("  ended: %s, stacks in use: %zu\n",
              visitor.state() == CoroutineState::ended ? "yes" : "no", pool.in_use());
}
// [/to_the_end]

// [dropped]
void drop_half_way(StackPool& pool) {
  std::vector<Coroutine<void()>> visitors;
  visitors.push_back(make_visitor(pool));
  visitors.push_back(make_visitor(pool));
  visitors[0].start();
  visitors[0].resume();
  std::printf("  stacks in use: %zu\n", pool.in_use());
}  // visitors[0] is unwound; visitors[1] had never been started
// [/dropped]

// [killed]
void kill_one_that_catches(StackPool& pool) {
  Coroutine<void()> worker(pool, [](auto& yield) {
    try {
      yield();
    } catch (...) {
      std::puts("  the worker puts its tools away");
      throw;  // without this the next yield() throws again
    }
  });
  worker.start();
  worker.kill();
  std::printf("  ended: %s, stacks in use: %zu\n",
              worker.state() == CoroutineState::ended ? "yes" : "no", pool.in_use());
}
// [/killed]

}  // namespace

int main() {
  StackPool pool{{.capacity = 2}};
  std::puts("to the end:");
  run_to_the_end(pool);
  std::puts("dropped half way:");
  drop_half_way(pool);
  std::puts("killed:");
  kill_one_that_catches(pool);
  std::printf("at last, stacks in use: %zu\n", pool.in_use());
}
