// LoopTimer: a timer of a loop, which needs no thread and doesn't keep the loop running; for what
// is put aside and goes some time later.
//
//   class Cache : LoopTimer {
//    public:
//     explicit Cache(Loop& loop) : LoopTimer(loop) {}
//    private:
//     void on_time() noexcept override { drop_the_oldest(), start(next_deadline()); }
//     void on_loop_gone() noexcept override { drop_all(); }
//   };
//
// All of it is for the loop's OS thread. It may outlive the loop: then nothing happens any more.
#pragma once

#include <memory>

#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {

class EVCORO_API LoopTimer {
 public:
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

 protected:
  // Throws std::bad_alloc, and std::logic_error if the loop is the parent process's.
  explicit LoopTimer(Loop& loop);
  virtual ~LoopTimer();

  // start() lets on_time() be called once, at deadline or later; it replaces an earlier one, and
  // never is not at all.
  void start(TimePoint deadline) noexcept;

  // is_alive() says whether the loop is there, and this process's.
  bool is_alive() const noexcept;

  // These are called outside of threads, and must not block. When the loop goes, sockets can still
  // be closed.
  virtual void on_time() noexcept = 0;
  virtual void on_loop_gone() noexcept = 0;

 private:
  class State;
  const std::unique_ptr<State> state_;
};

}  // namespace detail
}  // namespace evcoro
