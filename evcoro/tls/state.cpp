#include <evcoro/tls/detail/state.hpp>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>

#include <evcoro/error.hpp>
#include <evcoro/tls/detail/claim.hpp>
#include <evcoro/tls/detail/openssl_stack.hpp>
#include <evcoro/tls/error.hpp>

namespace evcoro::detail {
namespace {

// A record, with what it has beside its data (RFC 8446, 5.2; RFC 5246, 6.2.3), and a bit.
constexpr std::size_t block_size = 17 * 1024;

// One record's data at a time.
constexpr std::size_t most_at_once = SSL3_RT_MAX_PLAIN_LENGTH;

// Answers that a peer may leave unread.
constexpr std::size_t most_unsent_answers = 64 * 1024;

bool is_ip_address(const std::string& text) noexcept {
  unsigned char buffer[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, text.c_str(), buffer) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), buffer) == 1;
}

bool is_timeout(std::error_code error) noexcept { return error == std::errc::timed_out; }

}  // namespace

// Hold keeps the state while a thread is in one of its operations.
class TlsState::Hold {
 public:
  explicit Hold(TlsState& state) noexcept : state_(state) { ++state_.references_; }
  ~Hold() {
    if (--state_.references_ == 0) delete &state_;
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  TlsState& state_;
};

// Step is what a call of OpenSSL has come to.
struct TlsState::Step {
  enum class Outcome { done, wants_input, ended, failed };
  Outcome outcome;
  std::size_t count = 0;
  std::error_code error = {};
};

// call calls OpenSSL, on its stack. Its queue of errors is the OS thread's: nobody else must come
// between the call and the questions.
template <class Call>
TlsState::Step TlsState::step(Call call) noexcept {
  Step done{Step::Outcome::failed};
  const auto error = on_openssl_stack(core_->rules().stack_size, [&] {
    ::ERR_clear_error();
    std::size_t count = 0;
    const int result = call(count);
    done = judge(result, count);
  });
  if (error) done.error = error;
  return done;
}

// --- making and ending ---

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
  SSL_set_app_data(state->ssl(), state.get());
  if (!state->attach_bio()) {
    state->failure_ = system_error(ENOMEM);
  } else if (!state->core_->is_server()) {
    state->failure_ = state->prepare_client(server_name, socket.peer_address().port());
  }
  state->socket_ = std::move(socket);
  return state.release();
}

// Who is asked for, and verified.
std::error_code TlsState::prepare_client(std::string_view server_name, std::uint16_t port) {
  std::string name{server_name};
  const bool is_named = !name.empty();
  if (is_named && name.ends_with('.')) name.pop_back();  // RFC 6066, 3: without the last dot
  if (name.find('\0') != name.npos) return TlsErrc::bad_server_name;
  if (!is_named) return core_->verifies_server() ? TlsErrc::no_server_name : std::error_code{};
  ::ERR_clear_error();
  if (is_ip_address(name)) {
    X509_VERIFY_PARAM* const rules = ::SSL_get0_param(ssl());
    if (::X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) != 1) return TlsErrc::bad_server_name;
  } else {
    ::SSL_set_hostflags(ssl(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (::SSL_set1_host(ssl(), name.c_str()) != 1) return TlsErrc::bad_server_name;
    if (SSL_set_tlsext_host_name(ssl(), name.c_str()) != 1) return TlsErrc::bad_server_name;
  }
  if (!core_->sessions().is_off()) {
    session_key_ = name + ':' + std::to_string(port);
    resume_session();
  }
  return {};
}

void TlsState::resume_session() noexcept {
  if (const auto session = core_->sessions().take(session_key_)) {
    ::SSL_set_session(ssl(), session.get());  // without memory: a full handshake
  }
}

TlsState::~TlsState() {
  static_cast<void>(on_openssl_stack(core_->rules().stack_size, [&] { ssl_ = nullptr; }));
  if (!was_counted_ && handshake_deadline_ != never) core_->count_handshake(false, false);
}

// What can't be sent at once is not sent. In whatever thread, or outside of one: so directly.
void TlsState::close() noexcept {
  const Hold hold{*this};
  --references_;
  if (is_ready_ && !failure_ && !has_notified_ && !is_writing_ && sending_.empty()) {
    shut_down();
    if (!output_.empty()) {
      static_cast<void>(::send(socket_.native_handle(), output_.data(), output_.size(),
                               MSG_DONTWAIT | MSG_NOSIGNAL));
    }
  }
  failure_ = system_error(EBADF);
  socket_.close();
}

// --- the handshake ---

std::error_code TlsState::handshake(Timeout timeout) noexcept {
  if (is_ready_) return {};
  if (failure_) return failure_;
  const Hold hold{*this};
  const Claim reading{is_reading_};
  if (!reading) return Errc::second_reader;
  const Claim writing{is_writing_};
  if (!writing) return Errc::second_writer;
  if (handshake_deadline_ == never) {
    handshake_deadline_ = Timeout{core_->rules().handshake_timeout}.deadline();
  }
  Patience patience{timeout.may_wait() ? Timeout{std::min(timeout.deadline(), handshake_deadline_)}
                                       : timeout};
  return shake_hands(patience);
}

std::error_code TlsState::shake_hands(Patience& patience) noexcept {
  while (true) {
    Step done{Step::Outcome::wants_input};
    if (!is_starved_) done = step([&](std::size_t&) { return ::SSL_do_handshake(ssl()); });
    if (done.outcome == Step::Outcome::failed) {
      Patience none{no_wait};
      static_cast<void>(flush(none));  // the alert
      return finish_handshake(done.error);
    }
    if (const auto error = flush(patience)) return error;
    if (done.outcome == Step::Outcome::done) return finish_handshake({});
    if (const auto error = receive_more(patience)) return error;
  }
}

std::error_code TlsState::finish_handshake(std::error_code error) noexcept {
  was_counted_ = true;
  core_->count_handshake(!error, ::SSL_session_reused(ssl()) == 1);
  is_ready_ = !error;
  failure_ = error;
  return error;
}

// --- data ---

std::error_code TlsState::ready_for_data(Timeout timeout) noexcept {
  if (failure_) return failure_;
  return is_ready_ ? std::error_code{} : handshake(timeout);
}

IoResult TlsState::recv(std::span<std::byte> buffer, Timeout timeout) noexcept {
  const Hold hold{*this};
  Patience patience{timeout};
  if (const auto error = ready_for_data(is_ready_ ? timeout : patience.rest())) return {0, error};
  const Claim reading{is_reading_};
  if (!reading) return {0, Errc::second_reader};
  if (buffer.empty()) return {};
  return receive(buffer, patience);
}

IoResult TlsState::receive(std::span<std::byte> buffer, Patience& patience) noexcept {
  while (true) {
    if (!is_starved_) {
      const Step done = read(buffer);
      if (done.outcome == Step::Outcome::failed) return {0, done.error};
      if (done.outcome != Step::Outcome::wants_input) return {done.count};
    }
    if (const auto error = receive_more(patience)) return {0, error};
    if (failure_) return {0, failure_};  // closed meanwhile, or broken by who sends
  }
}

TlsState::Step TlsState::read(std::span<std::byte> buffer) noexcept {
  Step done = step([&](std::size_t& count) {
    return ::SSL_read_ex(ssl(), buffer.data(), buffer.size(), &count);
  });
  if (done.outcome == Step::Outcome::done) {
    is_starved_ = input_.empty() && ::SSL_has_pending(ssl()) == 0;
    if (input_.empty()) block_ = nullptr;
  }
  if (done.outcome == Step::Outcome::failed) failure_ = done.error;
  const auto error = answer();
  if (error && !failure_) done = {Step::Outcome::failed, 0, failure_ = error};
  return done;
}

// What is read may have made something to be sent: an alert. Nobody waits for that to go.
std::error_code TlsState::answer() noexcept {
  if (output_.empty()) return {};
  const Claim writing{is_writing_};
  if (!writing)
    return output_.size() > most_unsent_answers ? TlsErrc::not_reading : std::error_code{};
  Patience none{no_wait};
  static_cast<void>(flush(none));
  return output_.size() > most_unsent_answers ? TlsErrc::not_reading : std::error_code{};
}

IoResult TlsState::send(std::span<const std::byte> data, Timeout timeout) noexcept {
  const Hold hold{*this};
  Patience patience{timeout};
  if (const auto error = ready_for_data(is_ready_ ? timeout : patience.rest())) return {0, error};
  const Claim writing{is_writing_};
  if (!writing) return {0, Errc::second_writer};
  if (has_notified_) return {0, TlsErrc::closed};
  if (const auto error = flush(patience)) return {0, error};
  std::size_t count = 0;
  while (count < data.size()) {
    if (failure_) return {count, failure_};
    const auto piece = data.subspan(count, std::min(most_at_once, data.size() - count));
    if (const auto error = encrypt(piece)) return {count, error};
    count += piece.size();
    if (const auto error = flush(patience)) return {count, error};
  }
  return {count};
}

std::error_code TlsState::encrypt(std::span<const std::byte> data) noexcept {
  const Step done = step(
      [&](std::size_t& count) { return ::SSL_write_ex(ssl(), data.data(), data.size(), &count); });
  if (done.outcome != Step::Outcome::done) {
    failure_ = done.error ? done.error : system_error(EPROTO);
  }
  return failure_;
}

std::error_code TlsState::close_notify(Timeout timeout) noexcept {
  const Hold hold{*this};
  if (failure_) return failure_;
  if (!is_ready_) return system_error(ENOTCONN);
  const Claim writing{is_writing_};
  if (!writing) return Errc::second_writer;
  Patience patience{timeout};
  if (!has_notified_) shut_down();
  return flush(patience);
}

// What it returns is whether the peer has done so, too.
void TlsState::shut_down() noexcept {
  has_notified_ = true;
  static_cast<void>(step([&](std::size_t&) { return ::SSL_shutdown(ssl()) < 0 ? -1 : 1; }));
}

// --- between OpenSSL and the socket ---

std::error_code TlsState::wait_readable(Timeout timeout) noexcept {
  const Hold hold{*this};
  if (const auto error = ready_for_data(timeout)) return error;
  if (is_reading_) return Errc::second_reader;
  return may_have_input() ? std::error_code{} : socket_.wait_readable(timeout);
}

bool TlsState::may_have_input() const noexcept {
  return !is_starved_ && (!input_.empty() || ::SSL_has_pending(ssl()) == 1);
}

// While it waits there is no buffer.
std::error_code TlsState::receive_more(Patience& patience) noexcept {
  block_ = nullptr;
  input_ = {};
  while (true) {
    if (patience.may_wait()) {
      if (const auto error = socket_.wait_readable(patience.rest())) return error;
    }
    const auto error = receive_input(no_wait);
    if (!is_timeout(error) || !patience.may_wait()) return error;
  }
}

std::error_code TlsState::receive_input(Timeout timeout) noexcept {
  block_.reset(new (std::nothrow) std::byte[block_size]);
  if (block_ == nullptr) return system_error(ENOMEM);
  const IoResult in = socket_.recv({block_.get(), block_size}, timeout);
  if (in.count == 0) block_ = nullptr;
  if (in.error) return in.error;
  input_ = {block_.get(), in.count};
  is_at_end_ = in.count == 0;
  is_starved_ = false;
  return {};
}

// Who calls has the right to write. Meanwhile who reads may add to output_.
std::error_code TlsState::flush(Patience& patience) noexcept {
  while (true) {
    if (sending_.empty()) {
      if (output_.empty()) return {};
      sending_.swap(output_);
      sent_ = 0;
    }
    const IoResult out = socket_.send(std::span{sending_}.subspan(sent_), patience.rest());
    sent_ += out.count;
    if (sent_ < sending_.size()) return out.error ? out.error : system_error(EIO);
    sending_ = {};
  }
}

TlsState::Step TlsState::judge(int result, std::size_t count) noexcept {
  using Outcome = Step::Outcome;
  if (result > 0) return {Outcome::done, count};
  const int error = ::SSL_get_error(ssl(), result);
  switch (error) {
    case SSL_ERROR_WANT_READ:
      is_starved_ = true;
      return {Outcome::wants_input};
    case SSL_ERROR_ZERO_RETURN:
      return {Outcome::ended};
    default:
      return {Outcome::failed, 0, reason_of_failure(*ssl_, error)};
  }
}

// --- the BIO ---

BIO_METHOD* TlsState::bio_method() noexcept {
  static const Openssl<BIO_METHOD> method = [] {
    Openssl<BIO_METHOD> made{
        ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "evcoro")};
    if (made != nullptr) {
      ::BIO_meth_set_read(made.get(), read_bio);
      ::BIO_meth_set_write(made.get(), write_bio);
      ::BIO_meth_set_ctrl(made.get(), control_bio);
    }
    return made;
  }();
  return method.get();
}

bool TlsState::attach_bio() noexcept {
  BIO_METHOD* const method = bio_method();
  BIO* const bio = method == nullptr ? nullptr : ::BIO_new(method);
  if (bio == nullptr) return false;
  ::BIO_set_data(bio, this);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl(), bio, bio);
  return true;
}

int TlsState::read_bio(BIO* bio, char* buffer, int size) noexcept {
  auto& self = *static_cast<TlsState*>(::BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::size_t count =
      std::min(static_cast<std::size_t>(std::max(size, 0)), self.input_.size());
  if (count == 0) {
    if (self.is_at_end_) return 0;
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(buffer, self.input_.data(), count);
  self.input_ = self.input_.subspan(count);
  return static_cast<int>(count);
}

int TlsState::write_bio(BIO* bio, const char* data, int size) noexcept {
  auto& self = *static_cast<TlsState*>(::BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const auto bytes = std::as_bytes(std::span{data, static_cast<std::size_t>(std::max(size, 0))});
  try {
    self.output_.insert(self.output_.end(), bytes.begin(), bytes.end());
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
    return -1;
  }
  return size;
}

long TlsState::control_bio(BIO* bio, int command, long, void*) noexcept {
  const auto& self = *static_cast<const TlsState*>(::BIO_get_data(bio));
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return self.is_at_end_ && self.input_.empty() ? 1 : 0;
  return 0;
}

}  // namespace evcoro::detail
