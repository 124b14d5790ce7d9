// AcceptorCore: a TcpAcceptor's inside. It needs no stack of its own: it accepts in callbacks. To
// drain, it takes all of the backlog at once and closes the listener; who was taken waits here.
//
//            listener readable                    no stack left: waits in the pool
//   +-----------+  accept all there are  +---------------------------------------------+
//   | listening | ---------------------> | paused; or the most connections: waits for  |
//   +-----------+ <--------------------- | one to end; or too many a second: for time  |
//         | ^       a stack is free etc. +---------------------------------------------+
//         | |
//         v |  100 ms later
//   +-------------+
//   | backing off |   out of descriptors or memory (EMFILE and its family)
//   +-------------+
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <list>
#include <memory>

#include <corothread/timer_wheel.hpp>
#include <evcoro/detail/clients.hpp>
#include <evcoro/detail/hand_out.hpp>
#include <evcoro/detail/listener.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::detail {

class AcceptorCore final : public LoopClient,
                           public stacks::StackWaiter,
                           private corothread::TimerNode,
                           public std::enable_shared_from_this<AcceptorCore> {
 public:
  AcceptorCore(LoopCore& loop, Listener listener, ConnectionFactory factory,
               TcpAcceptor::Options options);
  ~AcceptorCore();

  // set_hand_out() lets the connections go to other loops.
  void set_hand_out(std::unique_ptr<HandOut> hand_out) noexcept { hand_out_ = std::move(hand_out); }

  void open();  // begins to accept
  void close(bool serve_backlog) noexcept;
  std::error_code drain(Timeout timeout) noexcept;

  int descriptor() const noexcept { return listener_.number(); }
  TcpAcceptor::Counters counters() const noexcept;

 private:
  // Connection is the function of a connection's thread.
  struct Connection {
    Connection(std::shared_ptr<AcceptorCore> acceptor,
               std::shared_ptr<const ConnectionHandler> handler, Socket socket,
               Clients::Slot slot) noexcept;
    Connection(Connection&&) noexcept = default;
    ~Connection();
    void operator()() { (*handler)(socket); }

    std::shared_ptr<AcceptorCore> acceptor;
    std::shared_ptr<const ConnectionHandler> handler;
    Socket socket;
    Clients::Slot slot;
  };

  // HandedOver is a connection that is on another loop.
  struct HandedOver {
    std::size_t place;  // where it went
    Clients::Slot slot;
  };
  class EndOfHandedOver;

  // Obstacle is why no further connection can be served now.
  enum class Obstacle { none, no_memory, no_stack, max_connections, rate };
  static Refusal::Reason to_reason(Obstacle obstacle) noexcept;

  enum class Outcome { accepted, skipped, empty, exhausted, broken };
  static Outcome outcome_of(int error) noexcept;

  static void on_readable(evutil_socket_t, short, void* self) noexcept;
  static void on_backed_off(corothread::TimerNode& node) noexcept;
  void stack_free() noexcept override;
  std::size_t share() const noexcept override { return set_aside_; }
  void on_shutdown() noexcept override {
    is_shut_down_ = true;
    close(false);
  }
  void on_loop_gone() noexcept override;

  bool has_source() const noexcept { return descriptor() >= 0 || !pending_.empty(); }
  void accept_some() noexcept;
  bool has_another() const noexcept;
  Obstacle find_obstacle() noexcept;
  Outcome accept_one(Obstacle obstacle) noexcept;
  Outcome accept(Pending& next) noexcept;
  Outcome accept_from_kernel(Pending& next) noexcept;
  void serve(const Pending& pending) noexcept;
  void start(const Pending& pending, Clients::Slot& slot) noexcept;
  void hand_over(const Pending& pending, Clients::Slot& slot) noexcept;
  void end_turn(Clients::Slot& slot) noexcept;
  void serve_later(PendingQueue next) noexcept;
  void set_bandwidth(SocketState& state) const;
  bool ask_factory(Accepted& accepted);
  bool start_thread(Accepted& accepted, Socket socket, Clients::Slot& slot);
  void refuse(const Pending& pending, Refusal::Reason reason) noexcept;
  std::uint64_t& counter_of(Refusal::Reason reason) noexcept;
  void report(const char* where) noexcept;
  void give_up(int error) noexcept;
  void listen_on() noexcept;
  void stop_listening() noexcept;
  void pause(Obstacle obstacle) noexcept;
  void wait_until(TimePoint time) noexcept;
  void pass_stack_on() noexcept;
  void settle_reserve() noexcept;
  void give_reserve_up() noexcept;
  void back_off() noexcept;
  void close_listener() noexcept;
  void take_backlog() noexcept;
  void drop_pending() noexcept;
  void drop(const Pending& pending) noexcept;
  void connection_began() noexcept;
  void connection_ended(PendingQueue next) noexcept;
  void wake_drainer() noexcept;
  std::size_t waiting_in_kernel() const noexcept;
  std::size_t most_waiting() const noexcept;

  LoopCore* loop_;  // nullptr once it is gone
  Listener listener_;
  const bool is_tcp_;
  ConnectionFactory factory_;
  TcpAcceptor::Options options_;
  stacks::StackPool& stacks_;
  struct event event_;
  bool listening_ = false;
  bool was_told_ = false;       // that a stack is free
  bool waits_for_end_ = false;  // of a connection
  bool is_draining_ = false;
  bool is_closing_ = false;
  bool is_shut_down_ = false;
  std::size_t promised_ = 0;   // by the pool: the reserve
  std::size_t set_aside_ = 0;  // of these, not taken
  Clients clients_;
  std::unique_ptr<HandOut> hand_out_;
  std::list<HandedOver> handed_over_;
  PendingQueue pending_;                 // while it drains, and who was held
  corothread::Task* drainer_ = nullptr;  // parked in drain()
  TcpAcceptor::Counters counters_;
};

}  // namespace evcoro::detail
