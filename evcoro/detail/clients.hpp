// Clients: how many connections each client's IP address has, for a cap on them; and the
// connections that wait until one of their address ends.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <utility>

#include <evcoro/net/address.hpp>

namespace evcoro::detail {

// Pending is a connection that has been accepted, and is not served yet.
struct Pending {
  int descriptor = -1;
  Address peer;
};

// A list: its nodes go from one queue to another, which needs no memory.
using PendingQueue = std::list<Pending>;

class Clients {
 public:
  // most is the cap, at least 1; of IPv6 addresses the first prefix bits count.
  Clients(std::size_t most, int prefix) noexcept
      : most_(std::max<std::size_t>(most, 1)), prefix_(prefix) {}

  // Slot is a connection's place in the count. An empty one is of a client that isn't counted.
  class Slot {
   public:
    Slot() noexcept = default;
    Slot(Slot&& other) noexcept : clients_(std::exchange(other.clients_, nullptr)) {
      key_ = other.key_;
    }
    Slot& operator=(Slot&&) = delete;
    ~Slot() { static_cast<void>(leave()); }

    // leave() ends it, and returns a connection of the same address that was held, if there is one.
    PendingQueue leave() noexcept;

   private:
    friend class Clients;
    Clients* clients_ = nullptr;
    std::array<std::uint8_t, 16> key_{};
  };

  // enter() counts a connection, unless its client has most already: then it returns false. Clients
  // without an IP address always enter. Throws std::bad_alloc.
  bool enter(const Address& peer, Slot& slot);

  // hold() keeps a connection that couldn't enter, up to most of an address: so those that are held
  // are never more than those that run. False if they are. Throws std::bad_alloc.
  bool hold(const Pending& pending);
  std::size_t held() const noexcept { return held_; }

  // take_next() returns a connection of peer's address that was held, if there is one: for a turn
  // that was not taken.
  PendingQueue take_next(const Address& peer) noexcept;

  // take_held() returns all that are held, for the end.
  PendingQueue take_held() noexcept;

 private:
  using Key = std::array<std::uint8_t, 16>;
  struct Client {
    std::size_t active = 0;
    PendingQueue held;
  };
  using Table = std::map<Key, Client>;  // a tree: clients choose their addresses

  bool to_key(const Address& peer, Key& key) const noexcept;
  PendingQueue take_first(Client& client) noexcept;

  const std::size_t most_;
  const int prefix_;
  std::size_t held_ = 0;
  Table table_;
};

}  // namespace evcoro::detail
