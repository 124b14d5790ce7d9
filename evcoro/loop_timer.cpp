#include <evcoro/detail/loop_timer.hpp>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/loop.hpp>

namespace evcoro::detail {

class LoopTimer::State final : public LoopClient {
 public:
  State(LoopTimer& owner, LoopCore& core) : owner_(owner), core_(&core) {
    core.require_own_process("LoopTimer");
    core.assign(event_, -1, 0, on_event, this);
    event_.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;  // it doesn't keep the base alive
    core.add_client(*this);
  }
  ~State() { stop(); }

  bool is_alive() const noexcept { return core_ != nullptr && !core_->is_foreign(); }

  void start(TimePoint deadline) noexcept {
    if (!is_alive()) return;
    if (deadline == never) return stop();
    const timeval time = to_timeval(deadline - corothread::read_clock());
    event_add(&event_, &time);
  }

 private:
  static void on_event(evutil_socket_t, short, void* self) noexcept {
    auto& state = *static_cast<State*>(self);
    if (state.is_alive()) state.owner_.on_time();
  }

  void stop() noexcept {
    if (is_alive()) event_del(&event_);
  }

  void on_loop_gone() noexcept override {
    stop();
    owner_.on_loop_gone();
    core_ = nullptr;
  }

  LoopTimer& owner_;
  LoopCore* core_;
  struct event event_;
};

LoopTimer::LoopTimer(Loop& loop) : state_(std::make_unique<State>(*this, loop.core())) {}
LoopTimer::~LoopTimer() = default;

void LoopTimer::start(TimePoint deadline) noexcept { state_->start(deadline); }
bool LoopTimer::is_alive() const noexcept { return state_->is_alive(); }

}  // namespace evcoro::detail
