// TlsState: its beginning, the handshake, its end.
#include <evcoro/tls/detail/state.hpp>

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include <evcoro/detail/process.hpp>
#include <evcoro/error.hpp>
#include <evcoro/tls/detail/names.hpp>
#include <evcoro/tls/error.hpp>

namespace evcoro::detail {

// --- making ---

TlsState::TlsState(std::shared_ptr<TlsCore> core, Openssl<SSL> ssl) noexcept
    : core_(std::move(core)), ssl_(std::move(ssl)), process_(watch_forks()) {}

TlsState* TlsState::make(Socket& socket, std::shared_ptr<TlsCore> core,
                         std::string_view server_name,
                         std::span<const std::byte> received) noexcept {
  TlsState* made = nullptr;
  const std::size_t stack_size = core->rules().stack_size;
  static_cast<void>(on_openssl_stack(stack_size, [&] {
    try {
      made = make_here(socket, std::move(core), server_name, received);
    } catch (const std::bad_alloc&) {
    }
  }));
  return made;
}

TlsState* TlsState::make_here(Socket& socket, std::shared_ptr<TlsCore> core,
                              std::string_view server_name, std::span<const std::byte> received) {
  Openssl<SSL> ssl = core->make_ssl();
  if (ssl == nullptr) return nullptr;
  std::unique_ptr<std::byte[]> block;
  if (!received.empty()) {
    block = std::make_unique<std::byte[]>(received.size());
    std::memcpy(block.get(), received.data(), received.size());
  }
  std::unique_ptr<TlsState> state{new TlsState(std::move(core), std::move(ssl))};
  state->block_ = std::move(block);
  state->input_ = {state->block_.get(), received.size()};
  state->failure_ = state->attach();
  if (!state->failure_ && !state->core_->is_server()) {
    state->failure_ = state->prepare_client(server_name, socket.peer_address().port());
  }
  state->socket_ = std::move(socket);
  return state.release();
}

std::error_code TlsState::attach() noexcept {
  BIO_METHOD* const method = bio_method();
  BIO* const bio = method == nullptr ? nullptr : ::BIO_new(method);
  if (bio == nullptr) return system_error(ENOMEM);
  ::BIO_set_data(bio, this);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl(), bio, bio);
  return SSL_set_app_data(ssl(), this) == 1 ? std::error_code{} : system_error(ENOMEM);
}

std::error_code TlsState::prepare_client(std::string_view server_name, std::uint16_t port) {
  if (server_name.empty()) {
    return core_->verifies_server() ? TlsErrc::no_server_name : std::error_code{};
  }
  if (server_name.ends_with('.')) server_name.remove_suffix(1);  // RFC 6066, 3
  const std::string name{server_name};
  if (const auto error = mean(name)) return error;
  if (!core_->sessions().is_off()) {
    session_key_ = name + ':' + std::to_string(port);
    resume_session();
  }
  return {};
}

// Asks for a name, and verifies it.
std::error_code TlsState::mean(const std::string& name) noexcept {
  ::ERR_clear_error();
  if (is_ip_address(name)) {
    X509_VERIFY_PARAM* const rules = ::SSL_get0_param(ssl());
    if (::X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1) return {};
    return take_openssl_error();
  }
  if (!is_host_name(name)) return TlsErrc::bad_server_name;
  ::SSL_set_hostflags(ssl(),
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const bool is_set = ::SSL_set1_host(ssl(), name.c_str()) == 1 &&
                      SSL_set_tlsext_host_name(ssl(), name.c_str()) == 1;
  return is_set ? std::error_code{} : take_openssl_error();
}

void TlsState::resume_session() noexcept {
  if (const auto session = core_->sessions().take(session_key_)) {
    ::SSL_set_session(ssl(), session.get());  // without memory: a full handshake
  }
}

// --- ending ---

TlsState::~TlsState() {
  if (has_begun_ && !is_ready_ && !failure_) core_->count_handshake(false, false);
  static_cast<void>(on_openssl_stack(core_->rules().stack_size, [&] { ssl_ = nullptr; }));
}

// What can't be sent at once is not sent. A child process must say nothing: the connection is its
// parent's.
void TlsState::close() noexcept {
  const Hold hold{*this};
  --references_;
  const bool is_open = is_ready_ && !failure_ && !has_notified_ && !is_writing_;
  if (is_open && sending_.empty() && ::SSL_in_init(ssl()) == 0 && watch_forks() == process_) {
    has_notified_ = true;
    static_cast<void>(step([&](std::size_t&) { return ::SSL_shutdown(ssl()) < 0 ? -1 : 1; }));
    send_at_once();
  }
  if (has_begun_ && !is_ready_ && !failure_) core_->count_handshake(false, false);
  failure_ = system_error(EBADF);
  socket_.close();
}

// --- the handshake ---

std::error_code TlsState::handshake(Timeout timeout) noexcept {
  const Hold hold{*this};
  Patience patience{timeout};
  return shake_hands(patience);
}

// One thread takes the steps; others, which want to receive or send, wait for it, and take over if
// it gives up.
std::error_code TlsState::shake_hands(Patience& patience) noexcept {
  if (const auto error = wait_for_others(patience)) return error;
  if (failure_ || is_ready_) return failure_;
  if (const auto error = socket_.admit_recv()) return error;
  if (const auto error = socket_.admit_send()) return error;
  if (!std::exchange(has_begun_, true)) {
    handshake_deadline_ = Timeout{core_->rules().handshake_timeout}.deadline();
  }
  if (is_too_late()) return finish_handshake(TlsErrc::handshake_timeout);
  is_shaking_ = true;
  handshake_over_.reset();
  Patience shorter{patience.may_wait() ? Timeout{std::min(patience.deadline(), handshake_deadline_)}
                                       : no_wait};
  std::error_code error = take_steps(shorter);
  if (error == std::errc::timed_out && !failure_ && is_too_late()) {
    error = finish_handshake(TlsErrc::handshake_timeout);
  }
  is_shaking_ = false;
  handshake_over_.set();
  return error;
}

std::error_code TlsState::wait_for_others(Patience& patience) noexcept {
  while (is_shaking_) {
    if (const auto error = handshake_over_.wait(patience.rest())) return error;
  }
  return {};
}

bool TlsState::is_too_late() const noexcept {
  return handshake_deadline_ != never && Clock::now() >= handshake_deadline_;
}

std::error_code TlsState::take_steps(Patience& patience) noexcept {
  while (true) {
    Step done{Step::Outcome::wants_input};
    if (!is_starved_) done = step([&](std::size_t&) { return ::SSL_do_handshake(ssl()); });
    if (done.outcome == Step::Outcome::ended) done.error = TlsErrc::truncated;
    if (done.error) {
      send_at_once();  // the alert
      return finish_handshake(done.error);
    }
    const bool is_done = done.outcome == Step::Outcome::done;
    if (is_done && may_send_later()) return finish_handshake({});
    if (const auto error = flush(patience)) return error;
    if (failure_) return failure_;  // closed meanwhile
    if (is_done) return finish_handshake({});
    if (const auto error = receive_more(patience)) return error;
    if (failure_) return failure_;
  }
}

// In TLS 1.3 a server ends with tickets, which nobody waits for. When the client has gone on
// already they go with the answer to that, or before the next wait for input.
bool TlsState::may_send_later() const noexcept {
  return core_->is_server() && ::SSL_version(ssl()) == TLS1_3_VERSION && sending_.empty() &&
         may_have_input();
}

std::error_code TlsState::finish_handshake(std::error_code error) noexcept {
  const bool is_resumed = ::SSL_session_reused(ssl()) == 1;
  core_->count_handshake(!error, is_resumed);
  is_ready_ = !error;
  failure_ = error;
  if (input_.empty()) block_ = nullptr;  // for what may be a long time
  // In TLS 1.2 OpenSSL doesn't tell of a ticket that was renewed.
  if (is_ready_ && is_resumed && !session_key_.empty() && ::SSL_version(ssl()) == TLS1_2_VERSION) {
    core_->keep_session(*ssl_, Openssl<SSL_SESSION>{::SSL_get1_session(ssl())});
  }
  return error;
}

}  // namespace evcoro::detail
