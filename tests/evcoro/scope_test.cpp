// Scope: threads that end with the block that they were spawned in.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <evcoro/scope.hpp>
#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {
std::error_code sleep_long() { return this_thread::sleep_until(never); }
}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a scope waits for all of its threads") {
  in_thread([&] {
    std::vector<int> done;
    {
      Scope scope;
      for (int i = 0; i < 3; ++i) {
        REQUIRE(scope.spawn([&done, i] {
          REQUIRE(!this_thread::sleep_for((3 - i) * 1ms));
          done.push_back(i);
        }));
      }
      REQUIRE(scope.thread_count() == 3);
      REQUIRE(scope.wait(no_wait) == std::errc::timed_out);
      REQUIRE(!scope.wait());
      std::ranges::sort(done);  // a machine that does other things wakes them in any order
      REQUIRE(done == std::vector{0, 1, 2});
      REQUIRE(!scope.wait());  // for none
      REQUIRE(scope.spawn([&] { done.push_back(3); }));
    }
    REQUIRE(done.back() == 3);  // leaving the block joins
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "the first failure of a scope cancels the rest and is thrown") {
  in_thread([&] {
    Scope scope;
    std::error_code other;
    CancelReason reason{};
    REQUIRE(scope.spawn([&] {
      other = sleep_long();
      reason = this_thread::cancel_reason();
    }));
    REQUIRE(
        scope.spawn([]() -> std::error_code { return std::make_error_code(std::errc::io_error); }));
    REQUIRE(scope.spawn([] { throw std::runtime_error("second"); }));
    REQUIRE(sleep_long() == std::errc::operation_canceled);  // the opener is woken, too
    REQUIRE(scope.cancel_reason() == CancelReason::failure);
    REQUIRE(scope.wait() == std::errc::io_error);
    REQUIRE(other == std::errc::operation_canceled);
    REQUIRE(reason == CancelReason::failure);
    REQUIRE(scope.wait() == std::errc::operation_canceled);
    REQUIRE(scope.spawn([] {}).error() == std::errc::operation_canceled);
  });
  in_thread([&] {
    Scope scope;
    REQUIRE(scope.spawn([]() -> Result<int> { throw std::runtime_error("first"); }));
    REQUIRE_THROWS_WITH(scope.wait(), "first");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a scope that an exception leaves cancels and joins") {
  in_thread([&] {
    bool ended = false;
    const auto body = [&] {
      Scope scope;
      REQUIRE(scope.spawn([&] {
        (void)sleep_long();
        ended = true;
      }));
      throw std::runtime_error("leaves");
    };
    REQUIRE_THROWS_WITH(body(), "leaves");
    REQUIRE(ended);
    REQUIRE(!this_thread::stop_requested());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a failure that nobody waits for goes to the handler") {
  std::string reported;
  loop->set_exception_handler(
      [&](const ThreadInfo& thread, std::exception_ptr) { reported = thread.name; });
  in_thread([&] {
    Scope scope;
    REQUIRE(scope.spawn([] { throw std::runtime_error("lost"); }));
  });
  REQUIRE(reported == "test");
}

TEST_CASE_METHOD(support::LoopFixture, "an error that nobody waits for goes to the handler, once") {
  std::vector<std::error_code> reported;
  loop->set_exception_handler([&](const ThreadInfo&, std::exception_ptr exception) {
    REQUIRE_THROWS_AS(std::rethrow_exception(exception), std::system_error);
    try {
      std::rethrow_exception(exception);
    } catch (const std::system_error& error) {
      reported.push_back(error.code());
    }
  });
  const auto fail = [] { return std::make_error_code(std::errc::io_error); };
  in_thread([&] {
    {
      Scope scope;
      REQUIRE(scope.spawn(fail));
    }
    {
      Scope waited_for;
      REQUIRE(waited_for.spawn(fail));
      REQUIRE(waited_for.wait() == std::errc::io_error);
    }
    Scope cancelled;
    REQUIRE(cancelled.spawn(sleep_long));
    cancelled.cancel();  // and what is cancelled has not failed
  });
  REQUIRE(reported == std::vector{std::make_error_code(std::errc::io_error)});
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a scope's deadline holds for all that is inside, and no longer") {
  in_thread([&] {
    const auto began = Clock::now();
    {
      Scope outer{5ms};
      REQUIRE(this_thread::deadline() == outer.deadline());
      Scope inner{1h};
      REQUIRE(inner.deadline() == outer.deadline());
      TimePoint in_child{};
      REQUIRE(inner.spawn([&] {
        in_child = this_thread::deadline();
        Scope nested;
        REQUIRE(nested.spawn(sleep_long));
        REQUIRE(sleep_long() == std::errc::operation_canceled);
      }));
      REQUIRE(sleep_long() == std::errc::operation_canceled);
      REQUIRE(this_thread::cancel_reason() == CancelReason::deadline);
      REQUIRE(inner.wait() == std::errc::operation_canceled);
      REQUIRE(inner.cancel_reason() == CancelReason::deadline);
      REQUIRE(in_child == outer.deadline());
    }
    REQUIRE(Clock::now() - began >= 5ms);
    REQUIRE(this_thread::deadline() == never);
    REQUIRE(!this_thread::stop_requested());
    REQUIRE(!this_thread::sleep_for(1ms));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an inner scope's deadline leaves the outer one alone") {
  in_thread([&] {
    Scope outer{1h};
    REQUIRE(outer.spawn([] { return this_thread::sleep_for(5ms); }));
    {
      Scope inner{1ms};
      REQUIRE(sleep_long() == std::errc::operation_canceled);
    }
    REQUIRE(!this_thread::sleep_for(1ms));
    REQUIRE(!outer.wait());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelling a thread cancels the tree below it") {
  constexpr int depth = 40;  // one stack each
  int ended = 0;
  std::function<void(int)> grow = [&](int level) {
    Scope scope;
    if (level < depth) REQUIRE(scope.spawn([&, level] { grow(level + 1); }));
    REQUIRE(sleep_long() == std::errc::operation_canceled);
    REQUIRE(this_thread::cancel_reason() == CancelReason::shutdown);
    ++ended;
  };
  in_thread([&] {
    Thread root = loop->spawn([&] { grow(1); }).value();
    while (loop->thread_count() < depth + 1) REQUIRE(!this_thread::yield());
    root.request_stop(CancelReason::shutdown);
    REQUIRE(root.join());
    REQUIRE(ended == depth);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the cancellation of the thread outlives the scope's") {
  in_thread([&] {
    Thread thread =
        loop->spawn([&] {
              {
                Scope scope;
                REQUIRE(sleep_long() == std::errc::operation_canceled);
                scope.cancel();
                REQUIRE(scope.cancel_reason() == CancelReason::shutdown);
              }
              REQUIRE(sleep_long() == std::errc::operation_canceled);
              Scope born_cancelled;
              REQUIRE(born_cancelled.spawn([] {}).error() == std::errc::operation_canceled);
              this_thread::acknowledge_cancellation();
              REQUIRE(!this_thread::sleep_for(1ms));
            })
            .value();
    REQUIRE(!this_thread::yield());
    thread.request_stop(CancelReason::shutdown);
    REQUIRE(thread.join());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a shielded scope is for cleaning up") {
  in_thread([&] {
    Thread thread =
        loop->spawn([&] {
              Scope outer{1ms};
              REQUIRE(sleep_long() == std::errc::operation_canceled);
              {
                Scope cleaning_up{100ms, Scope::Shielded{}};
                REQUIRE(cleaning_up.spawn([] { return this_thread::sleep_for(1ms); }));
                REQUIRE(!this_thread::sleep_for(1ms));
                REQUIRE(!cleaning_up.wait());
                REQUIRE(this_thread::deadline() == cleaning_up.deadline());
                REQUIRE(sleep_long() == std::errc::operation_canceled);  // its own deadline
              }
              REQUIRE(sleep_long() == std::errc::operation_canceled);
            })
            .value();
    while (thread.info().wait_reason != "sleep") REQUIRE(!this_thread::yield());
    REQUIRE(thread.join());
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "cancellation reaches a shielded scope's thread afterwards") {
  in_thread([&] {
    Thread thread =
        loop->spawn([&] {
              Scope cleaning_up{never, Scope::Shielded{}};
              bool ended_well = false;
              REQUIRE(cleaning_up.spawn([&] { ended_well = !this_thread::sleep_for(2ms); }));
              REQUIRE(!cleaning_up.wait());
              REQUIRE(ended_well);
            })
            .value();
    while (thread.info().wait_reason != "the threads of a scope") REQUIRE(!this_thread::yield());
    thread.request_stop();
    REQUIRE(thread.join());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a scope survives cancellation at each of its waits") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      bool waits = false;
      Scope scope;
      for (int i = 0; i < 3; ++i) {
        const auto spawned = scope.spawn([i, &waits] {
          Scope nested;
          if (!nested.spawn([] { return this_thread::sleep_for(1ms); })) return;
          (void)this_thread::sleep_for(i * 1ms);
          while (!waits && !this_thread::yield()) {
          }
        });
        if (!spawned) break;
        if (this_thread::sleep_for(1ms)) break;
      }
      waits = true;
      const std::error_code error = scope.wait();
      CHECK((error == std::errc::operation_canceled) == cancelled);
    });
    CHECK(parks >= 4);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a scope is its thread's to wait for") {
  in_thread([&] {
    Scope scope;
    std::error_code error;
    REQUIRE(scope.spawn([&] { error = scope.wait(); }));
    REQUIRE(!scope.wait());
    REQUIRE(error == Errc::not_the_owner);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a scope that waits for stacks") {
  stacks::StackPool one{{.capacity = 1, .stack_size = support::test_stack_size}};
  in_thread([&] {
    Scope scope;
    int done = 0;
    for (int i = 0; i < 3; ++i) {
      REQUIRE(scope.spawn_wait({.stacks = &one}, [&] {
        REQUIRE(!this_thread::yield());
        ++done;
      }));
    }
    REQUIRE(scope.spawn({.stacks = &one}, [] {}).error() ==
            std::errc::resource_unavailable_try_again);
    REQUIRE(!scope.wait());
    REQUIRE(done == 3);
  });
}

TEST_CASE("a scope outside a thread is a misuse") {
  REQUIRE(support::in_child([] { Scope scope; }).output.find("a Scope was made outside a thread") !=
          std::string::npos);
}

TEST_CASE_METHOD(support::LoopFixture, "wait_any returns the first that has ended") {
  in_thread([&] {
    Thread slow = loop->spawn(sleep_long).value();
    Thread<int> fast = loop->spawn([] {
                             REQUIRE(!this_thread::sleep_for(1ms));
                             return 42;
                           })
                           .value();
    REQUIRE(wait_any({slow, fast}, no_wait).error() == std::errc::timed_out);
    REQUIRE(wait_any({slow, slow}, 1ms).error() == std::errc::timed_out);
    REQUIRE(wait_any({slow, fast}).value() == 1);
    REQUIRE(wait_any({slow, fast}, no_wait).value() == 1);
    REQUIRE(fast.join(no_wait).value() == 42);
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Thread brief = loop->spawn([] { return this_thread::sleep_for(1ms); }).value();
      const auto first = wait_any({slow, brief});
      CHECK(first.has_value() == !cancelled);
    });
    CHECK(parks == 1);
    slow.request_stop();
    REQUIRE(wait_any({slow}).value() == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a scope waits for who waits to spawn into it") {
  stacks::StackPool one{{.capacity = 1, .stack_size = support::test_stack_size}};
  in_thread([&] {
    bool goes_on = false;
    Thread holder = loop->spawn({.stacks = &one},
                                [&] {
                                  while (!goes_on && !this_thread::sleep_for(100us)) {
                                  }
                                })
                        .value();
    bool has_run = false;
    Thread<void> guest;
    {
      Scope scope;
      guest =
          loop->spawn([&] { CHECK(scope.spawn_wait({.stacks = &one}, [&] { has_run = true; })); })
              .value();
      REQUIRE(support::until_parked(guest));
      REQUIRE(scope.thread_count() == 1);
      goes_on = true;
      REQUIRE(holder.join());
    }
    REQUIRE(has_run);
    REQUIRE(guest.join());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: a scope that waits for a stack") {
  stacks::StackPool one{{.capacity = 1, .stack_size = support::test_stack_size}};
  in_thread([&] {
    const SpawnOptions there{.stacks = &one};
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      int spawned = 0;
      int ended = 0;
      std::error_code error;
      {
        Scope scope;
        while (spawned < 3 && !error) {
          error = scope
                      .spawn_wait(there,
                                  [&] {
                                    (void)this_thread::sleep_for(100us);
                                    ++ended;
                                  })
                      .error();
          if (!error) ++spawned;
        }
        if (!error) error = scope.wait();
        CHECK((error == std::errc::operation_canceled) == cancelled);
      }
      CHECK(ended == spawned);
      this_thread::acknowledge_cancellation();
      CHECK(one.in_use() == 0);
    });
    CHECK(parks >= 3);
  });
}
