// GroupAcceptor: listens, and runs each connection in a thread on one of the loops of a LoopGroup.
//
//   evcoro::LoopGroup group;
//   evcoro::GroupAcceptor acceptor{group, Address::any(AF_INET, 9999), [](Socket& socket) {
//     ...                                        // on several OS threads at once
//   }};
//   ...
//   acceptor.drain(30s);
//
// There are two ways to spread connections:
//
//   hand_out     one acceptor, on the first loop, hands each connection to the loop that has the
//                fewest of its connections. Clients wait in one backlog: when every loop is full it
//                pauses, and whoever is free first serves the next.
//   reuse_port   an acceptor on every loop, on the same port (SO_REUSEPORT, socket(7)): the kernel
//                chooses. Nothing goes through another loop; but what it has given to a loop that
//                is paused waits for that one, though others may be free.
//
// So automatic is hand_out with WhenFull::pause, and reuse_port with WhenFull::reject; hand_out at
// the path of a UNIX socket.
//
// Handler and factory are as of TcpAcceptor, but shared by the OS threads of all loops, as what
// they refer to. Any OS thread may call its members, but not in a callback of a loop.
// It is destroyed before the group.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <evcoro/net/address.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro {

class LoopGroup;

enum class Spread { automatic, hand_out, reuse_port };

struct GroupAcceptorOptions {
  Spread spread = Spread::automatic;

  // Connections at once on each loop, by default as many as its pool has stacks: less leaves stacks
  // for other threads there. acceptor.max_connections is the cap of all together, of which
  // with reuse_port each loop gets an equal share.
  std::size_t max_per_loop = SIZE_MAX;

  // As of a TcpAcceptor. But reserve, stacks of another pool, and the bandwidth of all, which
  // belong to one loop, can't be had; nor an accept_rate with reuse_port, and with hand_out its
  // bucket is the first loop's. max_per_address counts on each acceptor for itself.
  AcceptorOptions acceptor = {};
};

// AskedCounters are on their way from the loops of a group. Copies are the same.
class EVCORO_API AskedCounters {
 public:
  // wait() returns them when all loops have answered. Errors: timed_out, operation_canceled,
  // Errc::not_in_a_thread in a callback of a loop.
  Result<TcpAcceptor::Counters> wait(Timeout timeout = {}) const;

 private:
  friend class GroupAcceptor;
  struct State;
  explicit AskedCounters(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

class EVCORO_API GroupAcceptor {
 public:
  using Options = GroupAcceptorOptions;
  using Counters = TcpAcceptor::Counters;

  // Throws as TcpAcceptor's constructor does, and std::system_error (EINVAL) for options that can't
  // be had.
  template <class Handler>
  GroupAcceptor(LoopGroup& group, const Address& address, Handler&& handler, Options options = {})
      : GroupAcceptor(group, address, TcpAcceptor::to_factory(std::forward<Handler>(handler)),
                      std::move(options), Tag{}) {}

  ~GroupAcceptor();  // as close(); the connections' threads go on
  GroupAcceptor(const GroupAcceptor&) = delete;
  GroupAcceptor& operator=(const GroupAcceptor&) = delete;

  // These are as of TcpAcceptor, of all acceptors together; Counters::peak is the sum of theirs. A
  // second drain() at the same time is device_or_resource_busy.
  void close() noexcept;
  std::error_code drain(Timeout timeout = {});
  Address local_address() const noexcept { return address_; }
  Counters counters() const;

  // ask_counters() asks all loops for them, and doesn't wait: for who can't wait for a loop that is
  // busy for as long as counters() does. The acceptor may go before the answer.
  AskedCounters ask_counters() const;

  // How they are spread: never automatic.
  Spread spread() const noexcept { return spread_; }

 private:
  struct Tag {};
  struct Place {
    std::size_t loop = 0;
    std::unique_ptr<TcpAcceptor> acceptor;
    std::unique_ptr<stacks::StackPool> drain_stack;  // of that loop, too
  };

  GroupAcceptor(LoopGroup& group, const Address& address, ConnectionFactory factory,
                Options options, Tag);
  void open_one(const Address& address, ConnectionFactory factory, Options options);
  void open_on_each(Address address, const ConnectionFactory& factory, const Options& options);

  void destroy_all() noexcept;

  LoopGroup& group_;
  Spread spread_;
  Address address_;
  std::vector<Place> acceptors_;
  std::atomic<bool> is_draining_{false};
};

}  // namespace evcoro
