#include <corothread/identity.hpp>

#include <atomic>

namespace evcoro::corothread {
namespace {

// Ids are drawn in blocks, so that spawning touches nothing that OS threads share.
std::uint64_t next_id() noexcept {
  constexpr std::uint64_t block = 1024;
  static std::atomic<std::uint64_t> blocks{0};
  constinit static thread_local std::uint64_t id = 0;
  if (id % block == 0) id = blocks.fetch_add(1, std::memory_order_relaxed) * block;
  return ++id;
}

}  // namespace

Identity::Identity(const Origin& origin) noexcept : id_(next_id()), where_(origin.where) {
  name_[origin.name.copy(name_, name_size)] = '\0';
}

}  // namespace evcoro::corothread
