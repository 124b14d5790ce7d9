#include <exception>
#include <string>
#include <utility>

#include <evcoro/detail/spawner_libevent.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {

void SpawnRequest::run() {
  const auto spawner = std::move(spawner_);
  spawner->admit(std::unique_ptr<SpawnRequest>{this});
}

Spawner::Spawner(LoopCore& core) noexcept : core_(&core), inbox_(core.inbox()) {
  inbox_.ref();
  core.assign(event_, -1, 0, on_stack, this);
  core.add_client(*this);
}

Spawner::~Spawner() { inbox_.unref(); }

void Spawner::close() noexcept {
  if (core_ == nullptr) return;
  LoopClient::unlink();
  on_loop_gone();
}

void Spawner::on_loop_gone() noexcept {
  drop_all();
  const bool was_told = event_pending(&event_, EV_TIMEOUT, nullptr) != 0;
  event_del(&event_);
  if (was_told) core_->stacks().pass_on();
  core_ = nullptr;
}

void Spawner::post(std::unique_ptr<SpawnRequest> request) noexcept {
  pending_.fetch_add(1, std::memory_order_relaxed);
  request->set_spawner(shared_from_this());
  inbox_.post(std::move(request));
}

void Spawner::admit(std::unique_ptr<SpawnRequest> request) noexcept {
  if (core_ == nullptr) return;
  if (request->stacks() != nullptr) return start(*request.release());  // there is none to wait for
  queue_.push_back(*request.release());
  if (!StackWaiter::is_linked()) serve();  // else those before it wait for a stack
}

// Called while a thread gives its stack back: the work is left to a callback of this same pass.
void Spawner::stack_free() noexcept { event_active(&event_, EV_TIMEOUT, 1); }

void Spawner::on_stack(evutil_socket_t, short, void* self) noexcept {
  auto& spawner = *static_cast<Spawner*>(self);
  spawner.serve();
  spawner.core_->stacks().pass_on();  // what is over, if it is
}

void Spawner::serve() noexcept {
  stacks::StackPool& pool = core_->stacks();
  while (!queue_.empty()) {
    if (pool.make_ready() && pool.in_use() != 0) {
      if (!StackWaiter::is_linked()) pool.wait(*this);  // it may be, while the event is active
      return;
    }
    start(queue_.pop_front());
  }
}

void Spawner::start(SpawnRequest& request) noexcept {
  const std::unique_ptr<SpawnRequest> owned{&request};
  pending_.fetch_sub(1, std::memory_order_relaxed);
  const Counted counted{core_->callbacks};  // the function's constructors are called
  try {
    const std::error_code error = request.start(core_->loop());
    if (!error) return;
    request.refuse(error);
    if (error == Errc::loop_shutting_down) return;
    stacks::report("evcoro: a thread of a LoopGroup could not be spawned: " + error.message() +
                   "\n");
  } catch (...) {
    core_->report({.name = "spawn"}, std::current_exception());
  }
}

void Spawner::drop_all() noexcept {
  StackWaiter::unlink();
  while (!queue_.empty()) {
    const std::unique_ptr<SpawnRequest> doomed{&queue_.pop_front()};
    pending_.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace evcoro::detail
