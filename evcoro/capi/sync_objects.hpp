// What the C face's handles of evcoro/sync point to, of those that more than one file needs.
// Private to it.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <variant>

#include <evcoro/sync/broadcast.h>
#include <evcoro/sync/channel.h>
#include <evcoro/sync/sync.h>
#include <evcoro/capi/context.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/result.hpp>
#include <evcoro/sync/broadcast.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/event.hpp>

namespace evcoro::capi {

// make() is what an _init() returns.
template <class Handle, class... Arguments>
Handle* make(Arguments&&... arguments) noexcept try {
  return new Handle{std::forward<Arguments>(arguments)...};
} catch (...) {
  fail_as_caught();
  return nullptr;
}

// destroy() is a _free().
template <class Handle>
int destroy(Handle* handle) noexcept {
  if (handle == nullptr) return fail(EINVAL);
  delete handle;
  return 0;
}

// with() calls use(*handle), which returns nothing, or what the C function does.
template <class Handle, class Use>
auto with(Handle* handle, Use&& use) {
  using Returned = std::invoke_result_t<Use, Handle&>;
  if constexpr (std::is_void_v<Returned>) {
    if (handle == nullptr) return fail(EINVAL);
    use(*handle);
    return 0;
  } else if constexpr (std::is_unsigned_v<Returned>) {
    return handle == nullptr ? (fail(EINVAL), Returned{0}) : use(*handle);
  } else {
    return handle == nullptr ? fail(EINVAL) : use(*handle);
  }
}

// CMessage is a message of an EVBROADCAST.
class CMessage {
 public:
  struct Functions {
    void* (*copy)(void* message);
    void (*destroy)(void* message);
  };

  CMessage(void* message, const Functions& functions) noexcept
      : functions_(functions), message_(message) {}
  CMessage(const CMessage& other) : functions_(other.functions_), message_(other.copy()) {}
  CMessage(CMessage&& other) noexcept : functions_(other.functions_), message_(other.release()) {}
  CMessage& operator=(CMessage other) noexcept {
    std::swap(functions_, other.functions_);
    std::swap(message_, other.message_);
    return *this;
  }
  ~CMessage() {
    if (message_ != nullptr && functions_.destroy != nullptr) functions_.destroy(message_);
  }

  void* release() noexcept { return std::exchange(message_, nullptr); }

 private:
  void* copy() const {
    if (message_ == nullptr || functions_.copy == nullptr) return message_;
    void* const made = functions_.copy(message_);
    if (made == nullptr) throw std::bad_alloc{};
    return made;
  }

  Functions functions_;
  void* message_;
};

// take_out() stores what has been received, and returns what the C function does.
template <class T>
int take_out(Result<T> received, void** item) noexcept {
  if (received) {
    *item = received->release();
    return 0;
  }
  return received.error() == Errc::channel_closed ? 1 : fail(received.error());
}

}  // namespace evcoro::capi

struct tagEVCHANNEL {
  tagEVCHANNEL(std::size_t capacity, void (*its_destroy)(void* item))
      : destroy{its_destroy}, channel(capacity) {}

  const evcoro::capi::Discard destroy;
  evcoro::Channel<evcoro::capi::Context> channel;
};

struct tagEVSUBSCRIPTION {
  evcoro::Subscription<evcoro::capi::CMessage> subscription;
};

struct tagEVFLAG {
  tagEVFLAG(evcoro::Event::Reset reset, bool is_set) noexcept : event(reset, is_set) {}
  evcoro::Event event;
};
