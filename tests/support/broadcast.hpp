// What tests of Broadcast share.
#pragma once

#include <atomic>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <evcoro/sync/broadcast.hpp>
#include <support/loop_fixture.hpp>

namespace support {

inline bool is_closed(std::error_code error) { return error == evcoro::Errc::channel_closed; }
inline bool would_block(std::error_code error) { return error == std::errc::operation_would_block; }

// drain() is all that can be received at once.
template <class T>
std::vector<T> drain(evcoro::Subscription<T>& subscription) {
  std::vector<T> all;
  while (evcoro::Result<T> message = subscription.try_receive()) all.push_back(*std::move(message));
  return all;
}

// Counted counts its copies, and what lives of it.
struct Counted {
  static inline std::atomic<int> copies{0};
  static inline std::atomic<int> living{0};
  static void reset() { copies = living = 0; }

  explicit Counted(int its_number) : number(its_number) { ++living; }
  Counted(const Counted& other) : number(other.number) {
    if (number < 0) throw std::runtime_error("not to be copied");
    ++copies;
    ++living;
  }
  Counted(Counted&& other) noexcept : number(std::exchange(other.number, 0)) { ++living; }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&& other) noexcept {
    number = std::exchange(other.number, 0);
    return *this;
  }
  ~Counted() { --living; }
  int number;
};

class BroadcastFixture : public support::LoopFixture {
 public:
  // spawn_publisher() spawns a thread that publishes number, and returns to how many, or -1.
  evcoro::Thread<evcoro::Result<std::size_t>> spawn_publisher(int number,
                                                              evcoro::Timeout timeout = {}) {
    return loop->spawn([=, this] { return numbers.publish(number, timeout); }).value();
  }

  static evcoro::Thread<evcoro::Result<int>> spawn_receiver(evcoro::Loop& loop,
                                                            evcoro::Subscription<int>& subscription,
                                                            evcoro::Timeout timeout = {}) {
    return loop.spawn([&subscription, timeout] { return subscription.receive(timeout); }).value();
  }

  evcoro::Broadcast<int> numbers;
};

}  // namespace support
