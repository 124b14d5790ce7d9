#include <evcoro/sync/channel.h>

#include <utility>

#include <evcoro/capi/sync_objects.hpp>

using namespace evcoro::capi;

namespace {

// What could not be sent is the caller's still.
template <class Send>
int send_item(EVCHANNEL* channel, void* item, Send&& send) noexcept {
  if (channel == nullptr) return fail(EINVAL);
  Context sent{item, channel->destroy};
  const std::error_code error = send(std::move(sent));
  if (error) static_cast<void>(sent.release());
  return finish(error);
}

}  // namespace

EVCHANNEL* EVCHANNEL_init(size_t capacity, void (*destroy)(void* item)) noexcept {
  return make<EVCHANNEL>(capacity, destroy);
}

int EVCHANNEL_free(EVCHANNEL* channel) noexcept { return destroy(channel); }

int EVCHANNEL_send(EVCHANNEL* channel, void* item, struct timeval timeout) noexcept {
  return send_item(channel, item, [&](Context&& sent) {
    return channel->channel.send(std::move(sent), to_timeout(timeout));
  });
}

int EVCHANNEL_trysend(EVCHANNEL* channel, void* item) noexcept {
  return send_item(channel, item,
                   [&](Context&& sent) { return channel->channel.try_send(std::move(sent)); });
}

int EVCHANNEL_receive(EVCHANNEL* channel, void** item, struct timeval timeout) noexcept {
  if (channel == nullptr || item == nullptr) return fail(EINVAL);
  return take_out(channel->channel.receive(to_timeout(timeout)), item);
}

int EVCHANNEL_tryreceive(EVCHANNEL* channel, void** item) noexcept {
  if (channel == nullptr || item == nullptr) return fail(EINVAL);
  return take_out(channel->channel.try_receive(), item);
}

int EVCHANNEL_close(EVCHANNEL* channel) noexcept {
  return with(channel, [](EVCHANNEL& each) { each.channel.close(); });
}

int EVCHANNEL_is_closed(EVCHANNEL* channel) noexcept {
  return with(channel, [](EVCHANNEL& each) { return each.channel.is_closed() ? 1 : 0; });
}

size_t EVCHANNEL_size(EVCHANNEL* channel) noexcept {
  return with(channel, [](EVCHANNEL& each) { return each.channel.size(); });
}

size_t EVCHANNEL_capacity(EVCHANNEL* channel) noexcept {
  return with(channel, [](EVCHANNEL& each) { return each.channel.capacity(); });
}
