// LoopGroup: loops on OS threads of their own, one per core as a rule. A coroutine thread stays on
// the loop that it was spawned on; what crosses loops is spawning, posting and evcoro/sync.
//
//   evcoro::LoopGroup group;
//   evcoro::WaitGroup done{pages.size()};
//   for (const auto& page : pages) {
//     group.go([&] { fetch(page); done.done(); });       // on the next loop
//   }
//   if (const auto error = done.wait(30s)) return error;
//
//   auto sum = group.spawn_on(0, [] { return 1 + 2; });  // a handle, see RemoteThread
//   int three = sum.join().value();
//
// The application's own loop, on its own event_base, may be the first of the group:
//
//   evcoro::Loop loop{{.capacity = 100}, base};
//   evcoro::LoopGroup group{{.loops = 4, .own = &loop}};   // and three more
//   event_base_dispatch(base);
//
// Any OS thread may call all of its members, but for the constructor and destructor with a loop of
// one's own: the OS thread of that one calls these.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <evcoro/detail/spawn_request.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/remote_thread.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro {

class GroupAcceptor;

namespace detail {
class GroupHandOut;
class GroupMember;
}  // namespace detail

struct LoopGroupOptions {
  std::size_t loops = 0;                   // with own; 0: one per core that the process may run on
  stacks::StackPool::Options stacks = {};  // of each loop's pool
  bool pin = false;                        // each OS thread to a core of its own
  std::string name = "loop";               // of the OS threads: "loop 0"
  Loop* own = nullptr;                     // the calling OS thread's; must outlive the group
  Loop::ExceptionHandler exception_handler = {};  // of all loops but own: called in any of them
};

class EVCORO_API LoopGroup {
 public:
  using Options = LoopGroupOptions;

  // Starts the OS threads. Throws std::system_error: what Loop's and StackPool's constructors
  // throw, and what starting and pinning OS threads does.
  explicit LoopGroup(const Options& options = {});

  // Cancels all threads of the group's loops (CancelReason::shutdown), waits for their end, and
  // ends the OS threads. With own, that loop's threads are the application's. To destroy a group in
  // one of its OS threads is a misuse.
  ~LoopGroup();

  LoopGroup(const LoopGroup&) = delete;
  LoopGroup& operator=(const LoopGroup&) = delete;

  // current() is the group of the calling thread's loop, or shared().
  static LoopGroup& current();

  // shared() is a group of one loop per core, with 10,000 stacks of 64 KiB each, that is started at
  // the first call. It stops when the process exits, and leaves its threads as they are. Throws
  // what the constructor throws.
  static LoopGroup& shared();

  std::size_t size() const noexcept { return members_.size(); }

  // loop() is the loop of that index, below size(); its members are for its own OS thread, but for
  // post() and load(). To stop it is the group's business.
  Loop& loop(std::size_t index) const noexcept;

  // index_of_caller() is the index of the loop that the calling thread is on, or none.
  std::optional<std::size_t> index_of_caller() const noexcept;

  // next() takes turns among the loops; least_loaded() has the fewest threads, of several the
  // first from a different one on each time.
  std::size_t next() noexcept;
  std::size_t least_loaded() noexcept;

  // spawn_on() runs function() in a thread of that loop; spawn() of the next. If there is no stack
  // it waits for one there, first come, first served; but not of a pool that options name, which
  // must be one of that loop's OS thread. Throws std::bad_alloc, and what moving the
  // function throws.
  template <class F>
  RemoteThread<detail::ThreadResult<F>> spawn_on(std::size_t index, const SpawnOptions& options,
                                                 F&& function) {
    using T = detail::ThreadResult<F>;
    auto state = std::make_shared<detail::RemoteResult<T>>(loop(index));
    admit(index, std::make_unique<detail::RemoteRequest<std::decay_t<F>, T>>(
                     options, state, std::forward<F>(function)));
    return RemoteThread<T>{std::move(state)};
  }
  template <detail::ThreadFunction F>
  RemoteThread<detail::ThreadResult<F>> spawn_on(std::size_t index, F&& function,
                                                 SourceLocation where = SourceLocation::current()) {
    return spawn_on(index, SpawnOptions{.where = where}, std::forward<F>(function));
  }
  template <class F>
  RemoteThread<detail::ThreadResult<F>> spawn(const SpawnOptions& options, F&& function) {
    return spawn_on(next(), options, std::forward<F>(function));
  }
  template <detail::ThreadFunction F>
  RemoteThread<detail::ThreadResult<F>> spawn(F&& function,
                                              SourceLocation where = SourceLocation::current()) {
    return spawn_on(next(), SpawnOptions{.where = where}, std::forward<F>(function));
  }

  // go_on() and go() are the same without a handle: an exception goes to the loop's handler. A
  // function that can't run any more, since the group ends, is destroyed.
  template <class F>
  void go_on(std::size_t index, const SpawnOptions& options, F&& function) {
    admit(index, std::make_unique<detail::DetachedRequest<std::decay_t<F>>>(
                     options, std::forward<F>(function)));
  }
  template <detail::ThreadFunction F>
  void go(F&& function, SourceLocation where = SourceLocation::current()) {
    go_on(next(), SpawnOptions{.where = where}, std::forward<F>(function));
  }

  // call_on() calls function() in that loop's OS thread, outside any thread, and returns when it
  // has returned. What it throws comes out here. It must not block; own has to be dispatched by
  // somebody. In a callback of another loop it can't be waited for, which is a misuse.
  template <class F>
  void call_on(std::size_t index, F&& function) {
    detail::CallRequest<F> request{function};
    call(index, request);
  }

  // shutdown() cancels all threads of all loops, but for the calling one, and waits for their end;
  // meanwhile nothing new is spawned. Returns those that have not ended by then. In a thread of own
  // or its OS thread it includes that loop, elsewhere not. By one thread at a time: two of
  // different loops would wait for each other.
  std::vector<ThreadInfo> shutdown(Timeout timeout);

 private:
  friend class GroupAcceptor;
  friend class detail::GroupHandOut;
  struct Shared;
  bool is_foreign() const noexcept;
  detail::GroupMember* member_of_caller() const noexcept;
  void admit(std::size_t index, std::unique_ptr<detail::SpawnRequest> request) noexcept;
  void call(std::size_t index, detail::CallBase& request);
  std::vector<ThreadInfo> shut_down_others(detail::GroupMember* here, Timeout timeout);

  std::atomic<bool> is_ending_{false};
  std::atomic<std::size_t> turn_{0};
  std::vector<std::unique_ptr<detail::GroupMember>> members_;
};

// go() runs function(arguments...) in a thread on the next loop of LoopGroup::current(): from
// anywhere, in one word. Function and arguments are copied or moved. As LoopGroup::go().
template <detail::ThreadFunction F>
void go(F&& function, SourceLocation where = SourceLocation::current()) {
  LoopGroup::current().go(std::forward<F>(function), where);
}
template <class F, class First, class... Others>
requires std::invocable<std::decay_t<F>, std::decay_t<First>, std::decay_t<Others>...>
void go(F&& function, First&& first, Others&&... others) {
  LoopGroup::current().go(
      [function = std::decay_t<F>(std::forward<F>(function)),
       arguments = std::tuple<std::decay_t<First>, std::decay_t<Others>...>(
           std::forward<First>(first), std::forward<Others>(others)...)]() mutable {
        std::apply(std::move(function), std::move(arguments));
      });
}

}  // namespace evcoro
