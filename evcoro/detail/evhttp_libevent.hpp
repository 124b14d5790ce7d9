// EvhttpExchange: a request of an evhttp, and its reply, whatever becomes of the connection.
//
//             own, closecb
//   open --------------------+--> replied --on_complete--> complete     libevent frees the request
//     |  start()             |       |
//     +-------> streaming ---+       |
//     |             |     end()      |
//     +-------------+----closecb-----+--> lost     before a reply: the request is ours to free
//
// Until it is replied to, the request is owned by us (evhttp_request_own()), so that it outlives
// its connection: evhttp_free() and evhttp_connection_free() would free it. With the reply it goes
// back.
//
// EvhttpHandlerCore: an EvhttpHandler's inside. It makes a thread for each request, or lets it
// wait.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/waiter.hpp>
#include <evcoro/libevent/evhttp.hpp>
#include <stacks/stack_pool.hpp>

struct evhttp_connection;

namespace evcoro::detail {

class EvhttpExchange {
 public:
  EvhttpExchange(LoopCore& core, evhttp_request* request) noexcept;

  // The destructor ends what is not complete: with a 503 if nothing has been said, else by closing
  // the connection.
  ~EvhttpExchange();
  EvhttpExchange(const EvhttpExchange&) = delete;
  EvhttpExchange& operator=(const EvhttpExchange&) = delete;

  // hand_over() gives the request to another exchange; nullptr if the connection is gone.
  evhttp_request* hand_over() noexcept;

  // request() is nullptr once libevent has it back.
  evhttp_request* request() const noexcept { return state_ == State::replied ? nullptr : request_; }
  bool awaits_reply() const noexcept { return state_ == State::open; }
  bool is_half_way() const noexcept { return state_ == State::streaming; }
  bool client_has_left() const noexcept;

  std::error_code reply(int status, const char* reason, evbuffer* body) noexcept;
  std::error_code start(int status, const char* reason) noexcept;
  std::error_code send_chunk(evbuffer* data, Timeout timeout) noexcept;
  std::error_code end() noexcept;
  std::error_code wait_until_sent(Timeout timeout) noexcept;

  // watch() has thread, whose exchange this is, cancelled when the client closes its side.
  void watch(ThreadTask& thread) noexcept;

 private:
  enum class State : std::uint8_t { open, streaming, replied, complete, lost };

  static void on_close(evhttp_connection*, void* self) noexcept;
  static void on_complete(evhttp_request*, void* self) noexcept;
  static void on_chunk_sent(evhttp_connection*, void* self) noexcept;
  static void on_departure(evutil_socket_t, short what, void* self) noexcept;

  std::error_code why_not(State needed) const noexcept;
  int descriptor() const noexcept;
  evhttp_request* give_back() noexcept;
  void stop_watching() noexcept;
  void break_off() noexcept;

  LoopCore& core_;
  evhttp_request* request_;        // nullptr: libevent has it back
  evhttp_connection* connection_;  // nullptr: gone, or none of our business any more
  State state_ = State::open;
  bool chunk_is_under_way_ = false;
  bool departed_ = false;
  ThreadTask* watching_ = nullptr;
  Waiter waiter_;
  struct event departure_;
};

class EvhttpHandlerCore final : public LoopClient,
                                public stacks::StackWaiter,
                                public std::enable_shared_from_this<EvhttpHandlerCore> {
 public:
  EvhttpHandlerCore(LoopCore& core, evhttp* http, std::string path, EvhttpHandler::Handler handler,
                    EvhttpHandler::Options options);

  void open();            // sets the callback
  void close() noexcept;  // removes it, and refuses who waits
  std::error_code drain(Timeout timeout) noexcept;
  EvhttpHandler::Counters counters() const noexcept;

  void handle(EvhttpRequest& request) const { handler_(request); }
  void thread_ended() noexcept;

 private:
  static void on_request(evhttp_request* request, void* self) noexcept;
  static void on_stack(evutil_socket_t, short, void* self) noexcept;
  void serve_next() noexcept;
  void stack_free() noexcept override;
  void on_shutdown() noexcept override { refuse_waiting(); }
  void on_loop_gone() noexcept override;

  stacks::StackPool& stacks() const noexcept;
  bool takes_requests() const noexcept;
  void take(evhttp_request* request) noexcept;
  bool serve(evhttp_request* request) noexcept;
  void refuse(evhttp_request* request) noexcept;
  void let_wait(evhttp_request* request) noexcept;
  void refuse_waiting() noexcept;
  bool is_idle() const noexcept { return counters_.active == 0 && waiting_.empty(); }

  LoopCore* core_;  // nullptr once the loop is gone
  evhttp* http_;    // nullptr once closed
  const std::string path_;
  const EvhttpHandler::Handler handler_;
  const EvhttpHandler::Options options_;
  bool is_draining_ = false;
  bool was_told_ = false;  // that a stack is free
  std::deque<std::unique_ptr<EvhttpExchange>> waiting_;
  EvhttpHandler::Counters counters_;
  Waiter drainer_;
  struct event stack_event_;  // activated by hand
};

}  // namespace evcoro::detail
