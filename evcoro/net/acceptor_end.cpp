// AcceptorCore, the end: of its connections, by close(), by drain(), with its loop.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <new>
#include <utility>

#include <evcoro/detail/acceptor_libevent.hpp>
#include <evcoro/thread.hpp>

namespace evcoro::detail {
namespace {

using corothread::Scheduler;
using corothread::Wake;

constexpr std::size_t most_of_unknown = 4096;

}  // namespace

void AcceptorCore::connection_ended(PendingQueue next) noexcept {
  --counters_.active;
  settle_reserve();  // its stack is given back next
  serve_later(std::move(next));
  if (waits_for_end_) event_active(&event_, EV_READ, 1);
  wake_drainer();
}

void AcceptorCore::wake_drainer() noexcept {
  if (drainer_ != nullptr) loop_->scheduler().wake(*drainer_, Wake::ready);
}

void AcceptorCore::close(bool serve_backlog) noexcept {
  if (is_closing_) return;  // or a factory calls it again
  is_closing_ = true;
  const auto keep_alive = weak_from_this().lock();
  if (loop_->is_foreign()) {  // in a child process all but the descriptor is the parent's
    listener_.abandon();
    return;
  }
  if (serve_backlog) {
    for (std::size_t left = most_waiting(); left > 0 && find_obstacle() == Obstacle::none; --left) {
      const Outcome outcome = accept_one(Obstacle::none);
      if (outcome != Outcome::accepted && outcome != Outcome::skipped) break;
    }
  }
  close_listener();
  drop_pending();
  event_del(&event_);  // it may be active
  loop_->scheduler().disarm(*this);
  StackWaiter::unlink();
  waits_for_end_ = false;
  give_reserve_up();
  wake_drainer();
}

void AcceptorCore::close_listener() noexcept {
  if (descriptor() < 0) return;
  counters_.refused += waiting_in_kernel();  // it resets them
  listening_ = false;
  event_del(&event_);
  listener_.close();
  // From now on it only stands for a stack that is free.
  loop_->assign(event_, -1, 0, on_readable, this);
  loop_->release();
}

void AcceptorCore::drop(const Pending& pending) noexcept {
  ++counters_.refused;
  ::close(pending.descriptor);
}

void AcceptorCore::drop_pending() noexcept {
  pending_.splice(pending_.end(), clients_.take_held());
  for (const Pending& each : pending_) drop(each);
  pending_.clear();
}

// Takes all who wait in the backlog and closes the listener: nobody new is let in, only to be reset
// when the drain is over. Out of descriptors or memory, it leaves the rest for later.
void AcceptorCore::take_backlog() noexcept try {
  if (descriptor() < 0) return;
  Outcome outcome = Outcome::accepted;
  for (std::size_t left = most_waiting(); left > 0 && outcome != Outcome::empty; --left) {
    pending_.emplace_back();
    outcome = accept_from_kernel(pending_.back());
    if (outcome != Outcome::accepted) pending_.pop_back();
    if (outcome == Outcome::exhausted) return;
  }
  close_listener();
} catch (const std::bad_alloc&) {
}

std::error_code AcceptorCore::drain(Timeout timeout) noexcept {
  if (loop_ == nullptr) return Errc::no_loop;
  const ThreadTask* const thread = current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (&thread->core() != loop_) return Errc::wrong_loop;
  if (thread->is_cancelled()) return to_error(Scheduler::refuse_to_wait());
  if (drainer_ != nullptr) return system_error(EBUSY);
  const TimePoint deadline = timeout.deadline();
  const auto keep_alive = weak_from_this().lock();
  is_draining_ = true;
  take_backlog();
  if (has_source()) event_active(&event_, EV_READ, 1);
  Wake how = Wake::ready;
  while (how == Wake::ready && (counters_.active > 0 || has_source())) {
    drainer_ = Scheduler::current_task();
    how = timeout.may_wait() ? Scheduler::park(deadline, {"connections to end"}) : Wake::timed_out;
    drainer_ = nullptr;
  }
  close(false);
  return to_error(how);
}

void AcceptorCore::on_loop_gone() noexcept {
  close(false);
  loop_ = nullptr;
}

std::size_t AcceptorCore::waiting_in_kernel() const noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (!is_tcp_ || descriptor() < 0) return 0;
  // Of a listener, this is the length of its queue.
  return ::getsockopt(descriptor(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_unacked
                                                                              : 0;
}

// Where the kernel doesn't say how many wait, accept() will say when there are no more. The limit
// is for clients who come faster than that.
std::size_t AcceptorCore::most_waiting() const noexcept {
  if (is_tcp_ || descriptor() < 0) return waiting_in_kernel() + pending_.size();
  return most_of_unknown;
}

}  // namespace evcoro::detail
