#include <poll.h>
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

constexpr int accepts_per_event = 64;
constexpr auto back_off_time = 100ms;

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

// What an error of accept(2) means.
AcceptorCore::Outcome AcceptorCore::outcome_of(int error) noexcept {
  switch (error) {
    case EAGAIN:
      return Outcome::empty;
    case EINTR:  // these say something about one connection, or about nothing at all
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
      return Outcome::skipped;
    case EBADF:  // these about the listener: nothing that waiting would mend
    case EINVAL:
    case ENOTSOCK:
      return Outcome::broken;
    default:  // EMFILE, ENFILE, ENOBUFS, ENOMEM
      return Outcome::exhausted;
  }
}

Refusal::Reason AcceptorCore::to_reason(Obstacle obstacle) noexcept {
  if (obstacle == Obstacle::max_connections) return Refusal::Reason::max_connections;
  return obstacle == Obstacle::rate ? Refusal::Reason::rate : Refusal::Reason::no_stack;
}

AcceptorCore::AcceptorCore(LoopCore& loop, Listener listener, ConnectionFactory factory,
                           TcpAcceptor::Options options)
    : TimerNode(on_backed_off),
      loop_(&loop),
      listener_(std::move(listener)),
      is_tcp_(is_tcp_socket(listener_.number())),
      factory_(std::move(factory)),
      options_(std::move(options)),
      stacks_(options_.stacks != nullptr ? *options_.stacks : loop.stacks()),
      clients_(options_.max_per_address, options_.ipv6_prefix) {}

AcceptorCore::~AcceptorCore() { close(false); }

void AcceptorCore::open() {
  loop_->require_own_process("TcpAcceptor");
  loop_->assign(event_, descriptor(), EV_READ | EV_PERSIST, on_readable, this);
  loop_->add_client(*this);
  loop_->hold();  // until close(), also if this throws
  loop_->require_room_for(descriptor());
  if (event_add(&event_, nullptr) != 0)
    throw std::system_error(EINVAL, std::generic_category(), "event_add");
  listening_ = true;
  if (!stacks_.promise(options_.reserve)) {
    throw std::system_error(EINVAL, std::generic_category(),
                            "TcpAcceptor: the reserves exceed the capacity of the pool");
  }
  promised_ = set_aside_ = options_.reserve;
}

// --- states ---

void AcceptorCore::listen_on() noexcept {
  if (listening_) return;
  listening_ = event_add(&event_, nullptr) == 0;
  if (!listening_) back_off();
}

void AcceptorCore::stop_listening() noexcept {
  if (std::exchange(listening_, false)) event_del(&event_);
}

void AcceptorCore::pause(Obstacle obstacle) noexcept {
  if (obstacle == Obstacle::rate) {
    // Tokens that are there are for threads that wait. The rate may be changed meanwhile.
    TokenBucket& tokens = *options_.accept_rate;
    const TimePoint now = Clock::now();
    const TimePoint due = tokens.available() > 0 ? now + 1ms : tokens.ready_at();
    return wait_until(std::min(due, now + 1s));
  }
  stop_listening();
  StackWaiter::unlink();
  waits_for_end_ = obstacle == Obstacle::max_connections;
  if (waits_for_end_) return pass_stack_on();
  std::exchange(was_told_, false) ? stacks_.wait_again(*this) : stacks_.wait(*this);
}

void AcceptorCore::wait_until(TimePoint time) noexcept {
  stop_listening();
  loop_->scheduler().disarm(*this);
  loop_->scheduler().arm(*this, time);
  pass_stack_on();
}

void AcceptorCore::back_off() noexcept { wait_until(Clock::now() + back_off_time); }

// A stack that it was told of, if it was, is for others meanwhile.
void AcceptorCore::pass_stack_on() noexcept {
  was_told_ = false;
  stacks_.pass_on();
}

// As many of the pool's stacks are set aside as connections are missing to the reserve.
void AcceptorCore::settle_reserve() noexcept {
  const std::size_t wanted = promised_ - std::min(counters_.active, promised_);
  if (wanted == set_aside_) return;
  stacks_.restore(set_aside_);
  stacks_.set_aside(wanted);
  set_aside_ = wanted;
}

void AcceptorCore::on_backed_off(corothread::TimerNode& node) noexcept {
  static_cast<AcceptorCore&>(node).accept_some();
}

// Called while a thread gives its stack back: the work is left to a callback of this same pass.
void AcceptorCore::stack_free() noexcept {
  was_told_ = true;
  event_active(&event_, EV_READ, 1);
}

void AcceptorCore::on_readable(evutil_socket_t, short, void* self) noexcept {
  auto& acceptor = *static_cast<AcceptorCore*>(self);
  if (acceptor.loop_->is_foreign()) [[unlikely]] {
    event_del(&acceptor.event_);
    return;
  }
  acceptor.accept_some();
}

void AcceptorCore::give_reserve_up() noexcept {
  const std::size_t freed = set_aside_;
  stacks_.withdraw(std::exchange(promised_, 0));
  settle_reserve();
  stacks_.pass_on(std::max<std::size_t>(freed, 1));
}

// --- accepting ---

AcceptorCore::Obstacle AcceptorCore::find_obstacle() noexcept {
  if (counters_.active >= options_.max_connections) return Obstacle::max_connections;
  // Who is pending has had his token.
  const bool is_limited = options_.accept_rate != nullptr && pending_.empty() && !is_draining_;
  if (is_limited && !options_.accept_rate->has()) return Obstacle::rate;
  if (hand_out_ != nullptr) {
    return hand_out_->has_room() ? Obstacle::none : Obstacle::max_connections;
  }
  const std::error_code no_stack = stacks_.make_ready(set_aside_);
  if (!no_stack) return Obstacle::none;
  const bool full = no_stack == std::errc::resource_unavailable_try_again;
  return full ? Obstacle::no_stack : Obstacle::no_memory;
}

// To accept in vain is dear: the kernel makes a socket before it looks.
bool AcceptorCore::has_another() const noexcept {
  if (is_draining_ || !pending_.empty()) return true;
  pollfd listener{.fd = descriptor(), .events = POLLIN, .revents = 0};
  return ::poll(&listener, 1, 0) != 0;
}

void AcceptorCore::accept_some() noexcept {
  const auto keep_alive = weak_from_this().lock();
  waits_for_end_ = false;
  if (is_draining_) take_backlog();
  for (int i = 0; i < accepts_per_event && has_source(); ++i) {
    const Obstacle obstacle = find_obstacle();
    if (obstacle == Obstacle::no_memory) return back_off();
    if (obstacle != Obstacle::none && options_.when_full == WhenFull::pause) {
      return pause(obstacle);
    }
    if (i == 1 && !has_another()) break;  // most come alone
    const Outcome outcome = accept_one(obstacle);
    if (outcome == Outcome::accepted) was_told_ = false;  // it had its turn: next come the others
    if (outcome == Outcome::empty) break;
    if (outcome == Outcome::exhausted) return back_off();
    if (outcome == Outcome::broken) return give_up(errno);
  }
  was_told_ = false;
  if (loop_ == nullptr) return;
  stacks_.pass_on();  // if a stack brought us here and is not needed, others may wait for one
  if (!pending_.empty()) event_active(&event_, EV_READ, 1);
  if (descriptor() >= 0) return is_draining_ ? back_off() : listen_on();
  wake_drainer();
}

// Takes the next connection: one that was accepted before, or from the kernel.
AcceptorCore::Outcome AcceptorCore::accept(Pending& next) noexcept {
  if (!pending_.empty()) {
    next = pending_.front();
    pending_.pop_front();
    return Outcome::accepted;
  }
  return is_draining_ || descriptor() < 0 ? Outcome::empty : accept_from_kernel(next);
}

AcceptorCore::Outcome AcceptorCore::accept_from_kernel(Pending& next) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  next.descriptor = ::accept4(descriptor(), address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (next.descriptor < 0) return outcome_of(errno);
  next.peer = Address{address, size};
  return Outcome::accepted;
}

AcceptorCore::Outcome AcceptorCore::accept_one(Obstacle obstacle) noexcept {
  Pending pending;
  const bool is_new = pending_.empty();
  const Outcome outcome = accept(pending);
  if (outcome != Outcome::accepted) return outcome;
  if (obstacle != Obstacle::none) {
    refuse(pending, to_reason(obstacle));
    if (!is_new) serve_later(clients_.take_next(pending.peer));  // the turn is the next one's
  } else {
    if (is_new && options_.accept_rate != nullptr) options_.accept_rate->try_take();
    serve(pending);
  }
  return outcome;
}

void AcceptorCore::serve(const Pending& pending) noexcept try {
  Clients::Slot slot;
  if (options_.max_per_address == SIZE_MAX || clients_.enter(pending.peer, slot)) {
    return start(pending, slot);
  }
  const bool may_wait = options_.when_address_full == WhenFull::pause;
  if (may_wait && clients_.hold(pending)) return;
  refuse(pending, Refusal::Reason::max_per_address);
} catch (const std::bad_alloc&) {
  drop(pending);
}

void AcceptorCore::start(const Pending& pending, Clients::Slot& slot) noexcept {
  if (hand_out_ != nullptr) return hand_over(pending, slot);
  auto* const state = SocketState::make(*loop_, pending.descriptor, is_tcp_);
  if (state == nullptr) {
    drop(pending);
    return end_turn(slot);
  }
  Socket socket{*state};  // closes the connection, unless it is handed on
  bool started = false;
  try {
    set_bandwidth(*state);
    Accepted accepted{pending.descriptor, pending.peer};
    started = ask_factory(accepted) && start_thread(accepted, std::move(socket), slot);
  } catch (...) {
    report("factory");
  }
  ++(started ? counters_.accepted : counters_.refused);
  end_turn(slot);  // unless the thread has it
}

void AcceptorCore::end_turn(Clients::Slot& slot) noexcept { serve_later(slot.leave()); }

// Their turn has come: who was held, when one of their address is gone.
void AcceptorCore::serve_later(PendingQueue next) noexcept {
  if (next.empty()) return;
  pending_.splice(pending_.end(), next);
  if (!StackWaiter::is_linked()) event_active(&event_, EV_READ, 1);  // else it will be told
}

void AcceptorCore::set_bandwidth(SocketState& state) const {
  const auto make_bucket = [](const std::optional<Rate>& rate) {
    return rate ? std::make_shared<TokenBucket>(*rate) : nullptr;
  };
  const Bandwidth own{make_bucket(options_.receive_rate), make_bucket(options_.send_rate)};
  if (!state.set_bandwidth(Throttle::listener, options_.bandwidth) ||
      !state.set_bandwidth(Throttle::own, own)) {
    throw std::bad_alloc{};
  }
}

bool AcceptorCore::ask_factory(Accepted& accepted) {
  const Counted counted{loop_->callbacks};
  return factory_(accepted) == 0 && accepted.handler_ != nullptr && !is_shut_down_;
}

void AcceptorCore::report(const char* where) noexcept {
  const std::exception_ptr exception = std::current_exception();
  ThreadInfo info;
  try {
    info.name = options_.name + " (" + where + ")";
  } catch (const std::bad_alloc&) {  // the handler is told all the same
  }
  loop_->report(info, exception);
}

bool AcceptorCore::start_thread(Accepted& accepted, Socket socket, Clients::Slot& slot) {
  const SpawnOptions options{.name = accepted.name_.empty() ? options_.name : accepted.name_,
                             .stacks = &stacks_,
                             .where = options_.where};
  auto thread =
      loop_->loop().spawn(options, Connection{shared_from_this(), std::move(accepted.handler_),
                                              std::move(socket), std::move(slot)});
  if (!thread) return false;
  thread->detach();
  return true;
}

std::uint64_t& AcceptorCore::counter_of(Refusal::Reason reason) noexcept {
  switch (reason) {
    case Refusal::Reason::max_connections:
      return counters_.refused_max_connections;
    case Refusal::Reason::rate:
      return counters_.refused_rate;
    case Refusal::Reason::max_per_address:
      return counters_.refused_max_per_address;
    case Refusal::Reason::no_stack:
      break;
  }
  return counters_.refused_no_stack;
}

void AcceptorCore::refuse(const Pending& pending, Refusal::Reason reason) noexcept {
  ++counters_.refused;
  ++counter_of(reason);
  try {
    const Counted counted{loop_->callbacks};
    Refusal refusal{pending.descriptor, pending.peer, reason};
    if (options_.refuse) options_.refuse(refusal);
  } catch (...) {
    report("refuse");
  }
  close_politely(pending.descriptor);
}

void AcceptorCore::give_up(int error) noexcept {
  stacks::ReportLine{} << "evcoro: acceptor '" << options_.name
                       << "' is closed: accept(2) fails with " << ::strerrorname_np(error) << "\n"
                       << stacks::ReportLine::send;
  close(false);
}

AcceptorCore::Connection::Connection(std::shared_ptr<AcceptorCore> its_acceptor,
                                     std::shared_ptr<const ConnectionHandler> its_handler,
                                     Socket its_socket, Clients::Slot its_slot) noexcept
    : acceptor(std::move(its_acceptor)),
      handler(std::move(its_handler)),
      socket(std::move(its_socket)),
      slot(std::move(its_slot)) {
  acceptor->connection_began();
}

void AcceptorCore::connection_began() noexcept {
  counters_.peak = std::max(counters_.peak, ++counters_.active);
  settle_reserve();  // its stack is taken next
}

AcceptorCore::Connection::~Connection() {
  if (acceptor == nullptr) return;  // moved from
  socket.close();
  acceptor->connection_ended(slot.leave());
}

TcpAcceptor::Counters AcceptorCore::counters() const noexcept {
  TcpAcceptor::Counters counters = counters_;
  counters.waiting = waiting_in_kernel() + pending_.size() + clients_.held();
  return counters;
}

}  // namespace evcoro::detail
