// Throttle: what limits a socket's bandwidth, on three levels; and Allowance: how many bytes it may
// transfer now. A socket without limits has no Throttle.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/net/token_bucket.hpp>

namespace evcoro::detail {

class SocketState;

struct Throttle {
  enum Level { own, listener, loop, level_count };
  using Buckets = std::array<std::shared_ptr<TokenBucket>, level_count>;

  Buckets receive;
  Buckets send;

  const Buckets& in(Descriptor::Direction direction) const noexcept {
    return direction == Descriptor::Direction::read ? receive : send;
  }
  void set(Level level, const Bandwidth& bandwidth) noexcept {
    receive[level] = bandwidth.receive;
    send[level] = bandwidth.send;
  }
  bool is_empty() const noexcept { return receive == Buckets{} && send == Buckets{}; }
};

// Allowance gives back what was not used. It holds the buckets: the socket may get others, or go,
// while a thread waits.
class Allowance {
 public:
  Allowance(const Throttle* throttle, Descriptor::Direction direction) noexcept
      : direction_(direction),
        buckets_(throttle != nullptr ? throttle->in(direction) : Throttle::Buckets{}) {}
  Allowance(const Allowance&) = delete;
  Allowance& operator=(const Allowance&) = delete;
  ~Allowance() { give_back(Throttle::level_count, count_); }

  // take() waits for tokens of all levels, for at most most bytes. EAGAIN
  // (resource_unavailable_try_again): the socket has got another Throttle meanwhile. The caller has
  // a Hold.
  std::error_code take(SocketState& socket, std::size_t most, Patience& patience) noexcept;
  std::size_t count() const noexcept { return count_; }
  void use(std::size_t count) noexcept { count_ -= count; }

 private:
  void give_back(std::size_t levels, std::uint64_t count) noexcept;

  const Descriptor::Direction direction_;
  const Throttle::Buckets buckets_;
  std::size_t count_ = 0;
};

}  // namespace evcoro::detail
