// Waiter: the place of the one thread that waits for something which callbacks of libevent report.
//
//   std::error_code wait_for_it(Patience& patience) {
//     if (const auto error = admit(core_)) return error;
//     if (waiter_.is_taken()) return Errc::second_reader;
//     while (!it_has_come_) {
//       if (const auto error = waiter_.wait(patience, "it")) return error;
//     }
//     return {};
//   }
//   void on_it() noexcept { it_has_come_ = true, waiter_.wake(); }
#pragma once

#include <system_error>

#include <corothread/scheduler.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/error.hpp>
#include <evcoro/thread.hpp>

namespace evcoro::detail {

// admit() says whether the calling thread may block for an object of core, nullptr once that is
// gone: it is a thread of that loop, and not cancelled.
std::error_code admit(const LoopCore* core) noexcept;

// is_driving_a_loop() says whether the OS thread is inside of Loop::run() or the like. That it is
// inside of an application's dispatch can't be known.
bool is_driving_a_loop() noexcept;

class Waiter {
 public:
  bool is_taken() const noexcept { return task_ != nullptr; }

  // wait() parks the current thread, which is admitted, until wake(), or the deadline.
  std::error_code wait(Patience& patience, const char* what) noexcept {
    if (!patience.may_wait()) return to_error(corothread::Wake::timed_out);
    task_ = corothread::Scheduler::current_task();
    const corothread::Wake how = corothread::Scheduler::park(patience.deadline(), {what});
    task_ = nullptr;
    return to_error(how);
  }

  // wake() lets the thread that waits, if any, look again.
  void wake() noexcept {
    if (task_ != nullptr) task_->scheduler()->wake(*task_, corothread::Wake::ready);
  }

 private:
  corothread::Task* task_ = nullptr;
};

}  // namespace evcoro::detail
