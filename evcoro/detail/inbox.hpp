// Inbox: what other OS threads have for a loop: functions to run, threads to wake, and that it look
// up at all. However much comes before the loop looks, its eventfd is written once.
//
//   another OS thread                    the loop's
//   post(function)       --> posts       on_wake(): acknowledge()
//   add(wake); notify()  --> wakes                  deliver_wakes()
//   notify()                                        take_posts()
//
// It is counted, so that who has added something may notify although the loop has gone meanwhile.
#pragma once

#include <atomic>
#include <memory>

#include <evcoro/detail/process.hpp>
#include <evcoro/detail/remote_wake.hpp>
#include <evcoro/loop.hpp>

namespace evcoro::detail {

class Inbox {
 public:
  Inbox();  // throws std::system_error; the caller has a reference
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // ref() and unref() count who uses it; it goes with the last.
  void ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // is_foreign() is true in a child process of the one that made it.
  bool is_foreign() const noexcept { return process_ != process_number(); }

  // descriptor() is the eventfd: readable when there is something new.
  int descriptor() const noexcept { return descriptor_; }

  // Any OS thread may call these three. add() says whether who called it is to notify() then;
  // otherwise somebody else does.
  void post(std::unique_ptr<Posted> function) noexcept;
  bool add(RemoteWake& wake) noexcept;
  void notify() noexcept;

  // The loop's OS thread calls these. acknowledge() comes before looking: what comes from then on
  // notifies anew. take_posts() returns them in order of posting; they are the caller's.
  void acknowledge() noexcept;
  void deliver_wakes() noexcept;
  Posted* take_posts() noexcept;

  // close() discards the posts that are there, and lets post() discard what comes: the loop goes.
  void close() noexcept;

  // is_empty() says whether nothing has come that has not been taken.
  bool is_empty() const noexcept {
    return posts_.load() == nullptr && wakes_.load() == nullptr && !is_notified_.load();
  }

 private:
  ~Inbox();
  bool is_first_to_notify() noexcept { return !is_notified_.exchange(true); }
  void discard_posts() noexcept;
  void write_descriptor() const noexcept;

  const int process_;  // that made it: in another the descriptor is not ours to write
  int descriptor_;
  std::atomic<int> references_{1};
  std::atomic<bool> is_closed_{false};
  std::atomic<Posted*> posts_{nullptr};      // newest first
  std::atomic<RemoteWake*> wakes_{nullptr};  // newest first
  std::atomic<bool> is_notified_{false};     // the eventfd is readable, or about to be
};

}  // namespace evcoro::detail
