// Race: several sockets that connect, and one thread that waits for all of them, on its own stack.
//
//   Inquiry --addresses--> waiting_ (of each family) --start_next--> attempts_ --on_event--> settle
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/detail/resolver_libevent.hpp>
#include <evcoro/net/happy_eyeballs.hpp>

namespace evcoro::detail {

class Race {
 public:
  Race(LoopCore& core, const ConnectOptions& options, Timeout timeout) noexcept
      : core_(core), options_(clamp_options(options)), patience_(timeout) {}
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;

  // ask() and add() say whom to connect to; run() does so.
  std::error_code ask(ResolverState& state, std::string_view host, std::uint16_t port);
  void add(const Address& address);
  Result<Socket> run();

 private:
  struct Attempt {
    Attempt(Race& its_race, OwnedDescriptor its_socket) noexcept
        : race(its_race), socket(std::move(its_socket)) {}
    ~Attempt();
    int watch() noexcept;
    static void on_event(evutil_socket_t, short, void* self) noexcept;

    Race& race;
    OwnedDescriptor socket;
    bool is_waiting = false;  // the event is added
    bool is_ready = false;
    struct event event;
  };

  static ConnectOptions clamp_options(ConnectOptions options) noexcept;
  bool has_waiting() const noexcept { return !waiting_[0].empty() || !waiting_[1].empty(); }
  bool is_over() const noexcept {
    return !has_waiting() && attempts_.empty() && inquiry_.is_answered();
  }
  void take_answers();
  Address next_address();
  std::unique_ptr<Attempt> start_next();
  std::unique_ptr<Attempt> settle() noexcept;
  void note_failure(int error) noexcept;
  std::error_code wait();
  Result<Socket> finish(Attempt& winner) noexcept;

  LoopCore& core_;
  const ConnectOptions options_;
  Patience patience_;
  Waiter waiter_;
  Inquiry inquiry_{waiter_};
  std::uint16_t port_ = 0;
  std::array<bool, 2> is_taken_{};              // the answer, of IPv6 and of IPv4
  std::array<std::deque<Address>, 2> waiting_;  // of IPv6 and of IPv4
  std::size_t next_family_ = 0;
  bool has_started_ = false;
  TimePoint next_start_{};
  std::vector<std::unique_ptr<Attempt>> attempts_;
  std::error_code error_;  // of the first attempt, or of the first that says more
};

}  // namespace evcoro::detail
