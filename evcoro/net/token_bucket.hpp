// TokenBucket: so many of something a second, bytes or connections, and so many at once.
//
//   auto bucket = std::make_shared<TokenBucket>(Rate{.per_second = 1e6, .burst = 64e3});
//   socket.set_bandwidth({.receive = bucket, .send = bucket});   // 1 MB/s, both ways together
//
//   TokenBucket queries{{.per_second = 10, .burst = 3}};
//   while (!queries.take(1)) ask();                              // waits until one may be asked
//
// It begins full. Who waits is served in order; one that takes many gets some at a time (20 ms
// worth) while others wait. It belongs to no loop, but is used in one OS thread, and outlives the
// threads that wait for it: sockets and acceptors hold it.
#pragma once

#include <cstdint>
#include <memory>
#include <system_error>

#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro {

namespace detail {
class TokenTurn;
}

// Rate is what a TokenBucket gets and holds. A negative rate is taken as 0, which is nothing beyond
// the burst, a burst of less than 1 as 1.
struct Rate {
  double per_second = 0;  // tokens
  double burst = 1;       // the most tokens that it holds
};

class EVCORO_API TokenBucket {
 public:
  explicit TokenBucket(Rate rate) noexcept;
  TokenBucket(const TokenBucket&) = delete;
  TokenBucket& operator=(const TokenBucket&) = delete;

  // set_rate() changes the rate from now on, also for who waits. What exceeds the burst is lost.
  void set_rate(Rate rate) noexcept;
  Rate rate() const noexcept { return rate_; }

  // available() is how many tokens are there now.
  std::uint64_t available() noexcept;

  // has() says whether try_take() would take count tokens.
  bool has(std::uint64_t count = 1) noexcept;

  // try_take() takes count tokens, or none: false, too, if threads wait for tokens.
  bool try_take(std::uint64_t count = 1) noexcept;

  // take() waits in the calling thread until it has got count tokens, which may be more than the
  // burst; if it fails, it takes none. Errors: timed_out, operation_canceled, and
  // Errc::not_in_a_thread.
  std::error_code take(std::uint64_t count, Timeout timeout = {}) noexcept;

  // give_back() returns tokens that were not used.
  void give_back(std::uint64_t count) noexcept;

  // ready_at() is when count tokens (or the burst, if that is less) will be there, if nobody takes
  // any before; never if they won't.
  TimePoint ready_at(std::uint64_t count = 1) noexcept;

 private:
  friend class detail::TokenTurn;

  void refill() noexcept;
  bool grant(std::uint64_t most, bool others_wait, std::uint64_t& count) noexcept;
  std::uint64_t quantum() const noexcept;
  void wake_first() noexcept;

  Rate rate_;
  double tokens_;
  TimePoint refilled_;
  stacks::IntrusiveList<detail::TokenTurn> turns_;  // who waits
};

// Bandwidth is what throttles a socket, or many: a token a byte. Both may be the same bucket;
// without one there is no limit.
struct Bandwidth {
  std::shared_ptr<TokenBucket> receive = {};
  std::shared_ptr<TokenBucket> send = {};

  explicit operator bool() const noexcept { return receive != nullptr || send != nullptr; }
};

}  // namespace evcoro
