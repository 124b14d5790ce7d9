#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include <evcoro/detail/acceptor_libevent.hpp>
#include <evcoro/detail/socket_libevent.hpp>
#include <evcoro/thread.hpp>

namespace evcoro::detail {
namespace {

using namespace std::chrono_literals;
using corothread::Scheduler;
using corothread::Wake;

constexpr int accepts_per_event = 64;
constexpr auto back_off_time = 100ms;

// Errors of accept(2) that say something about this one connection, or about nothing at all.
bool is_passing(int error) noexcept {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:  // a firewall's verdict
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

// Takes what the peer has sent already: closing with unread data would reset the connection, and
// could cost the peer what was written to it.
void close_politely(int descriptor) noexcept {
  ::shutdown(descriptor, SHUT_WR);
  char bin[4096];
  for (int i = 0; i < 16 && ::recv(descriptor, bin, sizeof bin, MSG_DONTWAIT) > 0; ++i) {
  }
  ::close(descriptor);
}

}  // namespace

AcceptorCore::AcceptorCore(LoopCore& loop, int descriptor, ConnectionFactory factory,
                           TcpAcceptor::Options options)
    : TimerNode(on_backed_off),
      loop_(&loop),
      descriptor_(descriptor),
      is_tcp_(is_tcp_socket(descriptor)),
      factory_(std::move(factory)),
      options_(std::move(options)),
      stacks_(options_.stacks != nullptr ? *options_.stacks : loop.stacks()) {}

AcceptorCore::~AcceptorCore() { close(false); }

void AcceptorCore::open() {
  event_assign(&event_, loop_->base(), descriptor_, EV_READ | EV_PERSIST, on_readable, this);
  loop_->add_client(*this);
  loop_->hold();  // until close(), also if this throws
  if (event_add(&event_, nullptr) != 0)
    throw std::system_error(EINVAL, std::generic_category(), "event_add");
  listening_ = true;
}

// --- states ---

void AcceptorCore::listen_on() noexcept {
  if (!std::exchange(listening_, true)) event_add(&event_, nullptr);
}

void AcceptorCore::stop_listening() noexcept {
  if (std::exchange(listening_, false)) event_del(&event_);
}

void AcceptorCore::pause() noexcept {
  stop_listening();
  StackWaiter::unlink();
  stacks_.wait(*this);
}

void AcceptorCore::back_off() noexcept {
  stop_listening();
  loop_->scheduler().disarm(*this);
  loop_->scheduler().arm(*this, Clock::now() + back_off_time);
}

void AcceptorCore::on_backed_off(corothread::TimerNode& node) noexcept {
  static_cast<AcceptorCore&>(node).accept_some();
}

// Called while a thread gives its stack back: the work is left to a callback of this same pass.
void AcceptorCore::stack_free() noexcept { event_active(&event_, EV_READ, 1); }

void AcceptorCore::on_readable(evutil_socket_t, short, void* self) noexcept {
  static_cast<AcceptorCore*>(self)->accept_some();
}

// --- accepting ---

void AcceptorCore::accept_some() noexcept {
  const auto keep_alive = weak_from_this().lock();
  for (int i = 0; i < accepts_per_event && descriptor_ >= 0; ++i) {
    if (draining_ && left_to_drain_ == 0) return close(false);
    if (stacks_.available() == 0 && options_.when_full == TcpAcceptor::WhenFull::pause)
      return pause();
    const Outcome outcome = accept_one();
    if (outcome == Outcome::exhausted) return back_off();
    if (outcome == Outcome::empty) {
      if (draining_) return close(false);
      break;
    }
  }
  if (descriptor_ < 0) return;
  listen_on();
  stacks_.pass_on();  // if a stack brought us here and is not needed, others may wait for one
}

AcceptorCore::Outcome AcceptorCore::accept_one() noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  const int descriptor = ::accept4(descriptor_, address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Outcome::empty;
    return is_passing(errno) ? Outcome::skipped : Outcome::exhausted;
  }
  if (left_to_drain_ > 0) --left_to_drain_;
  const Address peer{address, size};
  if (stacks_.available() == 0) {
    refuse(descriptor, peer);
  } else {
    serve(descriptor, peer);
  }
  return Outcome::accepted;
}

void AcceptorCore::serve(int descriptor, const Address& peer) noexcept {
  auto* const state = new (std::nothrow) SocketState(*loop_, descriptor, is_tcp_);
  if (state == nullptr) {
    ::close(descriptor);
    ++counters_.refused;
    return;
  }
  Socket socket{*state};  // closes the connection, unless it is handed on
  bool started = false;
  try {
    Accepted accepted{descriptor, peer};
    if (factory_(accepted) == 0 && accepted.handler_ != nullptr) {
      started = start_thread(accepted, std::move(socket));
    }
  } catch (...) {
    ThreadInfo info;
    info.name = options_.name + " (factory)";
    loop_->report(info, std::current_exception());
  }
  ++(started ? counters_.accepted : counters_.refused);
}

bool AcceptorCore::start_thread(Accepted& accepted, Socket socket) {
  const SpawnOptions options{.name = accepted.name_.empty() ? options_.name : accepted.name_,
                             .stacks = &stacks_,
                             .where = options_.where};
  auto thread = loop_->loop().spawn(
      options, Connection{shared_from_this(), std::move(accepted.handler_), std::move(socket)});
  if (!thread) return false;
  thread->detach();
  return true;
}

void AcceptorCore::refuse(int descriptor, const Address& peer) noexcept {
  ++counters_.refused;
  try {
    Refusal refusal{descriptor, peer};
    if (options_.refuse) options_.refuse(refusal);
  } catch (...) {
    ThreadInfo info;
    info.name = options_.name + " (refuse)";
    loop_->report(info, std::current_exception());
  }
  close_politely(descriptor);
}

AcceptorCore::Connection::Connection(std::shared_ptr<AcceptorCore> its_acceptor,
                                     std::shared_ptr<const ConnectionHandler> its_handler,
                                     Socket its_socket) noexcept
    : acceptor(std::move(its_acceptor)),
      handler(std::move(its_handler)),
      socket(std::move(its_socket)) {
  auto& counters = acceptor->counters_;
  counters.peak = std::max(counters.peak, ++counters.active);
}

AcceptorCore::Connection::~Connection() {
  if (acceptor == nullptr) return;  // moved from
  socket.close();
  acceptor->connection_ended();
}

// --- the end ---

void AcceptorCore::connection_ended() noexcept {
  --counters_.active;
  if (drainer_ != nullptr && counters_.active == 0 && descriptor_ < 0) {
    loop_->scheduler().wake(*drainer_, Wake::ready);
  }
}

void AcceptorCore::close(bool serve_backlog) noexcept {
  if (descriptor_ < 0) return;
  const bool is_ours = !loop_->is_foreign();  // in a child process all but the descriptor is not
  if (is_ours && serve_backlog) {
    for (std::size_t left = most_waiting(); left > 0 && stacks_.available() > 0; --left) {
      const Outcome outcome = accept_one();
      if (outcome == Outcome::empty || outcome == Outcome::exhausted) break;
    }
  }
  if (is_ours) {
    listening_ = false;
    event_del(&event_);  // it may be active without being added
    loop_->scheduler().disarm(*this);
    loop_->release();
  }
  StackWaiter::unlink();
  stacks_.pass_on();
  ::close(std::exchange(descriptor_, -1));
  if (drainer_ != nullptr) loop_->scheduler().wake(*drainer_, Wake::ready);
}

std::error_code AcceptorCore::drain(Timeout timeout) noexcept {
  if (loop_ == nullptr) return Errc::no_loop;
  const ThreadTask* const thread = current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (&thread->core() != loop_) return Errc::wrong_loop;
  if (drainer_ != nullptr) return system_error(EBUSY);
  const TimePoint deadline = timeout.deadline();
  const auto keep_alive = weak_from_this().lock();
  draining_ = true;
  left_to_drain_ = most_waiting();
  if (left_to_drain_ == 0) close(false);
  if (listening_) event_active(&event_, EV_READ, 1);  // perhaps nobody waits
  Wake how = Wake::ready;
  while (how == Wake::ready && (counters_.active > 0 || descriptor_ >= 0)) {
    drainer_ = Scheduler::current_task();
    how = timeout.may_wait() ? Scheduler::park(deadline, {"connections to end"}) : Wake::timed_out;
    drainer_ = nullptr;
  }
  close(false);
  return to_error(how);
}

void AcceptorCore::on_loop_gone() noexcept {
  close(false);
  loop_ = nullptr;
}

std::size_t AcceptorCore::waiting() const noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (!is_tcp_ || descriptor_ < 0) return 0;
  // Of a listener, this is the length of its queue.
  return ::getsockopt(descriptor_, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_unacked
                                                                             : 0;
}

// Where the kernel doesn't say how many wait, accept() will say when there are no more.
std::size_t AcceptorCore::most_waiting() const noexcept {
  return is_tcp_ ? waiting() : static_cast<std::size_t>(std::max(options_.backlog, 0));
}

TcpAcceptor::Counters AcceptorCore::counters() const noexcept {
  TcpAcceptor::Counters counters = counters_;
  counters.waiting = waiting();
  return counters;
}

}  // namespace evcoro::detail
