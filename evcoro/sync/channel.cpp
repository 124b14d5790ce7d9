#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/detail/sleeper_inline.hpp>

namespace evcoro::detail {

using corothread::Wake;

namespace {

class LoneChannelWaiter : public Sleeper, public ChannelNode {
 public:
  LoneChannelWaiter(corothread::Task* task, const char* what, void* its_item) noexcept
      : Sleeper(task, place_for(task), what, nullptr, Queues::one),
        ChannelNode(static_cast<Sleeper&>(*this), its_item) {}
};

void close_all(WaitList& list, Wakeups& wakeups) noexcept {
  while (WaitNode* const node = list.first_claimed()) {
    static_cast<ChannelNode*>(node)->is_closed = true;
    list.wake(*node, wakeups);
  }
}

}  // namespace

std::error_code to_error(ChannelStep step) noexcept {
  if (step == ChannelStep::done) [[likely]]
    return no_error;
  return step == ChannelStep::closed ? make_error_code(Errc::channel_closed)
                                     : std::make_error_code(std::errc::operation_would_block);
}

ChannelCore::~ChannelCore() {
  require_nobody(senders, lock);
  require_nobody(receivers, lock);
}

std::error_code ChannelCore::finish(ChannelStep step, WaitList& list, const char* what, void* item,
                                    Timeout timeout) noexcept {
  if (step != ChannelStep::must_wait) [[unlikely]]
    return to_error(step);
  LoneChannelWaiter self{corothread::detail::running_task(), what, item};
  if (!timeout.may_wait() || !self.may_sleep()) [[unlikely]] {
    lock.unlock();
    return timeout.may_wait() ? self.admit() : to_error(Wake::timed_out);
  }
  list.enqueue(self);
  lock.unlock();
  const Wake how = await(self, self, lock, timeout.deadline());
  if (how != Wake::ready) [[unlikely]]
    return to_error(how);
  return self.is_closed ? make_error_code(Errc::channel_closed) : no_error;
}

void ChannelCore::close() noexcept {
  Wakeups wakeups;
  const std::lock_guard held{lock};
  is_closed = true;
  close_all(senders, wakeups);
  close_all(receivers, wakeups);
}

}  // namespace evcoro::detail
