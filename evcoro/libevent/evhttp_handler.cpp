#include <event2/http.h>
#include <event2/http_struct.h>

#include <optional>
#include <string>
#include <utility>

#include <evcoro/detail/evhttp_libevent.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {
namespace {

// RequestTask is the thread of a request. The exchange is there before the thread runs: the
// connection may end before.
class RequestTask final : public ResultTask<void> {
 public:
  RequestTask(LoopCore& core, const SpawnOptions& options,
              std::shared_ptr<EvhttpHandlerCore> handler, evhttp_request* request)
      : ResultTask(core, options),
        exchange_(std::in_place, core, request),
        handler_(std::move(handler)) {}

  // start() runs the thread until it first waits, and has it cancelled then when the client leaves.
  void start(bool watched) noexcept {
    bool ended = false;
    ended_ = &ended;
    detach();
    core().scheduler().start_at_once(*this);
    if (ended) return;
    ended_ = nullptr;
    if (watched) exchange_->watch(*this);
  }

 private:
  void run() override {
    EvhttpRequest request{*exchange_};
    try {
      handler_->handle(request);
    } catch (...) {
      if (exchange_->awaits_reply()) exchange_->reply(HTTP_INTERNAL, nullptr, nullptr);
      throw;
    }
    // One that was cancelled may well have nothing to say: the exchange says 503.
    if (exchange_->awaits_reply() && !is_cancelled()) {
      exchange_->reply(HTTP_INTERNAL, nullptr, nullptr);
    }
  }

  void on_end() noexcept override {
    ResultTask::on_end();
    // Not inside of evhttp's callback, where the thread began, is the connection to be freed.
    if (exchange_->is_half_way()) corothread::Scheduler::yield();
    exchange_.reset();
    if (ended_ != nullptr) *ended_ = true;
    handler_->thread_ended();
    handler_.reset();
  }

  std::optional<EvhttpExchange> exchange_;
  std::shared_ptr<EvhttpHandlerCore> handler_;
  bool* ended_ = nullptr;
};

}  // namespace

EvhttpHandlerCore::EvhttpHandlerCore(LoopCore& core, evhttp* http, std::string path,
                                     EvhttpHandler::Handler handler, EvhttpHandler::Options options)
    : core_(&core),
      http_(http),
      path_(std::move(path)),
      handler_(std::move(handler)),
      options_(std::move(options)) {
  core.require_own_process("EvhttpHandler");
  core.assign(stack_event_, -1, 0, on_stack, this);
}

void EvhttpHandlerCore::open() {
  if (path_.empty()) {
    evhttp_set_gencb(http_, on_request, this);
  } else if (const int failure = evhttp_set_cb(http_, path_.c_str(), on_request, this)) {
    throw std::system_error(system_error(failure == -1 ? EEXIST : ENOMEM),
                            "EvhttpHandler: " + path_);
  }
  core_->add_client(*this);
}

void EvhttpHandlerCore::close() noexcept {
  evhttp* const http = std::exchange(http_, nullptr);
  if (http == nullptr) return;
  if (path_.empty()) {
    evhttp_set_gencb(http, nullptr, nullptr);
  } else {
    evhttp_del_cb(http, path_.c_str());
  }
  if (core_ != nullptr) refuse_waiting();
  LoopClient::unlink();
}

void EvhttpHandlerCore::on_loop_gone() noexcept {
  refuse_waiting();
  core_ = nullptr;  // what still comes is refused
}

stacks::StackPool& EvhttpHandlerCore::stacks() const noexcept {
  return options_.stacks != nullptr ? *options_.stacks : core_->stacks();
}

EvhttpHandler::Counters EvhttpHandlerCore::counters() const noexcept {
  EvhttpHandler::Counters counters = counters_;
  counters.waiting = waiting_.size();
  return counters;
}

bool EvhttpHandlerCore::takes_requests() const noexcept {
  return core_ != nullptr && !core_->is_foreign() && !core_->is_shutting_down() && !is_draining_;
}

void EvhttpHandlerCore::on_request(evhttp_request* request, void* self) noexcept {
  static_cast<EvhttpHandlerCore*>(self)->take(request);
}

void EvhttpHandlerCore::take(evhttp_request* request) noexcept {
  if (!takes_requests()) return refuse(request);
  if (evhttp_connection_get_base(evhttp_request_get_connection(request)) != core_->base()) {
    stacks::report("evcoro: an EvhttpHandler's evhttp is in another event_base than its loop\n");
    return refuse(request);
  }
  if (waiting_.empty() && serve(request)) return;
  const bool may_wait = options_.when_full == EvhttpHandler::WhenFull::wait;
  if (!may_wait || waiting_.size() >= options_.max_waiting) return refuse(request);
  let_wait(request);
}

// False if there is no stack.
bool EvhttpHandlerCore::serve(evhttp_request* request) noexcept {
  if (stacks().available() == 0) return false;
  const SpawnOptions options{
      .name = options_.name, .stacks = options_.stacks, .where = options_.where};
  std::error_code error;
  auto* const task = corothread::make_task<RequestTask>(stacks(), error, *core_, options,
                                                        shared_from_this(), request);
  if (task == nullptr) return refuse(request), true;
  ++counters_.handled;
  ++counters_.active;
  task->start(options_.cancel_on_departure);
  return true;
}

void EvhttpHandlerCore::refuse(evhttp_request* request) noexcept {
  ++counters_.refused;
  evhttp_connection_set_closecb(evhttp_request_get_connection(request), nullptr, nullptr);
  request->flags &= ~EVHTTP_USER_OWNED;  // one that has waited was owned
  const std::string seconds = std::to_string(options_.retry_after.count());
  evhttp_add_header(evhttp_request_get_output_headers(request), "Retry-After", seconds.c_str());
  evhttp_send_reply(request, HTTP_SERVUNAVAIL, nullptr, nullptr);
}

void EvhttpHandlerCore::thread_ended() noexcept {
  --counters_.active;
  if (is_idle()) drainer_.wake();
}

// --- waiting for a stack ---

void EvhttpHandlerCore::let_wait(evhttp_request* request) noexcept try {
  waiting_.push_back(std::make_unique<EvhttpExchange>(*core_, request));
  if (waiting_.size() == 1 && !was_told_) stacks().wait(*this);
} catch (const std::bad_alloc&) {
  refuse(request);
}

// Called while a thread gives its stack back: nothing can be started there.
void EvhttpHandlerCore::stack_free() noexcept {
  was_told_ = true;
  event_active(&stack_event_, EV_TIMEOUT, 1);
}

void EvhttpHandlerCore::on_stack(evutil_socket_t, short, void* self) noexcept {
  static_cast<EvhttpHandlerCore*>(self)->serve_next();
}

void EvhttpHandlerCore::serve_next() noexcept {
  was_told_ = false;
  if (stacks().available() == 0) return stacks().wait_again(*this);
  evhttp_request* request = nullptr;
  while (request == nullptr && !waiting_.empty()) {
    request = waiting_.front()->hand_over();  // nullptr: the connection is gone
    waiting_.pop_front();
  }
  const std::shared_ptr<EvhttpHandlerCore> self = weak_from_this().lock();
  if (!waiting_.empty()) stacks().wait(*this);
  if (request == nullptr || !serve(request)) stacks().pass_on();
  if (is_idle()) drainer_.wake();
}

void EvhttpHandlerCore::refuse_waiting() noexcept {
  StackWaiter::unlink();
  if (core_->is_foreign()) {  // in a child process: the connections are the parent's
    for (auto& each : waiting_) static_cast<void>(each.release());
    return waiting_.clear();
  }
  while (!waiting_.empty()) {
    evhttp_request* const request = waiting_.front()->hand_over();
    waiting_.pop_front();
    if (request != nullptr) refuse(request);
  }
  if (std::exchange(was_told_, false)) {
    event_del(&stack_event_);
    stacks().pass_on();
  }
  if (is_idle()) drainer_.wake();
}

std::error_code EvhttpHandlerCore::drain(Timeout timeout) noexcept {
  if (const auto error = admit(core_)) return error;
  is_draining_ = true;
  Patience patience{timeout};
  while (!is_idle()) {
    if (drainer_.is_taken()) return std::make_error_code(std::errc::device_or_resource_busy);
    if (const auto error = drainer_.wait(patience, "evhttp drain")) return error;
  }
  return {};
}

}  // namespace evcoro::detail
