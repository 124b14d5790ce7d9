#include <evcoro/detail/throttle.hpp>

#include <cerrno>

#include <evcoro/detail/socket_libevent.hpp>
#include <evcoro/detail/token_turn.hpp>

namespace evcoro::detail {

void Allowance::give_back(std::size_t levels, std::uint64_t count) noexcept {
  if (count == 0) return;
  for (std::size_t level = 0; level < levels; ++level) {
    if (buckets_[level] != nullptr) buckets_[level]->give_back(count);
  }
}

std::error_code Allowance::take(SocketState& socket, std::size_t most,
                                Patience& patience) noexcept {
  std::uint64_t count = most;
  for (std::size_t level = 0; level < buckets_.size(); ++level) {
    TokenBucket* const bucket = buckets_[level].get();
    if (bucket == nullptr) continue;
    const auto park = [&](TimePoint deadline) -> std::error_code {
      const auto error = socket.wait_aside(direction_, deadline, "bandwidth");
      if (!error && socket.bucket(direction_, level) != bucket) return system_error(EAGAIN);
      return error;
    };
    std::uint64_t some = 0;
    if (const auto error = TokenTurn::take(*bucket, count, patience, some, park)) {
      give_back(level, count);
      return error;
    }
    give_back(level, count - some);
    count = some;
  }
  count_ = static_cast<std::size_t>(count);
  return {};
}

}  // namespace evcoro::detail
