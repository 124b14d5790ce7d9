#include <evcoro/net/happy_eyeballs.hpp>

#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <evcoro/detail/race_libevent.hpp>
#include <evcoro/detail/socket_libevent.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace detail {
namespace {

OwnedDescriptor open_socket(int family) noexcept {
  OwnedDescriptor socket{::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  const int on = 1;
  if (socket) ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

// Returns 0 where it has succeeded at once, EINPROGRESS where it is under way.
int begin_to_connect(int descriptor, const Address& address) noexcept {
  if (descriptor >= 0 && ::connect(descriptor, address.data(), address.size()) == 0) return 0;
  return errno == EINTR ? EINPROGRESS : errno;  // a signal doesn't end it
}

// How an attempt that the kernel has reported has ended.
int connect_error(int descriptor) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// An address that this machine has no way to says nothing about the others.
bool is_unroutable(std::error_code error) noexcept {
  return error == std::errc::network_unreachable || error == std::errc::host_unreachable ||
         error == std::errc::address_not_available ||
         error == std::errc::address_family_not_supported;
}

}  // namespace

Race::Attempt::~Attempt() {
  if (is_waiting && !race.core_.is_foreign()) event_del(&event);
}

// An errno, if it can't be waited for.
int Race::Attempt::watch() noexcept {
  const int descriptor = socket.get();
  if (descriptor >= race.core_.descriptor_limit()) return EMFILE;
  race.core_.assign(event, descriptor, EV_WRITE, on_event, this);
  errno = ENOMEM;  // event_add() doesn't always say
  is_waiting = event_add(&event, nullptr) == 0;
  return is_waiting ? 0 : errno;
}

void Race::Attempt::on_event(evutil_socket_t, short, void* self) noexcept {
  auto& attempt = *static_cast<Attempt*>(self);
  if (attempt.race.core_.is_foreign()) return;
  attempt.is_waiting = false;  // the event is for once
  attempt.is_ready = true;
  attempt.race.waiter_.wake();
}

ConnectOptions Race::clamp_options(ConnectOptions options) noexcept {
  options.resolution_delay = detail::clamp_option(options.resolution_delay);
  options.attempt_delay = detail::clamp_option(options.attempt_delay);
  return options;
}

std::error_code Race::ask(ResolverState& state, std::string_view host, std::uint16_t port) {
  port_ = port;
  return inquiry_.start(state, host, options_.family);
}

void Race::add(const Address& address) {
  if (address.family() == AF_INET6) waiting_[0].push_back(address);
  if (address.family() == AF_INET) waiting_[1].push_back(address);
}

// IPv4 alone waits for IPv6 at first.
void Race::take_answers() {
  for (std::size_t i = 0; i < is_taken_.size(); ++i) {
    const Question* const question = inquiry_.question(i);
    if (question == nullptr || !question->is_answered || is_taken_[i]) continue;
    is_taken_[i] = true;
    for (Address address : question->addresses) {
      address.set_port(port_);
      add(address);
    }
    if (has_started_) continue;
    next_start_ = inquiry_.is_answered() || i == 0
                      ? TimePoint{}
                      : corothread::read_clock() + options_.resolution_delay;
  }
}

// The families take turns while both have some.
Address Race::next_address() {
  if (waiting_[next_family_].empty()) next_family_ = 1 - next_family_;
  const Address address = waiting_[next_family_].front();
  waiting_[next_family_].pop_front();
  next_family_ = 1 - next_family_;
  return address;
}

void Race::note_failure(int error) noexcept {
  if (!error_ || is_unroutable(error_)) {
    const std::error_code failure = system_error(error);
    if (!error_ || !is_unroutable(failure)) error_ = failure;
  }
  next_start_ = {};
}

// Begins an attempt; returns it if it has succeeded at once.
std::unique_ptr<Race::Attempt> Race::start_next() {
  const Address address = next_address();
  has_started_ = true;
  auto attempt = std::make_unique<Attempt>(*this, open_socket(address.family()));
  int error = begin_to_connect(attempt->socket.get(), address);
  if (error == 0) return attempt;
  if (error == EINPROGRESS) error = attempt->watch();
  if (error != 0) {
    note_failure(error);
    return nullptr;
  }
  next_start_ = corothread::read_clock() + options_.attempt_delay;
  attempts_.push_back(std::move(attempt));
  return nullptr;
}

// Takes the attempts that have ended out; returns one that has succeeded.
std::unique_ptr<Race::Attempt> Race::settle() noexcept {
  std::unique_ptr<Attempt> winner;
  std::erase_if(attempts_, [&](std::unique_ptr<Attempt>& each) {
    if (!each->is_ready || winner != nullptr) return false;
    const int error = connect_error(each->socket.get());
    if (error != 0) {
      note_failure(error);
    } else {
      winner = std::move(each);
    }
    return true;
  });
  return winner;
}

// Until something has happened, or the next attempt is due.
std::error_code Race::wait() {
  if (!patience_.may_wait()) return to_error(corothread::Wake::timed_out);
  const TimePoint due = has_waiting() ? next_start_ : never;
  Patience until_due{std::min(due, patience_.deadline())};
  const auto error = waiter_.wait(until_due, "connect");
  const bool goes_on = error == std::errc::timed_out && due < patience_.deadline();
  return goes_on ? std::error_code{} : error;
}

Result<Socket> Race::finish(Attempt& winner) noexcept {
  return Socket::adopt(core_.loop(), winner.socket.release());
}

Result<Socket> Race::run() {
  while (true) {
    take_answers();
    std::unique_ptr<Attempt> winner = settle();
    if (winner == nullptr && has_waiting() && corothread::read_clock() >= next_start_) {
      winner = start_next();
      if (winner == nullptr) continue;
    }
    if (winner != nullptr) return finish(*winner);
    if (is_over()) break;
    if (const auto error = wait()) return error;
  }
  if (!error_) error_ = inquiry_.error();
  return error_ ? error_ : system_error(EDESTADDRREQ);
}

}  // namespace detail

Result<Socket> connect(std::string_view host, std::uint16_t port, Timeout timeout) {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  if (loop->core().is_foreign()) return Errc::parents_loop;
  return connect(Resolver::of(*loop), host, port, {}, timeout);
}

Result<Socket> connect(Resolver& resolver, std::string_view host, std::uint16_t port,
                       const ConnectOptions& options, Timeout timeout) {
  detail::ResolverState& state = resolver.state();
  if (const auto error = state.admit()) return error;
  if (const auto numeric = detail::parse_host(host, port)) {
    const bool is_other = options.family != AF_UNSPEC && options.family != numeric->family();
    if (is_other) return ResolveErrc::no_data;
    return connect(*numeric, timeout);
  }
  detail::Race race{*state.core(), options, timeout};
  if (const auto error = race.ask(state, host, port)) return error;
  return race.run();
}

Result<Socket> connect_any(std::span<const Address> addresses, const ConnectOptions& options,
                           Timeout timeout) {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  if (const auto error = detail::admit(&loop->core())) return error;
  detail::Race race{loop->core(), options, timeout};
  for (const Address& each : addresses) {
    const bool is_wanted = options.family == AF_UNSPEC || options.family == each.family();
    if (is_wanted) race.add(each);
  }
  return race.run();
}

}  // namespace evcoro
