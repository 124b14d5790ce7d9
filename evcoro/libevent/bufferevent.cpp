#include <evcoro/libevent/bufferevent.hpp>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include <evcoro/detail/bufferevent_libevent.hpp>
#include <evcoro/libevent/evdns.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace detail {
namespace {

std::error_code cancelled() noexcept { return to_error(corothread::Wake::cancelled); }

// error_of() is why a bufferevent failed. OpenSSL doesn't set errno.
std::error_code error_of(bufferevent* bev, int number) noexcept {
  const int dns_error = bufferevent_socket_get_dns_error(bev);
  if (dns_error != 0) return {dns_error, gai_category()};
  const bool is_stale = number == 0 || number == EAGAIN || number == EINPROGRESS;
  return system_error(is_stale ? EPROTO : number);
}

}  // namespace

// Hold keeps the state while an operation is under way: its handle may go meanwhile.
struct BuffereventState::Hold {
  explicit Hold(BuffereventState& held) noexcept : state(held) { ++state.references_; }
  ~Hold() { state.drop(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  BuffereventState& state;
};

// OutputWatch has the writer woken when an output buffer shrinks: the bufferevent's, or one below.
class BuffereventState::OutputWatch {
 public:
  explicit OutputWatch(BuffereventState& state) noexcept : bev_(state.bev_) {
    bufferevent_incref(bev_);  // the stream may be closed meanwhile
    auto place = watched_.begin();
    for (bufferevent* level = state.bev_; level != nullptr && place != watched_.end(); ++place) {
      place->buffer = bufferevent_get_output(level);
      place->entry = evbuffer_add_cb(place->buffer, on_output, &state);
      level = bufferevent_get_underlying(level);
    }
  }
  ~OutputWatch() {
    for (const Watched& each : watched_) {
      if (each.entry != nullptr) evbuffer_remove_cb_entry(each.buffer, each.entry);
    }
    bufferevent_decref(bev_);
  }
  OutputWatch(const OutputWatch&) = delete;
  OutputWatch& operator=(const OutputWatch&) = delete;

 private:
  struct Watched {
    evbuffer* buffer = nullptr;
    evbuffer_cb_entry* entry = nullptr;
  };
  bufferevent* bev_;
  std::array<Watched, 8> watched_;  // filters upon filters; what lies deeper wakes nobody
};

BuffereventState::BuffereventState(LoopCore& core, bufferevent* bev,
                                   BuffereventOptions options) noexcept
    : core_(&core), bev_(bev), options_(options) {
  bufferevent_incref(bev);
  bufferevent_getcb(bev, &before_.read, &before_.write, &before_.event, &before_.argument);
  bufferevent_getwatermark(bev, EV_READ, &before_.low, &before_.high);
  before_.enabled = bufferevent_get_enabled(bev);
  before_.read_timeout = bev->timeout_read;
  before_.write_timeout = bev->timeout_write;
  bufferevent_setcb(bev, on_read, nullptr, on_event, this);
  bufferevent_set_timeouts(bev, nullptr, nullptr);
  limit_input(options_.input_limit);
  core.add_client(*this);
}

// --- what libevent tells ---

void BuffereventState::on_read(bufferevent*, void* self) noexcept {
  static_cast<BuffereventState*>(self)->reading_.waiter.wake();
}

void BuffereventState::on_output(evbuffer*, const evbuffer_cb_info* change, void* self) noexcept {
  if (change->n_deleted != 0) static_cast<BuffereventState*>(self)->writing_.waiter.wake();
}

void BuffereventState::on_event(bufferevent*, short what, void* self) noexcept {
  const int number = errno;
  auto& state = *static_cast<BuffereventState*>(self);
  state.ends_ |= what & (BEV_EVENT_EOF | BEV_EVENT_ERROR);
  if ((what & BEV_EVENT_CONNECTED) != 0) state.is_connected_ = true;
  if ((what & BEV_EVENT_EOF) != 0) {
    if ((what & BEV_EVENT_WRITING) == 0) state.has_closed_ = true;
    if ((what & BEV_EVENT_WRITING) != 0) state.writing_.error = system_error(EPIPE);
  }
  if ((what & BEV_EVENT_ERROR) != 0) {
    errno = number;
    state.note_error(what);
  }
  if ((what & BEV_EVENT_TIMEOUT) != 0) {
    Side& side = (what & BEV_EVENT_READING) != 0 ? state.reading_ : state.writing_;
    side.timed_out = true;
    side.is_enabled = false;
  }
  state.wake_both();
}

// What concerns one direction of a socket may concern both with OpenSSL: whoever waits in the other
// one enables it again, and so finds out.
void BuffereventState::note_error(short what) noexcept {
  const std::error_code error = error_of(bev_, errno);
  if ((what & BEV_EVENT_WRITING) == 0) reading_.error = error;
  if ((what & BEV_EVENT_READING) == 0) writing_.error = error;
  reading_.is_enabled = false;
  writing_.is_enabled = false;
}

void BuffereventState::wake_both() noexcept {
  reading_.waiter.wake();
  writing_.waiter.wake();
}

// --- questions ---

bool BuffereventState::is_ours() const noexcept {
  void* argument = nullptr;
  bufferevent_getcb(bev_, nullptr, nullptr, nullptr, &argument);
  return argument == this;
}

std::error_code BuffereventState::still_there() const noexcept {
  if (bev_ == nullptr || !is_ours()) return cancelled();
  return core_ == nullptr ? make_error_code(Errc::no_loop) : std::error_code{};
}

std::error_code BuffereventState::admit_to(const Side& side, Errc busy) const noexcept {
  if (bev_ == nullptr && core_ != nullptr) return system_error(EBADF);
  if (const auto error = admit(core_)) return error;
  return side.waiter.is_taken() ? make_error_code(busy) : std::error_code{};
}

std::size_t BuffereventState::input_length() const noexcept {
  return evbuffer_get_length(bufferevent_get_input(bev_));
}

std::size_t BuffereventState::output_length() const noexcept {
  std::size_t length = 0;
  for (bufferevent* level = bev_; level != nullptr; level = bufferevent_get_underlying(level)) {
    length += evbuffer_get_length(bufferevent_get_output(level));
  }
  return length;
}

void BuffereventState::enable(Side& side, short direction) noexcept {
  if (!std::exchange(side.is_enabled, true)) bufferevent_enable(bev_, direction);
}

void BuffereventState::limit_input(std::size_t limit) noexcept {
  bufferevent_setwatermark(bev_, EV_READ, 0, limit);
}

// --- connecting ---

std::error_code BuffereventState::connect(const Address& address, Timeout timeout) noexcept {
  if (const auto error = admit_to(writing_, Errc::second_writer)) return error;
  const Hold hold{*this};
  Patience patience{timeout};
  errno = 0;
  if (bufferevent_socket_connect(bev_, address.data(), static_cast<int>(address.size())) != 0) {
    return system_error(errno != 0 ? errno : EINVAL);
  }
  return wait_for_connection(patience);
}

std::error_code BuffereventState::connect(evdns_base* dns, const char* host, std::uint16_t port,
                                          int family, Timeout timeout) noexcept {
  if (const auto error = admit_to(writing_, Errc::second_writer)) return error;
  if (dns == nullptr || host == nullptr) return system_error(EINVAL);
  const Hold hold{*this};
  Patience patience{timeout};
  if (bufferevent_socket_connect_hostname(bev_, dns, family, host, port) != 0) {
    return system_error(EINVAL);
  }
  return wait_for_connection(patience);
}

std::error_code BuffereventState::wait_until_connected(Timeout timeout) noexcept {
  if (const auto error = admit_to(writing_, Errc::second_writer)) return error;
  const Hold hold{*this};
  Patience patience{timeout};
  return wait_for_connection(patience);
}

std::error_code BuffereventState::wait_for_connection(Patience& patience) noexcept {
  while (true) {
    if (const auto error = still_there()) return error;
    if (is_connected_ || writing_.error) return writing_.error;
    if (has_ended()) return reading_.error ? reading_.error : system_error(ECONNRESET);
    if (const auto error = writing_.waiter.wait(patience, "bufferevent connect")) return error;
  }
}

// --- reading ---

std::error_code BuffereventState::wait_for_bytes(std::size_t size, Patience& patience) noexcept {
  while (true) {
    if (const auto error = still_there()) return error;
    if (input_length() < size && !has_ended()) enable(reading_, EV_READ);  // which may read
    if (input_length() >= size || has_ended()) return {};
    if (std::exchange(reading_.timed_out, false)) return to_error(corothread::Wake::timed_out);
    if (const auto error = reading_.waiter.wait(patience, "bufferevent read")) return error;
  }
}

IoResult BuffereventState::receive(std::span<std::byte> buffer, Timeout timeout) noexcept {
  if (const auto error = admit_to(reading_, Errc::second_reader)) return {0, error};
  if (buffer.empty()) return {};
  const Hold hold{*this};
  Patience patience{timeout};
  if (const auto error = wait_for_bytes(1, patience)) return {0, error};
  const std::size_t count = bufferevent_read(bev_, buffer.data(), buffer.size());
  if (count != 0 || has_closed_) return {count};
  return {0, reading_.error};
}

Result<std::size_t> BuffereventState::wait_for_input(std::size_t size, Timeout timeout) noexcept {
  if (const auto error = admit_to(reading_, Errc::second_reader)) return error;
  const Hold hold{*this};
  Patience patience{timeout};
  const bool is_more = options_.input_limit != 0 && size > options_.input_limit;
  if (is_more) limit_input(size);
  const std::error_code error = wait_for_bytes(size, patience);
  if (bev_ != nullptr && is_more && is_ours()) limit_input(options_.input_limit);
  if (error) return error;
  if (input_length() < size && !has_closed_) return reading_.error;
  return input_length();
}

// --- writing ---

std::error_code BuffereventState::wait_for_output(std::size_t most, Patience& patience) noexcept {
  while (true) {
    if (const auto error = still_there()) return error;
    enable(writing_, EV_WRITE);  // which may write
    if (writing_.error || output_length() <= most) return writing_.error;
    if (std::exchange(writing_.timed_out, false)) return to_error(corothread::Wake::timed_out);
    const OutputWatch watch{*this};
    if (const auto error = writing_.waiter.wait(patience, "bufferevent write")) return error;
  }
}

IoResult BuffereventState::send(std::span<const std::byte> data, Timeout timeout) noexcept {
  if (const auto error = admit_to(writing_, Errc::second_writer)) return {0, error};
  const Hold hold{*this};
  Patience patience{timeout};
  const std::size_t limit = std::max<std::size_t>(options_.output_limit, 1);
  for (std::size_t sent = 0;;) {
    // Once it is full, not each byte that leaves is worth a wake-up.
    const bool is_full = bev_ != nullptr && output_length() >= limit;
    if (const auto error = wait_for_output(is_full ? limit / 2 : limit - 1, patience)) {
      return {sent, error};
    }
    const auto part = data.subspan(sent, std::min(limit - output_length(), data.size() - sent));
    if (bufferevent_write(bev_, part.data(), part.size()) != 0) return {sent, system_error(ENOMEM)};
    sent += part.size();
    if (sent == data.size()) return {sent};
  }
}

std::error_code BuffereventState::drain(Timeout timeout) noexcept {
  if (const auto error = admit_to(writing_, Errc::second_writer)) return error;
  const Hold hold{*this};
  Patience patience{timeout};
  // A filter may keep something back. (One of a pair would outrun the other's watermark.)
  if (is_ours() && bufferevent_get_underlying(bev_) != nullptr) {
    bufferevent_flush(bev_, EV_WRITE, BEV_FLUSH);
  }
  return wait_for_output(0, patience);
}

// --- the end ---

void BuffereventState::restore() noexcept {
  bufferevent_setcb(bev_, before_.read, before_.write, before_.event, before_.argument);
  bufferevent_setwatermark(bev_, EV_READ, before_.low, before_.high);
  bufferevent_set_timeouts(bev_, &before_.read_timeout, &before_.write_timeout);
  bufferevent_disable(bev_, static_cast<short>(~before_.enabled & (EV_READ | EV_WRITE)));
  // What has ended is told once: enabled again, libevent would find the end again.
  const auto enabled = static_cast<short>((has_ended() ? 0 : before_.enabled & EV_READ) |
                                          (writing_.error ? 0 : before_.enabled & EV_WRITE));
  bufferevent_enable(bev_, enabled);
}

// The application's callbacks are not called at once: who releases need not expect that.
void BuffereventState::tell() noexcept {
  if ((before_.enabled & EV_READ) != 0 && input_length() != 0) {
    bufferevent_trigger(bev_, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
  }
  if (ends_ == 0) return;
  const std::error_code& error = reading_.error ? reading_.error : writing_.error;
  const auto directions = static_cast<short>((has_ended() ? BEV_EVENT_READING : 0) |
                                             (writing_.error ? BEV_EVENT_WRITING : 0));
  errno = error.category() == std::generic_category() ? error.value() : 0;
  bufferevent_trigger_event(bev_, ends_ | directions, BEV_TRIG_DEFER_CALLBACKS);
}

bufferevent* BuffereventState::release() noexcept {
  if (bev_ == nullptr) return nullptr;
  const bool is_parents = core_ != nullptr && core_->is_foreign();
  const bool is_there = is_parents || is_ours();
  if (is_there && !is_parents) {
    restore();
    tell();
  }
  if (!is_parents) bufferevent_decref(bev_);
  wake_both();
  LoopClient::unlink();
  bufferevent* const bev = std::exchange(bev_, nullptr);
  return is_there ? bev : nullptr;
}

void BuffereventState::close() noexcept {
  if (bev_ == nullptr) return;
  const bool is_parents = core_ != nullptr && core_->is_foreign();  // its epoll set, too
  if (!is_parents) {
    if (is_ours()) bufferevent_free(bev_);
    bufferevent_decref(bev_);
  }
  bev_ = nullptr;
  wake_both();
  LoopClient::unlink();
}

void BuffereventState::on_loop_gone() noexcept {
  if (core_->owns_base()) close();  // it can't outlive the base
  // What only we have enabled must not keep the base from running out of work.
  if (bev_ != nullptr && is_ours() && (before_.enabled & EV_READ) == 0) {
    bufferevent_disable(bev_, EV_READ);
  }
  core_ = nullptr;
}

}  // namespace detail

// --- the handle ---

namespace {

std::error_code no_bufferevent() noexcept { return detail::system_error(EBADF); }

}  // namespace

Result<BuffereventStream> BuffereventStream::adopt(Loop& loop, bufferevent* bev,
                                                   Options options) noexcept {
  if (bev == nullptr) return detail::system_error(EINVAL);
  if (loop.core().is_foreign()) return Errc::parents_loop;
  if (bufferevent_get_base(bev) != loop.base()) return Errc::wrong_loop;
  auto* const state = new (std::nothrow) detail::BuffereventState(loop.core(), bev, options);
  if (state == nullptr) return detail::system_error(ENOMEM);
  return BuffereventStream{*state};
}

std::error_code BuffereventStream::connect(const Address& address, Timeout timeout) noexcept {
  return state_ == nullptr ? no_bufferevent() : state_->connect(address, timeout);
}

std::error_code BuffereventStream::connect(evdns_base* dns, const char* host, std::uint16_t port,
                                           Timeout timeout, int family) noexcept {
  return state_ == nullptr ? no_bufferevent() : state_->connect(dns, host, port, family, timeout);
}

std::error_code BuffereventStream::wait_until_connected(Timeout timeout) noexcept {
  return state_ == nullptr ? no_bufferevent() : state_->wait_until_connected(timeout);
}

IoResult BuffereventStream::recv(std::span<std::byte> buffer, Timeout timeout) noexcept {
  return state_ == nullptr ? IoResult{0, no_bufferevent()} : state_->receive(buffer, timeout);
}

IoResult BuffereventStream::send(std::span<const std::byte> data, Timeout timeout) noexcept {
  return state_ == nullptr ? IoResult{0, no_bufferevent()} : state_->send(data, timeout);
}

std::error_code BuffereventStream::drain(Timeout timeout) noexcept {
  return state_ == nullptr ? no_bufferevent() : state_->drain(timeout);
}

Result<std::size_t> BuffereventStream::wait_for_input(std::size_t size, Timeout timeout) noexcept {
  if (state_ == nullptr) return no_bufferevent();
  return state_->wait_for_input(size, timeout);
}

bufferevent* BuffereventStream::get() const noexcept {
  return state_ == nullptr ? nullptr : state_->get();
}

bufferevent* BuffereventStream::release() noexcept {
  if (state_ == nullptr) return nullptr;
  bufferevent* const bev = state_->release();
  std::exchange(state_, nullptr)->drop();
  return bev;
}

void BuffereventStream::close() noexcept {
  if (state_ == nullptr) return;
  state_->close();
  std::exchange(state_, nullptr)->drop();
}

}  // namespace evcoro
