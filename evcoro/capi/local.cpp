#include <cstdint>
#include <memory>

#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/owned.hpp>

using namespace evcoro::capi;
using evcoro::Errc;
using evcoro::detail::OwnedList;
using evcoro::detail::ThreadTask;

namespace {

struct CLocal final : evcoro::detail::Owned {
  ~CLocal() override {
    if (destroy != nullptr) destroy(value);
  }
  void* value = nullptr;
  void (*destroy)(void* value) = nullptr;
};

// C++'s keys count from one; no address has this bit.
std::uint64_t to_key(const void* key) noexcept {
  return reinterpret_cast<std::uintptr_t>(key) | (std::uint64_t{1} << 63);
}

int set_local(OwnedList& values, const void* key, void* value, void (*destroy)(void*)) noexcept
    try {
  auto made = std::make_unique<CLocal>();
  made->key = to_key(key);
  const std::unique_ptr<evcoro::detail::Owned> before{values.find(made->key)};
  made->value = value;
  made->destroy = destroy;
  if (before != nullptr) before->unlink();
  values.add(*made.release());
  return 0;
} catch (...) {
  return fail_as_caught();
}

void* local(const OwnedList& values, const void* key) noexcept {
  const auto* const found = static_cast<CLocal*>(values.find(to_key(key)));
  return found == nullptr ? nullptr : found->value;
}

}  // namespace

int EVTHREAD_set_local(const void* key, void* value, void (*destroy)(void* value)) noexcept {
  ThreadTask* const thread = evcoro::detail::current_thread();
  if (thread == nullptr) return fail(EPERM);
  return key == nullptr ? fail(EINVAL) : set_local(thread->owned(), key, value, destroy);
}

void* EVTHREAD_local(const void* key) noexcept {
  ThreadTask* const thread = evcoro::detail::current_thread();
  return thread == nullptr ? refuse(EPERM) : local(thread->owned(), key);
}

int EVLOOP_set_local(EVLOOP* loop, const void* key, void* value,
                     void (*destroy)(void* value)) noexcept {
  if (loop == nullptr || key == nullptr) return fail(EINVAL);
  return set_local(loop->loop.owned(), key, value, destroy);
}

void* EVLOOP_local(EVLOOP* loop, const void* key) noexcept {
  return loop == nullptr ? refuse(EINVAL) : local(loop->loop.owned(), key);
}
