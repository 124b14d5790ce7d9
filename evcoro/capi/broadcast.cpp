#include <evcoro/sync/broadcast.h>

#include <utility>

#include <evcoro/capi/sync_objects.hpp>

using namespace evcoro::capi;
using evcoro::Slow;
using evcoro::SubscriptionOptions;

static_assert(EVSLOW_BLOCK == static_cast<int>(Slow::block) &&
              EVSLOW_DROP_OLDEST == static_cast<int>(Slow::drop_oldest) &&
              EVSLOW_DISCONNECT == static_cast<int>(Slow::disconnect));

struct tagEVBROADCAST {
  explicit tagEVBROADCAST(const CMessage::Functions& its_functions) : functions(its_functions) {}

  const CMessage::Functions functions;
  evcoro::Broadcast<CMessage> broadcast;
};

namespace {

// publish moves what it is given only if it succeeds: otherwise that is the caller's still.
template <class Publish>
int publish_message(EVBROADCAST* broadcast, void* message, Publish&& publish) noexcept {
  if (broadcast == nullptr) return fail(EINVAL);
  CMessage published{message, broadcast->functions};
  try {
    const evcoro::Result<std::size_t> count = publish(published);
    if (count) return static_cast<int>(*count);
    published.release();
    return fail(count.error());
  } catch (...) {
    published.release();
    return fail_as_caught();
  }
}

}  // namespace

EVBROADCAST* EVBROADCAST_init(void* (*copy)(void* message),
                              void (*destroy)(void* message)) noexcept {
  if (copy == nullptr && destroy != nullptr) return refuse(EINVAL);
  return make<EVBROADCAST>(CMessage::Functions{copy, destroy});
}

int EVBROADCAST_free(EVBROADCAST* broadcast) noexcept { return destroy(broadcast); }

int EVBROADCAST_publish(EVBROADCAST* broadcast, void* message, struct timeval timeout) noexcept {
  return publish_message(broadcast, message, [&](CMessage& published) {
    return broadcast->broadcast.publish(std::move(published), to_timeout(timeout));
  });
}

int EVBROADCAST_trypublish(EVBROADCAST* broadcast, void* message) noexcept {
  return publish_message(broadcast, message, [&](CMessage& published) {
    return broadcast->broadcast.try_publish(std::move(published));
  });
}

int EVBROADCAST_close(EVBROADCAST* broadcast) noexcept {
  return with(broadcast, [](EVBROADCAST& each) { each.broadcast.close(); });
}

int EVBROADCAST_is_closed(EVBROADCAST* broadcast) noexcept {
  return with(broadcast, [](EVBROADCAST& each) { return each.broadcast.is_closed() ? 1 : 0; });
}

size_t EVBROADCAST_subscribers(EVBROADCAST* broadcast) noexcept {
  return with(broadcast, [](EVBROADCAST& each) { return each.broadcast.subscribers(); });
}

// --- EVSUBSCRIPTION ---

int EVSUBSCRIPTION_OPTIONS_init(EVSUBSCRIPTION_OPTIONS* options) noexcept {
  if (options == nullptr) return fail(EINVAL);
  *options = {};
  options->capacity = SubscriptionOptions{}.capacity;
  return 0;
}

EVSUBSCRIPTION* EVBROADCAST_subscribe(EVBROADCAST* broadcast,
                                      const EVSUBSCRIPTION_OPTIONS* options) noexcept try {
  if (broadcast == nullptr) return refuse(EINVAL);
  SubscriptionOptions wanted;
  if (options != nullptr) {
    if (options->slow < EVSLOW_BLOCK || options->slow > EVSLOW_DISCONNECT) return refuse(EINVAL);
    wanted = {.capacity = options->capacity, .slow = static_cast<Slow>(options->slow)};
  }
  return new EVSUBSCRIPTION{broadcast->broadcast.subscribe(wanted)};
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVSUBSCRIPTION_free(EVSUBSCRIPTION* subscription) noexcept { return destroy(subscription); }

int EVSUBSCRIPTION_receive(EVSUBSCRIPTION* subscription, void** message,
                           struct timeval timeout) noexcept try {
  if (subscription == nullptr || message == nullptr) return fail(EINVAL);
  return take_out(subscription->subscription.receive(to_timeout(timeout)), message);
} catch (...) {
  return fail_as_caught();
}

int EVSUBSCRIPTION_tryreceive(EVSUBSCRIPTION* subscription, void** message) noexcept try {
  if (subscription == nullptr || message == nullptr) return fail(EINVAL);
  return take_out(subscription->subscription.try_receive(), message);
} catch (...) {
  return fail_as_caught();
}

uint64_t EVSUBSCRIPTION_missed(EVSUBSCRIPTION* subscription) noexcept {
  return with(subscription, [](EVSUBSCRIPTION& each) { return each.subscription.missed(); });
}

size_t EVSUBSCRIPTION_size(EVSUBSCRIPTION* subscription) noexcept {
  return with(subscription, [](EVSUBSCRIPTION& each) { return each.subscription.size(); });
}

size_t EVSUBSCRIPTION_capacity(EVSUBSCRIPTION* subscription) noexcept {
  return with(subscription, [](EVSUBSCRIPTION& each) { return each.subscription.capacity(); });
}
