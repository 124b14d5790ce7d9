// LoopCore: a Loop's inside. It is the scheduler's LoopController on a libevent event_base.
//
//   libevent                     LoopCore                        Scheduler
//   a descriptor is ready  -->   Descriptor::on_event     -->    wake(task)
//                                request_drain            <--    (the first wake of a pass)
//   drain_event_, same pass -->  on_drain                 -->    drain(): runs all ready tasks
//   timer_event_ (timerfd) -->   on_timer, on_drain       -->    expire(), before drain()
//   wake_event_ (eventfd)  -->   on_wake: the inbox, stop
//
// Four events a loop, whatever the number of its threads.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include <corothread/loop_controller.hpp>
#include <corothread/scheduler.hpp>
#include <evcoro/detail/inbox.hpp>
#include <evcoro/detail/process.hpp>
#include <evcoro/detail/pulse.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <stacks/intrusive_list.hpp>

struct tagEVLOOP;

namespace evcoro::detail {

// LoopClient is an object that has events in a loop's base, and learns when the loop goes.
class LoopClient : public stacks::ListLink {
 public:
  virtual void on_shutdown() noexcept {}     // Loop::shutdown() begins
  virtual void on_loop_gone() noexcept = 0;  // last chance to remove events

 protected:
  ~LoopClient() = default;
};

// Counted counts the times that a scope is being run through.
class Counted {
 public:
  explicit Counted(int& count) noexcept : count_(++count) {}
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  int& count_;
};

class LoopCore final : public corothread::LoopController {
 public:
  LoopCore(Loop& loop, stacks::StackPool& stacks, event_base* base);
  ~LoopCore();
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;

  Loop& loop() const noexcept { return loop_; }
  event_base* base() const noexcept { return base_; }
  stacks::StackPool& stacks() const noexcept { return stacks_; }
  corothread::Scheduler& scheduler() noexcept { return scheduler_; }
  const corothread::Scheduler& scheduler() const noexcept { return scheduler_; }
  Inbox& inbox() const noexcept { return *inbox_; }
  std::size_t load() const noexcept { return load_.load(std::memory_order_relaxed); }
  bool owns_base() const noexcept { return owns_base_; }
  bool is_shutting_down() const noexcept { return shutdowns_ != 0 || aborting_; }

  // has_edges() says whether the back end has edge-triggered events and tells of a peer's close.
  bool has_edges() const noexcept { return has_edges_; }

  // descriptor_limit() is the lowest descriptor number that the back end can't wait for.
  int descriptor_limit() const noexcept { return descriptor_limit_; }
  void require_room_for(int descriptor) const;  // throws std::system_error (EMFILE)

  // is_foreign() is true in a child process of the one that made the loop: then its events are the
  // parent's, and must not be touched.
  bool is_foreign() const noexcept { return process_number_ != process_number(); }
  void require_own_process(const char* what) const;  // throws std::logic_error

  // assign() is event_assign(), with the loop's priority.
  void assign(struct event& event, int descriptor, short what, event_callback_fn callback,
              void* argument) const noexcept {
    event_assign(&event, base_, descriptor, what, callback, argument);
    if (event_priority_ >= 0) event_priority_set(&event, event_priority_);
  }
  std::error_code set_event_priority(int priority) noexcept;

  void add_client(LoopClient& client) noexcept { clients_.push_back(client); }

  // hold() and release() nest: between them the loop has work though it may have no thread.
  void hold() noexcept {
    ++holders_;
    settle();
  }
  void release() noexcept {
    --holders_;
    settle();
  }

  Loop::End run();
  void run_once(Timeout timeout);
  void stop() noexcept;
  void abort() noexcept;
  void post(std::unique_ptr<Posted> function) noexcept;
  std::vector<ThreadInfo> shutdown(Timeout timeout);

  // is_busy_elsewhere() says whether the caller is, on the way, inside of a thread of this loop,
  // without being one: a thread of another loop that one of this started at once.
  bool is_busy_elsewhere() const noexcept;

  // can_be_destroyed() is false inside of the loop's threads and callbacks. In a child process
  // it always can: nothing is done then.
  bool can_be_destroyed() const noexcept;

  // end_threads() is the loop's destructor's part: lets all threads end, and terminates if some
  // don't.
  void end_threads() noexcept;

  // drive_until_ended() runs the loop from outside any thread until task has ended; false if that
  // can't be.
  bool drive_until_ended(const corothread::Task& task);

  // end_threads_on() cancels the threads that run on stacks of pool, and waits until they have
  // ended: in a thread it parks, ignoring cancellation, outside it drives the loop. False if that
  // can't be.
  bool end_threads_on(const stacks::StackPool& pool) noexcept;

  std::vector<ThreadInfo> threads(const corothread::Task* except = nullptr) const;
  // report() hands an exception that nobody takes to the handler, or else to the sink of reports.
  // Without memory for the rest it says of a thread its number.
  void report(const ThreadTask& thread, std::exception_ptr exception) noexcept;
  void report(const ThreadInfo& thread, std::exception_ptr exception) noexcept;
  void wake_end_waiters() noexcept;

  std::shared_ptr<const Loop::ExceptionHandler> exception_handler;
  Bandwidth bandwidth;          // of all sockets together
  tagEVLOOP* c_face = nullptr;  // what it is in C, see evcoro/evthread.h
  int callbacks = 0;            // functions of the application that are being run outside a thread

 private:
  struct EndWaiter;
  class Alarm;

  static void on_drain(evutil_socket_t, short, void* self) noexcept;
  static void on_timer(evutil_socket_t, short, void* self) noexcept;
  static void on_wake(evutil_socket_t, short, void* self) noexcept;

  void request_drain() noexcept override;
  void request_drain_after_poll() noexcept override;
  void set_wake_up(TimePoint deadline) noexcept override;
  TimePoint now() const noexcept override { return corothread::read_clock(); }
  TimePoint coarse_now() const noexcept override;

  bool run_base(int flags, bool for_ever);
  bool pass(Timeout timeout);
  void leave_stop() noexcept;
  bool is_dispatching() const noexcept;
  void run_posted() noexcept;
  void settle() noexcept;
  void come_to_rest() noexcept;
  void leave_rest() noexcept;
  bool waits_for_threads_only() const noexcept;
  void carry_out_stop() noexcept;
  void carry_out_abort() noexcept;
  bool add_wake_event(bool keeps_base_alive) noexcept;
  void open_descriptors();
  void close_descriptors() noexcept;
  void add_events();
  void cancel_all(const corothread::Task* except) noexcept;
  void drive_directly(TimePoint deadline) noexcept;
  bool drive_until(const std::function<bool()>& is_over);
  bool wait_for_others(EndWaiter& self, TimePoint deadline) noexcept;
  bool waits_for_other_os_thread() const noexcept;
  bool await_inbox(TimePoint deadline) noexcept;
  bool is_ending_others(const corothread::Task& task) const noexcept;
  std::size_t threads_in_shutdown() const noexcept;

  Loop& loop_;
  stacks::StackPool& stacks_;
  event_base* base_;
  const bool owns_base_;
  bool has_edges_ = false;
  int descriptor_limit_;
  int event_priority_ = -1;  // libevent's own
  const int process_number_;
  corothread::Scheduler scheduler_{*this};

  struct event drain_event_;  // activated by hand: drain in this pass
  struct event later_event_;  // zero timeout: drain after the next poll
  struct event timer_event_;  // the timerfd: the earliest deadline
  struct event wake_event_;   // the inbox's eventfd
  int timer_descriptor_ = -1;
  Inbox* inbox_ = nullptr;  // which may outlive this
  std::atomic<bool> stop_requested_{false};
  std::atomic<bool> abort_requested_{false};
  std::atomic<std::size_t> load_{0};  // threads, as of the last pass
  bool aborting_ = false;             // its threads are about to end
  bool aborted_ = false;              // they have
  bool timer_is_due_ = false;
  bool stopped_ = false;           // a stop was carried out
  bool keeps_base_alive_ = false;  // wake_event_ counts as pending
  bool may_rest_ = false;          // nothing else is done here until somebody is woken
  bool rests_ = false;             // as DeadlockWatch knows
  int shutdowns_ = 0;              // shutdown()s that are under way
  int runs_ = 0;                   // run()s that are under way
  int holders_ = 0;
  Pulse pulse_;
  stacks::IntrusiveList<EndWaiter> end_waiters_;
  stacks::IntrusiveList<LoopClient> clients_;
};

}  // namespace evcoro::detail
