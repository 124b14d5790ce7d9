#include <new>
#include <string>

#include <evcoro/libevent/evhttp.h>
#include <corothread/cthread_c.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/libevent/evhttp.hpp>

using namespace evcoro::capi;
using evcoro::EvhttpHandler;
using evcoro::EvhttpRequest;

struct tagEVHTTPHANDLER {
  EvhttpHandler handler;
};

namespace {

EVHTTPREQUEST* to_c(EvhttpRequest& request) noexcept {
  return reinterpret_cast<EVHTTPREQUEST*>(&request);
}
EvhttpRequest& from_c(EVHTTPREQUEST* request) noexcept {
  return *reinterpret_cast<EvhttpRequest*>(request);
}

EvhttpHandler::Options to_core(const EVHTTPHANDLER_OPTIONS& from, evcoro::stacks::StackPool* pool) {
  EvhttpHandler::Options to;
  if (from.name != nullptr) to.name = from.name;
  to.stacks = pool;
  if (from.refuse_when_full != 0) to.when_full = EvhttpHandler::WhenFull::refuse;
  to.max_waiting = from.max_waiting;
  to.retry_after = std::chrono::seconds{from.retry_after};
  to.cancel_on_departure = from.cancel_on_departure != 0;
  to.where = {from.file != nullptr ? from.file : "EVHTTPHANDLER_init",
              static_cast<std::uint32_t>(from.line)};
  return to;
}

}  // namespace

int EVHTTPHANDLER_OPTIONS_init(EVHTTPHANDLER_OPTIONS* options) noexcept {
  if (options == nullptr) return fail(EINVAL);
  const EvhttpHandler::Options defaults;
  *options = {};
  options->max_waiting = defaults.max_waiting;
  options->retry_after = static_cast<unsigned>(defaults.retry_after.count());
  return 0;
}

EVHTTPHANDLER* EVHTTPHANDLER_init(EVLOOP* loop, struct evhttp* http, const char* path,
                                  EVHTTPHANDLER_PROC proc, void* ctx) noexcept {
  EVHTTPHANDLER_OPTIONS options;
  EVHTTPHANDLER_OPTIONS_init(&options);
  return EVHTTPHANDLER_init_options(loop, http, path, proc, ctx, &options);
}

EVHTTPHANDLER* EVHTTPHANDLER_init_options(EVLOOP* loop, struct evhttp* http, const char* path,
                                          EVHTTPHANDLER_PROC proc, void* ctx,
                                          const EVHTTPHANDLER_OPTIONS* options) noexcept try {
  if (loop == nullptr || http == nullptr || proc == nullptr || options == nullptr) {
    return refuse(EINVAL);
  }
  if (loop->loop.core().is_foreign()) return refuse(evcoro::Errc::parents_loop);
  evcoro::stacks::StackPool* pool = nullptr;
  if (options->stacks != nullptr) {
    pool = evcoro::stacks::pool_of(options->stacks);
    if (pool == nullptr) return nullptr;
  }
  const auto handle = [proc, ctx](EvhttpRequest& request) {
    EVTHREAD thread{*evcoro::detail::current_thread()};
    evcoro::corothread::CThreadParent parent;
    proc(&thread, to_c(request), ctx);
  };
  return new EVHTTPHANDLER{EvhttpHandler{loop->loop, http, path != nullptr ? path : "", handle,
                                         to_core(*options, pool)}};
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVHTTPHANDLER_drain(EVHTTPHANDLER* handler, struct timeval timeout) noexcept {
  if (handler == nullptr) return fail(EINVAL);
  return finish(handler->handler.drain(to_timeout(timeout)));
}

int EVHTTPHANDLER_counters(EVHTTPHANDLER* handler, EVHTTPHANDLER_COUNTERS* counters) noexcept {
  if (handler == nullptr || counters == nullptr) return fail(EINVAL);
  const auto now = handler->handler.counters();
  *counters = {now.handled, now.refused, now.waiting, now.active};
  return 0;
}

int EVHTTPHANDLER_active(EVHTTPHANDLER* handler) noexcept {
  if (handler == nullptr) return fail(EINVAL);
  return static_cast<int>(handler->handler.counters().active);
}

int EVHTTPHANDLER_free(EVHTTPHANDLER* handler) noexcept {
  if (handler == nullptr) return fail(EINVAL);
  delete handler;
  return 0;
}

struct evhttp_request* EVHTTPREQUEST_get(EVHTTPREQUEST* request) noexcept {
  if (request == nullptr) return refuse(EINVAL);
  return from_c(request).get();
}

int EVHTTPREQUEST_reply(EVHTTPREQUEST* request, int status, const char* reason,
                        struct evbuffer* body) noexcept {
  if (request == nullptr) return fail(EINVAL);
  return finish(from_c(request).reply(status, body, reason));
}

int EVHTTPREQUEST_start_reply(EVHTTPREQUEST* request, int status, const char* reason) noexcept {
  if (request == nullptr) return fail(EINVAL);
  return finish(from_c(request).start_reply(status, reason));
}

int EVHTTPREQUEST_send_chunk(EVHTTPREQUEST* request, struct evbuffer* data,
                             struct timeval timeout) noexcept {
  if (request == nullptr || data == nullptr) return fail(EINVAL);
  return finish(from_c(request).send_chunk(data, to_timeout(timeout)));
}

int EVHTTPREQUEST_end_reply(EVHTTPREQUEST* request) noexcept {
  if (request == nullptr) return fail(EINVAL);
  return finish(from_c(request).end_reply());
}

int EVHTTPREQUEST_wait_sent(EVHTTPREQUEST* request, struct timeval timeout) noexcept {
  if (request == nullptr) return fail(EINVAL);
  return finish(from_c(request).wait_until_sent(to_timeout(timeout)));
}

int EVHTTPREQUEST_client_has_left(EVHTTPREQUEST* request) noexcept {
  if (request == nullptr) return fail(EINVAL);
  return from_c(request).client_has_left() ? 1 : 0;
}
