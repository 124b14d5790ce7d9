#include <evcoro/net/limits.h>

#include <cerrno>
#include <memory>
#include <new>

#include <evcoro/capi/acceptor.hpp>
#include <evcoro/capi/objects.hpp>

using namespace evcoro::capi;
using evcoro::Bandwidth;
using evcoro::Rate;
using evcoro::Refusal;
using evcoro::TcpAcceptor;
using evcoro::TokenBucket;

static_assert(EVREFUSAL_MAX_PER_ADDRESS == static_cast<int>(Refusal::Reason::max_per_address) &&
              EVREFUSAL_RATE == static_cast<int>(Refusal::Reason::rate));
static_assert(EVV6ONLY_ON == static_cast<int>(evcoro::V6Only::on) &&
              EVV6ONLY_OFF == static_cast<int>(evcoro::V6Only::off));

struct tagEVTOKENBUCKET {
  std::shared_ptr<TokenBucket> bucket;
};

namespace {

std::shared_ptr<TokenBucket> bucket_of(const EVTOKENBUCKET* bucket) noexcept {
  return bucket != nullptr ? bucket->bucket : nullptr;
}

std::optional<Rate> to_rate(double per_second, double burst) noexcept {
  return burst > 0 ? std::optional{Rate{per_second, burst}} : std::nullopt;
}

}  // namespace

void evcoro::capi::to_options(const EVTCPACCEPTOR_LIMITS& from, TcpAcceptor::Options& to) noexcept {
  to.v6_only = static_cast<V6Only>(from.v6_only);
  if (from.ipv6_prefix > 0) to.ipv6_prefix = from.ipv6_prefix;
  if (from.max_connections > 0) to.max_connections = from.max_connections;
  if (from.max_per_address > 0) to.max_per_address = from.max_per_address;
  to.when_address_full =
      from.when_address_full == EVWHEN_FULL_PAUSE ? WhenFull::pause : WhenFull::reject;
  to.reserve = from.reserve;
  to.accept_rate = bucket_of(from.accept_rate);
  to.bandwidth = {bucket_of(from.receive), bucket_of(from.send)};
  to.receive_rate = to_rate(from.receive_rate, from.receive_burst);
  to.send_rate = to_rate(from.send_rate, from.send_burst);
}

void evcoro::capi::store(const TcpAcceptor::Counters& from, EVTCPACCEPTOR_REFUSALS& to) noexcept {
  to = {};
  to.no_stack = from.refused_no_stack;
  to.max_connections = from.refused_max_connections;
  to.rate = from.refused_rate;
  to.max_per_address = from.refused_max_per_address;
}

EVTOKENBUCKET* EVTOKENBUCKET_init(double per_second, double burst) noexcept try {
  return new EVTOKENBUCKET{std::make_shared<TokenBucket>(Rate{per_second, burst})};
} catch (const std::bad_alloc&) {
  return refuse(ENOMEM);
}

void EVTOKENBUCKET_free(EVTOKENBUCKET* bucket) noexcept { delete bucket; }

int EVTOKENBUCKET_set_rate(EVTOKENBUCKET* bucket, double per_second, double burst) noexcept {
  if (bucket == nullptr) return fail(EINVAL);
  bucket->bucket->set_rate({per_second, burst});
  return 0;
}

int EVTOKENBUCKET_available(EVTOKENBUCKET* bucket, uint64_t* count) noexcept {
  if (bucket == nullptr || count == nullptr) return fail(EINVAL);
  *count = bucket->bucket->available();
  return 0;
}

int EVTOKENBUCKET_take(EVTOKENBUCKET* bucket, uint64_t count, timeval timeout) noexcept {
  if (bucket == nullptr) return fail(EINVAL);
  return finish(bucket->bucket->take(count, to_timeout(timeout)));
}

int EVTOKENBUCKET_give_back(EVTOKENBUCKET* bucket, uint64_t count) noexcept {
  if (bucket == nullptr) return fail(EINVAL);
  bucket->bucket->give_back(count);
  return 0;
}

int EVSOCKET_set_bandwidth(EVSOCKET* socket, EVTOKENBUCKET* receive, EVTOKENBUCKET* send) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  return finish(socket->socket.set_bandwidth({bucket_of(receive), bucket_of(send)}));
}

int EVLOOP_set_bandwidth(EVLOOP* loop, EVTOKENBUCKET* receive, EVTOKENBUCKET* send) noexcept {
  if (loop == nullptr) return fail(EINVAL);
  loop->loop.set_bandwidth({bucket_of(receive), bucket_of(send)});
  return 0;
}

int EVTCPACCEPTOR_LIMITS_init(EVTCPACCEPTOR_LIMITS* limits) noexcept {
  if (limits == nullptr) return fail(EINVAL);
  *limits = {};
  limits->when_address_full = EVWHEN_FULL_REJECT;
  return 0;
}

EVREFUSAL_REASON EVREFUSAL_reason(const EVREFUSAL* refusal) noexcept {
  if (refusal == nullptr) return fail(EINVAL), EVREFUSAL_NO_STACK;
  return static_cast<EVREFUSAL_REASON>(reinterpret_cast<const Refusal*>(refusal)->reason());
}

int EVTCPACCEPTOR_refusals(EVTCPACCEPTOR* acceptor, EVTCPACCEPTOR_REFUSALS* refusals) noexcept {
  if (acceptor == nullptr || refusals == nullptr) return fail(EINVAL);
  store(acceptor->acceptor.counters(), *refusals);
  return 0;
}
