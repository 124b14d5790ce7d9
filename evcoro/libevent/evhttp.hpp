// EvhttpHandler: requests to an application's evhttp, each handled in a coroutine thread, so that a
// slow handler blocks nobody.
//
//   evhttp* http = evhttp_new(base);                        // the application's, as ever
//   evcoro::EvhttpHandler handler{loop, http, "/report", [](evcoro::EvhttpRequest& request) {
//     const std::string report = slowly_made(evhttp_request_get_uri(request.get()));
//     request.reply(200, report);
//   }};
//   event_base_dispatch(base);
//
// The thread runs at once, inside evhttp's callback, until it first waits: a handler that doesn't
// wait costs little more than a callback. When all stacks are taken, requests wait, or are refused
// with 503 (Options::when_full).
//
// Replies are made by the EvhttpRequest, never by evhttp_send_...() itself: so the client may have
// left by then, and evhttp may have been freed. What a handler throws is reported to the loop's
// exception handler; the client gets 500 (or, when a reply has begun, a connection that breaks
// off), and so it does if a handler returns without a reply. When the loop ends, it gets 503.
//
// The loop lives in the base of the evhttp. An EvhttpHandler goes before its evhttp; requests that
// are being handled may outlive both. It uses the connection's closecb (evhttp_connection_set_
// closecb()) while it handles a request. All is for the loop's OS thread. As with all of evhttp,
// the application has to ignore SIGPIPE.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/error.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

struct evbuffer;
struct evhttp;
struct evhttp_request;

namespace evcoro {

class Loop;

namespace detail {
class EvhttpExchange;
class EvhttpHandlerCore;
}  // namespace detail

// EvhttpRequest is the request that a thread handles, and its reply. It lasts as long as the
// handler's call.
//
// Calls fail with: connection_already_in_progress (EALREADY) if it is too late or too early for
// them; broken_pipe if the connection is gone; invalid_argument for a reason with line breaks; and
// those that block as all blocking calls do.
class EVCORO_API EvhttpRequest {
 public:
  explicit EvhttpRequest(detail::EvhttpExchange& exchange) noexcept : exchange_(exchange) {}
  EvhttpRequest(const EvhttpRequest&) = delete;
  EvhttpRequest& operator=(const EvhttpRequest&) = delete;

  // get() is libevent's request, for its evhttp_request_get_...() and evhttp_add_header(): not for
  // evhttp_send_...(), nor to be freed. nullptr once there is a whole reply: it is libevent's then.
  evhttp_request* get() const noexcept;

  // reply() gives the whole reply to evhttp, which sends it: evhttp_send_reply(). Content-Type is
  // the evhttp's default unless a header says more. reason: nullptr is the usual one. The content
  // of body is moved out; it may be nullptr.
  std::error_code reply(int status, std::string_view body = {},
                        const char* reason = nullptr) noexcept;
  std::error_code reply(int status, evbuffer* body, const char* reason = nullptr) noexcept;

  // A reply in pieces: chunked, if the client understands that. send_chunk() waits until the piece
  // before has been written to the socket, so that there is never more than one in memory.
  // Without end_reply() the connection breaks off, and the client knows that something is missing.
  std::error_code start_reply(int status, const char* reason = nullptr) noexcept;
  std::error_code send_chunk(std::string_view data, Timeout timeout = {}) noexcept;
  std::error_code send_chunk(evbuffer* data, Timeout timeout = {}) noexcept;
  std::error_code end_reply() noexcept;

  // wait_until_sent() waits, after a reply, until all of it has been written to the socket;
  // broken_pipe if the connection is lost before.
  std::error_code wait_until_sent(Timeout timeout = {}) noexcept;

  // client_has_left() asks whether the client has closed the connection, or its side of it.
  bool client_has_left() const noexcept;

 private:
  detail::EvhttpExchange& exchange_;
};

// EvhttpHandlerOptions are EvhttpHandler::Options.
struct EvhttpHandlerOptions {
  enum class WhenFull {
    wait,    // requests wait until a stack is free, up to max_waiting; those beyond are refused
    refuse,  // they get 503 with Retry-After
  };

  std::string name = "evhttp";          // of the threads
  stacks::StackPool* stacks = nullptr;  // another pool than the loop's, which outlives the threads
  WhenFull when_full = WhenFull::wait;
  std::size_t max_waiting = 1000;
  std::chrono::seconds retry_after{1};

  // cancel_on_departure cancels the thread (CancelReason::user) when the client closes its side of
  // the connection while the thread waits. A client that merely has nothing more to say
  // (shutdown(2)) looks the same. With poll and select, a further request that the client has sent
  // already hides its departure.
  bool cancel_on_departure = false;
  corothread::SourceLocation where = corothread::SourceLocation::current();
};

class EVCORO_API EvhttpHandler {
 public:
  using Options = EvhttpHandlerOptions;
  using WhenFull = Options::WhenFull;
  using Handler = std::function<void(EvhttpRequest&)>;

  struct Counters {
    std::size_t handled = 0;  // requests that got a thread
    std::size_t refused = 0;  // those that got 503
    std::size_t waiting = 0;  // for a stack, now
    std::size_t active = 0;   // have a thread now
  };

  // Handles the requests to path, evhttp_set_cb(); or, if it is empty, all that have no other
  // callback, evhttp_set_gencb(). Throws std::system_error: file_exists if path has a callback.
  EvhttpHandler(Loop& loop, evhttp* http, const std::string& path, Handler handler,
                Options options = {});
  EvhttpHandler(EvhttpHandler&&) noexcept = default;
  EvhttpHandler& operator=(EvhttpHandler&& other) noexcept;

  // Removes the callback: further requests are evhttp's to answer. Requests that wait get 503; the
  // threads go on.
  ~EvhttpHandler();

  // drain() lets further requests have 503, serves those that wait, and waits until none is left;
  // timed_out if there still are some then. To be called in a thread, which should have a stack of
  // its own.
  std::error_code drain(Timeout timeout = {}) noexcept;

  Counters counters() const noexcept;

 private:
  std::shared_ptr<detail::EvhttpHandlerCore> core_;
};

}  // namespace evcoro
