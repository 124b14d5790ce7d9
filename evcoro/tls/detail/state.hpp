// TlsState: what a TlsSocket refers to: the socket, the SSL, and the bytes between both.
//
//     recv()   <--  SSL_read   <--  input_    <-- socket_.recv()
//     send()   -->  SSL_write  -->  output_   -->  sending_  -->  socket_.send()
//
// OpenSSL never touches the socket: it reads from input_, and when that is empty says that it wants
// more; and it writes to output_, which takes all. So its calls do not block, no coroutine is
// switched inside of one (its queue of errors is the OS thread's), one thread may read while
// another writes, and what was encrypted once is sent, whatever becomes of the call that had it
// encrypted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <evcoro/detail/patience.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/tls/detail/core.hpp>
#include <evcoro/tls/detail/openssl.hpp>
#include <evcoro/tls/detail/openssl_stack.hpp>

namespace evcoro::detail {

class TlsState {
 public:
  // make() returns nullptr without memory; the socket then stays the caller's. received is what has
  // come from the peer already.
  static TlsState* make(Socket& socket, std::shared_ptr<TlsCore> core, std::string_view server_name,
                        std::span<const std::byte> received) noexcept;

  // of() is the state that ssl belongs to.
  static TlsState& of(SSL& ssl) noexcept { return *static_cast<TlsState*>(SSL_get_app_data(&ssl)); }

  std::error_code handshake(Timeout timeout) noexcept;
  IoResult recv(std::span<std::byte> buffer, Timeout timeout) noexcept;
  IoResult send(std::span<const std::byte> data, Timeout timeout) noexcept;
  std::error_code wait_readable(Timeout timeout) noexcept;
  std::error_code close_notify(Timeout timeout) noexcept;

  // close() ends it; the object goes when no thread is in one of the above any more.
  void close() noexcept;

  Socket& socket() noexcept { return socket_; }
  SSL* ssl() const noexcept { return ssl_.get(); }
  bool is_ready() const noexcept { return is_ready_; }

  // session_key() is by whom a client's session is kept; "" if it isn't.
  const std::string& session_key() const noexcept { return session_key_; }

  // host() is whose certificate a server uses, requested_name() whom its client meant. nullptr, and
  // "", if that isn't known yet.
  const Host* host() const noexcept { return host_; }
  const std::string& requested_name() const noexcept { return requested_name_; }
  void set_host(const Host& host, std::shared_ptr<const Hosts> hosts, std::string name) noexcept {
    host_ = &host;
    hosts_ = std::move(hosts);
    requested_name_ = std::move(name);
  }

 private:
  class Hold;

  // Step is what a call of OpenSSL has come to.
  struct Step {
    enum class Outcome { done, wants_input, ended, failed };
    Outcome outcome;
    std::size_t count = 0;
    std::error_code error = {};
  };

  friend std::default_delete<TlsState>;

  TlsState(std::shared_ptr<TlsCore> core, Openssl<SSL> ssl) noexcept;
  ~TlsState();
  static TlsState* make_here(Socket& socket, std::shared_ptr<TlsCore> core,
                             std::string_view server_name, std::span<const std::byte> received);
  std::error_code attach() noexcept;
  std::error_code prepare_client(std::string_view server_name, std::uint16_t port);
  std::error_code mean(const std::string& name) noexcept;
  void resume_session() noexcept;

  // The handshake.
  std::error_code wait_for_others(Patience& patience) noexcept;
  std::error_code shake_hands(Patience& patience) noexcept;
  std::error_code take_steps(Patience& patience) noexcept;
  bool may_send_later() const noexcept;
  std::error_code finish_handshake(std::error_code error) noexcept;
  bool is_too_late() const noexcept;

  // Data.
  std::error_code be_ready(Patience& patience) noexcept;
  IoResult receive(std::span<std::byte> buffer, Patience& patience) noexcept;
  Step read(std::span<std::byte> buffer) noexcept;
  std::error_code encrypt(std::span<const std::byte> data, Patience& patience) noexcept;
  std::error_code get_input_to_write(Patience& patience) noexcept;
  void let_other_pass() noexcept;
  std::error_code shut_down(Patience& patience) noexcept;

  // Between OpenSSL and the socket.
  bool may_have_input() const noexcept;
  std::error_code receive_more(Patience& patience) noexcept;
  std::error_code receive_input() noexcept;
  std::error_code flush(Patience& patience) noexcept;
  void send_at_once() noexcept;

  // step() calls OpenSSL, on its stack: call(count) is what its call returns. The queue of errors
  // is the OS thread's: nobody else must come between the call and the questions.
  template <class Call>
  Step step(Call call) noexcept {
    Step done{Step::Outcome::failed};
    const auto error = on_openssl_stack(core_->rules().stack_size, [&] {
      std::size_t count = 0;
      clear_errors();
      const int result = call(count);
      done = judge(result, count);
    });
    if (error) done.error = error;
    return done;
  }
  static void clear_errors() noexcept;
  Step judge(int result, std::size_t count) noexcept;

  static BIO_METHOD* bio_method() noexcept;
  static int read_bio(BIO* bio, char* buffer, int size) noexcept;
  static int write_bio(BIO* bio, const char* data, int size) noexcept;
  static long control_bio(BIO* bio, int command, long, void*) noexcept;

  const std::shared_ptr<TlsCore> core_;
  Socket socket_;
  Openssl<SSL> ssl_;
  std::shared_ptr<const Hosts> hosts_;
  const Host* host_ = nullptr;  // one of hosts_
  std::string requested_name_;
  std::string session_key_;
  const int process_;  // that made it: in a child of that, nothing is sent

  int references_ = 1;
  bool is_ready_ = false;       // the handshake has succeeded
  bool has_begun_ = false;      // the handshake
  bool is_shaking_ = false;     // a thread is in the handshake
  bool is_reading_ = false;     // a thread is in recv()
  bool is_writing_ = false;     // a thread is in send()
  bool is_helped_ = false;      // the thread in send() receives
  bool has_bystander_ = false;  // the other of both waits for what this one does
  bool is_starved_ = false;     // OpenSSL wants more than it has got
  bool is_at_end_ = false;      // the socket's stream has ended
  bool has_ended_ = false;      // close_notify has come
  bool has_notified_ = false;   // close_notify was made
  TimePoint handshake_deadline_ = never;
  std::error_code failure_;                     // why it can't be used any more
  Event handshake_over_{Event::Reset::manual};  // is_shaking_ has become false
  Event passed_by_;                             // for the bystander

  std::unique_ptr<std::byte[]> block_;  // what input_ is in
  std::span<const std::byte> input_;    // received, and not taken by OpenSSL
  std::vector<std::byte> output_;       // encrypted since
  std::vector<std::byte> sending_;      // encrypted before, and being sent
  std::size_t sent_ = 0;                // of sending_
};

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

}  // namespace evcoro::detail
