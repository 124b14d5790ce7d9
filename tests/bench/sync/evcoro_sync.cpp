// The cases of the suite sync in evcoro: threads of one loop, or of two loops of a LoopGroup.
#include <chrono>
#include <cstddef>
#include <latch>
#include <mutex>
#include <system_error>
#include <thread>

#include <evcoro/loop.hpp>
#include <evcoro/loop_group.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/thread.hpp>
#include <stacks/stack_pool.hpp>

#include "tests/bench/sync/sync_main.hpp"

namespace {

using evcoro::Channel;
using sync_bench::check;
using sync_bench::measure;
using sync_bench::Spent;
using sync_bench::Start;

constexpr std::size_t stack_size = 16 * 1024;
constexpr std::size_t room = 128;
constexpr std::size_t rivals = 10;
constexpr std::size_t children = 10;  // of a node of the tree

void must(std::error_code error) { check(!error, "an operation failed"); }

// run_threads() runs each function in a thread of one loop.
template <class... Functions>
Spent run_threads(Functions... functions) {
  evcoro::Loop loop{{.capacity = sizeof...(functions), .stack_size = stack_size}};
  (loop.spawn({.name = "bench"}, functions).value().detach(), ...);
  return measure([&] { loop.run(); });
}

// --- channels ---

void ask(Channel<std::size_t>& ping, Channel<std::size_t>& pong, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    must(ping.send(i));
    check(pong.receive().value() == i + 1, "a wrong answer");
  }
  ping.close();
}

void answer(Channel<std::size_t>& ping, Channel<std::size_t>& pong) {
  for (const std::size_t value : ping) must(pong.send(value + 1));
}

Spent channel(std::size_t count) {
  Channel<std::size_t> ping;
  Channel<std::size_t> pong;
  return run_threads([&] { ask(ping, pong, count); }, [&] { answer(ping, pong); });
}

Spent across(std::size_t count) {
  Channel<std::size_t> ping;
  Channel<std::size_t> pong;
  evcoro::LoopGroup group{{.loops = 2, .stacks = {.capacity = 2, .stack_size = stack_size}}};
  return measure([&] {
    auto answering = group.spawn_on(1, [&] { answer(ping, pong); });
    group.spawn_on(0, [&] { ask(ping, pong, count); }).join().value();
    answering.join().value();
  });
}

Spent buffered(std::size_t count) {
  Channel<std::size_t> items{room};
  std::size_t received = 0;
  const Spent spent = run_threads(
      [&] {
        for (std::size_t i = 0; i < count; ++i) must(items.send(i));
        items.close();
      },
      [&] {
        for (const std::size_t item : items) check(item == received++, "a wrong item");
      });
  check(received == count, "items were lost");
  return spent;
}

Spent select_of_four(std::size_t count) {
  Channel<std::size_t> channels[4];
  std::size_t sum = 0;
  const Spent spent = run_threads(
      [&] {
        for (std::size_t i = 0; i < count; ++i) must(channels[i % 4].send(i));
      },
      [&] {
        const auto add = [&](evcoro::Result<std::size_t> item) { sum += item.value(); };
        for (std::size_t i = 0; i < count; ++i) {
          using evcoro::on_receive;
          must(evcoro::select(on_receive(channels[0], add), on_receive(channels[1], add),
                              on_receive(channels[2], add), on_receive(channels[3], add))
                   .error());
        }
      });
  check(sum == count * (count - 1) / 2, "a wrong sum");
  return spent;
}

// --- the mutex ---

Spent mutex(std::size_t count) {
  evcoro::Mutex lock;
  std::size_t total = 0;
  const Spent spent = run_threads([&] {
    for (std::size_t i = 0; i < count; ++i) {
      const std::scoped_lock held{lock};
      ++total;
    }
  });
  check(total == count, "a wrong total");
  return spent;
}

// The same in a process that has a second OS thread.
Spent mutex_threads(std::size_t count) {
  std::latch done{1};
  const std::jthread sleeper{[&] { done.wait(); }};
  const Spent spent = mutex(count);
  done.count_down();
  return spent;
}

Spent contend(std::size_t count, bool yields) {
  evcoro::Loop loop{{.capacity = rivals, .stack_size = stack_size}};
  evcoro::Mutex lock;
  std::size_t total = 0;
  const auto compete = [&] {
    for (std::size_t i = 0; i < count / rivals; ++i) {
      const std::scoped_lock held{lock};
      ++total;
      if (yields) must(evcoro::this_thread::yield());
    }
  };
  for (std::size_t rival = 0; rival < rivals; ++rival) {
    loop.spawn({.name = "rival"}, compete).value().detach();
  }
  const Spent spent = measure([&] { loop.run(); });
  check(total == count / rivals * rivals, "a wrong total");
  return spent;
}

Spent contended(std::size_t count) { return contend(count, true); }
Spent contended_no_yield(std::size_t count) { return contend(count, false); }

// --- the tree ---

class Tree {
 public:
  enum class Order { depth_first, breadth_first };

  struct Options {
    Order order;
    bool at_once = false;  // each node runs, as far as it can, before its parent starts the next
    std::size_t room = 0;  // of the channel from a node's children
  };

  Tree(std::size_t leaves, Options options) : leaves_(leaves), options_(options) {}

  // grow() returns what the tree has summed up.
  Spent grow() {
    Channel<std::size_t> result;
    std::size_t sum = 0;
    Spent spent = measure([&] {
      spawn(result, 0, leaves_);
      loop_.spawn([&] { sum = result.receive().value(); }).value().detach();
      loop_.run();
    });
    check(sum == leaves_ * (leaves_ - 1) / 2, "a wrong sum");
    spent.live = pool_.statistics().peak_in_use - 1;
    return spent;
  }

 private:
  void spawn(Channel<std::size_t>& parent, std::size_t number, std::size_t size) {
    loop_
        .spawn({.at_once = options_.at_once},
               [this, &parent, number, size] { be_node(parent, number, size); })
        .value()
        .detach();
  }

  void be_node(Channel<std::size_t>& parent, std::size_t number, std::size_t size) {
    if (size == 1) return must(parent.send(number));
    Channel<std::size_t> sums{options_.room};
    std::size_t sum = 0;
    const std::size_t share = size / children;
    for (std::size_t i = 0; i < children; ++i) {
      spawn(sums, number + i * share, share);
      if (options_.order == Order::depth_first) sum += sums.receive().value();
    }
    for (std::size_t i = 0; options_.order == Order::breadth_first && i < children; ++i) {
      sum += sums.receive().value();
    }
    must(parent.send(sum));
  }

  const std::size_t leaves_;
  const Options options_;
  evcoro::stacks::StackPool pool_{{.capacity = 2 * leaves_,
                                   .stack_size = 8 * 1024,
                                   .allocation = evcoro::stacks::StackPool::Allocation::on_demand}};
  evcoro::Loop loop_{pool_};
};

// The tree is not destroyed: to unmap a million stacks takes long.
Spent grow(std::size_t leaves, Tree::Options options, int times) {
  auto* const tree = new Tree(leaves, options);
  for (int i = 1; i < times; ++i) tree->grow();
  return tree->grow();
}

auto tree(Tree::Options options, int times = 1) {
  return [=](std::size_t leaves) { return grow(leaves, options, times); };
}

}  // namespace

int main(int argc, char** argv) {
  using enum Tree::Order;
  sync_bench::run(argc, argv,
                  {{"channel", channel},
                   {"across", across},
                   {"buffered", buffered},
                   {"select", select_of_four},
                   {"mutex", mutex},
                   {"mutex_threads", mutex_threads},
                   {"contended", contended},
                   {"contended_no_yield", contended_no_yield},
                   {"depth_first", tree({depth_first}), Start::cold},
                   {"depth_first_again", tree({depth_first}, 2), Start::cold},
                   {"breadth_first", tree({breadth_first}), Start::cold},
                   {"breadth_first_again", tree({breadth_first}, 2), Start::cold},
                   {"breadth_first_at_once", tree({breadth_first, true}), Start::cold},
                   {"breadth_first_room", tree({breadth_first, true, children}), Start::cold}});
}
