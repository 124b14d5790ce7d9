// SpawnRequest: a thread that is to be spawned on a loop by others, on its way there; and
// CallRequest, a function that is to be called there.
#pragma once

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <evcoro/loop.hpp>
#include <evcoro/remote_thread.hpp>
#include <evcoro/thread.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::detail {

class Spawner;

class EVCORO_API SpawnRequest : public Posted, public stacks::ListLink {
 public:
  explicit SpawnRequest(const SpawnOptions& options) : options_(options), name_(options.name) {
    options_.name = name_;
  }

  // set_spawner() is called before it is posted.
  void set_spawner(std::shared_ptr<Spawner> spawner) noexcept { spawner_ = std::move(spawner); }

  // run() hands it to the spawner.
  void run() override;

  // stacks() is the pool that it names, of the loop's OS thread, or nullptr: the loop's.
  stacks::StackPool* stacks() const noexcept { return options_.stacks; }

  // start() spawns the thread, which has the function then. refuse() is told why it couldn't.
  virtual std::error_code start(Loop& loop) = 0;
  virtual void refuse(std::error_code) noexcept {}

 protected:
  const SpawnOptions& options() const noexcept { return options_; }

 private:
  SpawnOptions options_;
  std::string name_;
  std::shared_ptr<Spawner> spawner_;
};

template <class Function>
class DetachedRequest final : public SpawnRequest {
 public:
  template <class F>
  DetachedRequest(const SpawnOptions& options, F&& function)
      : SpawnRequest(options), function_(std::forward<F>(function)) {}

  std::error_code start(Loop& loop) override {
    auto thread = loop.spawn(options(), std::move(function_));
    if (!thread) return thread.error();
    thread->detach();
    return {};
  }

 private:
  Function function_;
};

template <class Function, class T>
class RemoteRequest final : public SpawnRequest {
 public:
  template <class F>
  RemoteRequest(const SpawnOptions& options, std::shared_ptr<RemoteResult<T>> state, F&& function)
      : SpawnRequest(options), state_(std::move(state)), function_(std::forward<F>(function)) {}
  ~RemoteRequest() override {
    if (state_ != nullptr) state_->end_unstarted(error_);
  }

  std::error_code start(Loop& loop) override {
    auto thread = loop.spawn(options(), Body{state_, std::move(function_)});
    if (!thread) return thread.error();
    state_ = nullptr;
    thread->detach();
    return {};
  }
  void refuse(std::error_code error) noexcept override { error_ = error; }

 private:
  struct Body {
    void operator()() {
      state->run([this] {
        if constexpr (std::is_void_v<T>) {
          function();
        } else {
          state->value.emplace(function());
        }
      });
    }
    std::shared_ptr<RemoteResult<T>> state;
    Function function;
  };

  std::shared_ptr<RemoteResult<T>> state_;
  std::error_code error_ = make_error_code(Errc::loop_shutting_down);
  Function function_;
};

// CallBase is a call that somebody waits for.
class CallBase {
 public:
  virtual void call() = 0;

 protected:
  ~CallBase() = default;
};

template <class Function>
class CallRequest final : public CallBase {
 public:
  explicit CallRequest(Function& function) noexcept : function_(function) {}
  void call() override { function_(); }

 private:
  Function& function_;
};

}  // namespace evcoro::detail
