// ObjectPool and Pooled: objects that are used again, per loop.
#include <evcoro/object_pool.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <evcoro/sync/event.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::in_own_loop;
using support::OsThread;

namespace {

// Counts what lives, and knows who made it.
struct Counts {
  std::atomic<int> made{0};
  std::atomic<int> destroyed{0};
  int living() const { return made - destroyed; }
};

struct Object {
  explicit Object(Counts& its_counts) : counts(its_counts), number(++its_counts.made) {}
  ~Object() {
    ++counts.destroyed;
    if (last_seen != nullptr) *last_seen = std::this_thread::get_id();
  }
  Counts& counts;
  const int number;
  std::thread::id* last_seen = nullptr;  // where the OS thread that destroys it is noted
};

class PoolFixture : public support::LoopFixture {
 public:
  ~PoolFixture() noexcept(false) {
    if (std::uncaught_exceptions() > 0) return;
    objects.reset();
    loop.reset();
    CHECK(counts.living() == 0);
  }

  std::unique_ptr<Object> create() { return std::make_unique<Object>(counts); }

  Counts counts;
  std::optional<ObjectPool<Object>> objects{std::in_place, [this] { return create(); },
                                            ObjectPoolOptions{.capacity_per_loop = 2}};
};

}  // namespace

TEST_CASE_METHOD(PoolFixture, "an object that has come back is used again, the last one first") {
  in_thread([&] {
    {
      const Pooled<Object> first = objects->take();
      const Pooled<Object> second = objects->take();
      REQUIRE(first->number == 1);
      REQUIRE((*second).number == 2);
      REQUIRE(objects->idle(*loop) == 0);
    }
    REQUIRE(objects->idle(*loop) == 2);
    const Pooled<Object> last = objects->take();
    REQUIRE(last->number == 1);  // locals go in reverse order
    REQUIRE(objects->take()->number == 2);
    REQUIRE(counts.made == 2);
  });
}

TEST_CASE_METHOD(PoolFixture, "beyond the capacity an object is destroyed when it comes back") {
  in_thread([&] {
    std::vector<Pooled<Object>> taken;
    for (int i = 0; i < 5; ++i) taken.push_back(objects->take());
    taken.clear();
    REQUIRE(objects->idle(*loop) == 2);
    REQUIRE(counts.living() == 2);
  });
}

TEST_CASE_METHOD(PoolFixture, "a capacity of zero keeps nothing") {
  ObjectPool<Object> none{[&] { return create(); }, {.capacity_per_loop = 0}};
  in_thread([&] {
    none.take().reset();
    REQUIRE(none.idle(*loop) == 0);
    REQUIRE(counts.living() == 0);
  });
}

TEST_CASE_METHOD(PoolFixture, "an object can be given back early, destroyed, and kept for good") {
  in_thread([&] {
    Pooled<Object> item = objects->take();
    REQUIRE(item);
    REQUIRE(item.get() != nullptr);
    item.reset();
    REQUIRE(!item);
    REQUIRE(item.get() == nullptr);
    REQUIRE(objects->idle(*loop) == 1);
    item.reset();
    item = objects->take();
    item.discard();
    REQUIRE(!item);
    REQUIRE(objects->idle(*loop) == 0);
    REQUIRE(counts.living() == 0);
    item = objects->take();
    const std::unique_ptr<Object> own = item.release();
    REQUIRE(!item);
    REQUIRE(own->number == 2);
    REQUIRE(objects->idle(*loop) == 0);
  });
  REQUIRE(counts.living() == 0);
}

TEST_CASE_METHOD(PoolFixture, "what is moved to another guard goes back once") {
  in_thread([&] {
    Pooled<Object> first = objects->take();
    Pooled<Object> second = std::move(first);
    REQUIRE(!first);  // NOLINT(bugprone-use-after-move)
    REQUIRE(second->number == 1);
    Pooled<Object> third = objects->take();
    third = std::move(second);
    REQUIRE(third->number == 1);
    REQUIRE(objects->idle(*loop) == 1);  // the third's own
    Pooled<Object>& same = third;
    third = std::move(same);
    REQUIRE(third->number == 1);
    third.reset();
    REQUIRE(objects->idle(*loop) == 2);
  });
}

TEST_CASE_METHOD(PoolFixture, "what making an object throws comes out of take") {
  bool fails = true;
  ObjectPool<Object> items{[&] {
    if (fails) throw 3;
    return create();
  }};
  in_thread([&] {
    REQUIRE_THROWS_AS(items.take(), int);
    REQUIRE(items.idle(*loop) == 0);
    fails = false;
    REQUIRE(items.take()->number == 1);
  });
}

TEST_CASE_METHOD(PoolFixture, "an object that could not be made is an empty guard") {
  ObjectPool<Object> items{[] { return nullptr; }};
  in_thread([&] {
    Pooled<Object> none = items.take();
    REQUIRE(!none);
    none.reset();
    REQUIRE(items.idle(*loop) == 0);
  });
}

TEST_CASE_METHOD(PoolFixture, "making an object may block while others use the pool") {
  ObjectPool<Object> items{[&] {
    CHECK(!this_thread::sleep_for(1ms));
    return create();
  }};
  in_thread([&] {
    Thread other = loop->spawn([&] { return items.take()->number; }).value();
    const Pooled<Object> own = items.take();
    REQUIRE(own->number != other.join().value());
    REQUIRE(items.idle(*loop) == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "how objects are destroyed can be said by a function") {
  std::vector<int> destroyed;
  const auto destroy = [&](const int* number) {
    destroyed.push_back(*number);
    delete number;
  };
  using Number = std::unique_ptr<int, std::function<void(int*)>>;
  ObjectPool<int, std::function<void(int*)>> items{[&] {
                                                     return Number{new int{7}, destroy};
                                                   },
                                                   {.capacity_per_loop = 1}};
  in_thread([&] {
    auto first = items.take();
    auto second = items.take();
    *second = 8;
    first.reset();
    second.reset();
    REQUIRE(destroyed == std::vector{8});
  });
  items.clear();
  REQUIRE(destroyed == std::vector{8, 7});
}

TEST_CASE_METHOD(PoolFixture, "outside of threads each object is a new one, and is not kept") {
  const auto use = [&] {
    const Pooled<Object> item = objects->take();
    return item->number;
  };
  int number = use();
  REQUIRE(number == 1);
  REQUIRE(counts.living() == 0);
  OsThread{[&] { number = use(); }}.join();
  REQUIRE(number == 2);
  loop->post([&] { number = use(); });
  loop->run_once(no_wait);
  REQUIRE(number == 3);
  REQUIRE(counts.living() == 0);
  REQUIRE(objects->idle(*loop) == 0);
}

TEST_CASE_METHOD(PoolFixture, "an object goes back to the loop in whose thread its guard goes") {
  Pooled<Object> item;
  in_thread([&] { item = objects->take(); });
  Loop other{{.capacity = 1, .stack_size = support::test_stack_size}};
  other.spawn([&] { item.reset(); }).value().detach();
  other.run();
  REQUIRE(objects->idle(*loop) == 0);
  REQUIRE(objects->idle(other) == 1);
  in_thread([&] { item = objects->take(); });
  REQUIRE(counts.made == 2);
  item.reset();  // outside of threads
  REQUIRE(counts.living() == 1);
}

TEST_CASE_METHOD(PoolFixture, "idle objects go with their loop") {
  in_thread([&] { objects->take().reset(); });
  REQUIRE(counts.living() == 1);
  loop.reset();
  REQUIRE(counts.living() == 0);
  loop.emplace(pool);
  in_thread([&] { objects->take().reset(); });
  REQUIRE(counts.made == 2);
}

TEST_CASE_METHOD(PoolFixture, "idle objects go with their pool, and what is out goes later") {
  Pooled<Object> out;
  in_thread([&] {
    out = objects->take();
    objects->take().reset();
    REQUIRE(counts.living() == 2);
    objects.reset();
    REQUIRE(counts.living() == 1);
    out.reset();
    REQUIRE(counts.living() == 0);
  });
}

TEST_CASE_METHOD(PoolFixture, "clear destroys what is idle, and the pool goes on") {
  in_thread([&] {
    const Pooled<Object> out = objects->take();
    objects->take().reset();
    objects->clear();
    REQUIRE(objects->idle(*loop) == 0);
    REQUIRE(counts.living() == 1);
    objects->take().reset();
    REQUIRE(objects->idle(*loop) == 1);
    REQUIRE(counts.made == 3);
  });
  REQUIRE(objects->idle(*loop) == 2);
}

TEST_CASE_METHOD(support::LoopFixture, "the destructor of an idle object may block") {
  struct Slow {
    ~Slow() {
      if (Loop::current() != nullptr) CHECK(!this_thread::sleep_for(1ms));
    }
  };
  ObjectPool<Slow> slow{[] { return std::make_unique<Slow>(); }};
  in_thread([&] {
    slow.take().reset();
    Thread other = loop->spawn([&] { slow.take().reset(); }).value();
    slow.clear();
    REQUIRE(other.has_ended());
    REQUIRE(slow.idle(*loop) == 1);  // the other's, made meanwhile
    REQUIRE(other.join());
  });
}

TEST_CASE_METHOD(PoolFixture, "objects of another OS thread's loop are destroyed there") {
  const bool destroys_pool = GENERATE(false, true);
  Event idle;
  Event cleared;
  std::thread::id there;
  std::thread::id destroyed_in;
  bool is_gone = false;
  OsThread other{in_own_loop([&] {
    there = std::this_thread::get_id();
    {
      const Pooled<Object> item = objects->take();
      item->last_seen = &destroyed_in;
    }
    idle.set();
    (void)cleared.wait();
    is_gone = support::eventually([&] { return counts.living() == 0; });
  })};
  REQUIRE(!idle.wait(support::long_time));
  REQUIRE(counts.living() == 1);
  destroys_pool ? objects.reset() : objects->clear();
  cleared.set();
  other.join();
  REQUIRE(is_gone);
  REQUIRE(destroyed_in == there);
}

TEST_CASE_METHOD(PoolFixture, "loops that end while a pool is cleared destroy each object once") {
  for (int round = 0; round < support::rounds(200); ++round) {
    Event idle;
    OsThread other{in_own_loop([&] {
      objects->take().reset();
      idle.set();
    })};
    REQUIRE(!idle.wait(support::long_time));
    if (round % 2 == 0) {
      objects->clear();
    } else {
      objects.emplace([this] { return create(); });
    }
  }
  REQUIRE(counts.living() == 0);
}

TEST_CASE_METHOD(PoolFixture, "threads of several loops use one pool at once") {
  const int turns = support::rounds(2000);
  std::atomic<int> wrong{0};
  const auto use = [&] {
    for (int i = 0; i < turns; ++i) {
      Pooled<Object> first = objects->take();
      const Pooled<Object> second = objects->take();
      if (first->number == second->number) ++wrong;
      if (i % 8 == 0 && Loop::current() != nullptr) (void)this_thread::yield();
      if (i % 16 == 0) first.discard();
    }
  };
  {
    OsThread one{in_own_loop(use, 3)};
    OsThread two{in_own_loop(use, 3)};
    OsThread outside{use};
  }
  REQUIRE(wrong == 0);
  REQUIRE(counts.living() == 0);
}
