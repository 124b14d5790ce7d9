// AcceptorCore: a TcpAcceptor's inside. It needs no stack of its own: it accepts in callbacks.
//
//            listener readable                    no stack left
//   +-----------+  accept until EAGAIN   +------------------------+
//   | listening | ---------------------> | paused: waits in pool  |
//   +-----------+ <--------------------- +------------------------+
//         | ^          a stack is free
//         | |
//         v |  100 ms later
//   +-------------+
//   | backing off |   out of descriptors or memory (EMFILE and its family)
//   +-------------+
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <memory>

#include <corothread/timer_wheel.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::detail {

class AcceptorCore final : public LoopClient,
                           public stacks::StackWaiter,
                           private corothread::TimerNode,
                           public std::enable_shared_from_this<AcceptorCore> {
 public:
  // descriptor listens, and is the core's.
  AcceptorCore(LoopCore& loop, int descriptor, ConnectionFactory factory,
               TcpAcceptor::Options options);
  ~AcceptorCore();

  void open();  // begins to accept
  void close(bool serve_backlog) noexcept;
  std::error_code drain(Timeout timeout) noexcept;

  int descriptor() const noexcept { return descriptor_; }
  TcpAcceptor::Counters counters() const noexcept;

 private:
  // Connection is the function of a connection's thread.
  struct Connection {
    Connection(std::shared_ptr<AcceptorCore> acceptor,
               std::shared_ptr<const ConnectionHandler> handler, Socket socket) noexcept;
    Connection(Connection&&) noexcept = default;
    ~Connection();
    void operator()() { (*handler)(socket); }

    std::shared_ptr<AcceptorCore> acceptor;
    std::shared_ptr<const ConnectionHandler> handler;
    Socket socket;
  };

  enum class Outcome { accepted, skipped, empty, exhausted };

  static void on_readable(evutil_socket_t, short, void* self) noexcept;
  static void on_backed_off(corothread::TimerNode& node) noexcept;
  void stack_free() noexcept override;
  void on_shutdown() noexcept override { close(false); }
  void on_loop_gone() noexcept override;

  void accept_some() noexcept;
  Outcome accept_one() noexcept;
  void serve(int descriptor, const Address& peer) noexcept;
  bool start_thread(Accepted& accepted, Socket socket);
  void refuse(int descriptor, const Address& peer) noexcept;
  void listen_on() noexcept;
  void stop_listening() noexcept;
  void pause() noexcept;
  void back_off() noexcept;
  void connection_ended() noexcept;
  std::size_t waiting() const noexcept;
  std::size_t most_waiting() const noexcept;

  LoopCore* loop_;  // nullptr once it is gone
  int descriptor_;
  const bool is_tcp_;
  ConnectionFactory factory_;
  TcpAcceptor::Options options_;
  stacks::StackPool& stacks_;
  struct event event_;
  bool listening_ = false;
  bool draining_ = false;
  std::size_t left_to_drain_ = 0;
  corothread::Task* drainer_ = nullptr;  // parked in drain()
  TcpAcceptor::Counters counters_;
};

}  // namespace evcoro::detail
