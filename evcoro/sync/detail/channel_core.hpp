// ChannelCore: what of a channel doesn't depend on the type of its values: who waits, and whether
// it is closed.
#pragma once

#include <system_error>

#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro::detail {

// ChannelNode is a place among a channel's senders or receivers. Who grants it has moved the value,
// or has closed the channel.
struct ChannelNode : WaitNode {
  ChannelNode(Sleeper& its_sleeper, void* its_item) noexcept
      : WaitNode(its_sleeper), item(its_item) {}
  void* const item;  // a sender's T, a receiver's std::optional<T>
  bool is_closed = false;
};

enum class ChannelStep { done, closed, must_wait };

// to_error() of must_wait is operation_would_block.
EVCORO_API std::error_code to_error(ChannelStep step) noexcept;

class EVCORO_API ChannelCore {
 public:
  ChannelCore() noexcept = default;
  ~ChannelCore();
  ChannelCore(const ChannelCore&) = delete;
  ChannelCore& operator=(const ChannelCore&) = delete;

  // finish() waits in list for a step that must wait, with the lock held, which it releases; of
  // another it returns the error.
  std::error_code finish(ChannelStep step, WaitList& list, const char* what, void* item,
                         Timeout timeout) noexcept;
  void close() noexcept;

  mutable SpinLock lock;  // guards all else, and the channel's room
  bool is_closed = false;
  WaitList senders;    // only while the room is full
  WaitList receivers;  // only while it is empty
};

}  // namespace evcoro::detail
