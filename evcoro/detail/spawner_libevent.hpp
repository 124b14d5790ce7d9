// Spawner: spawns on its loop what other OS threads ask for. Who comes when no stack is left waits
// for one, first come, first served.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <atomic>
#include <cstddef>
#include <memory>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/spawn_request.hpp>
#include <stacks/intrusive_list.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::detail {

class Spawner final : public LoopClient,
                      private stacks::StackWaiter,
                      public std::enable_shared_from_this<Spawner> {
 public:
  // For the loop's OS thread, as close(), after which nothing is spawned any more.
  explicit Spawner(LoopCore& core) noexcept;
  ~Spawner();
  void close() noexcept;

  // post() takes a request; any OS thread may call it, as pending(), the requests that have not
  // been started yet.
  void post(std::unique_ptr<SpawnRequest> request) noexcept;
  std::size_t pending() const noexcept { return pending_.load(std::memory_order_relaxed); }

  // admit() is for a request that has arrived.
  void admit(std::unique_ptr<SpawnRequest> request) noexcept;

 private:
  static void on_stack(evutil_socket_t, short, void* self) noexcept;
  void stack_free() noexcept override;
  void on_shutdown() noexcept override { drop_all(); }
  void on_loop_gone() noexcept override;

  void serve() noexcept;
  void start(SpawnRequest& request) noexcept;
  void drop_all() noexcept;

  LoopCore* core_;  // nullptr once it is gone
  Inbox& inbox_;
  struct event event_;  // activated by hand: a stack is free
  std::atomic<std::size_t> pending_{0};
  stacks::IntrusiveList<SpawnRequest> queue_;
};

}  // namespace evcoro::detail
