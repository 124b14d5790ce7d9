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
#include <evcoro/tls/detail/core.hpp>
#include <evcoro/tls/detail/openssl.hpp>

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

  // host() is whose certificate a server uses; nullptr if that isn't known yet.
  const Host* host() const noexcept { return host_; }
  void set_host(const Host& host, std::shared_ptr<const Hosts> hosts) noexcept {
    host_ = &host;
    hosts_ = std::move(hosts);
  }

 private:
  class Hold;
  struct Step;

  friend std::default_delete<TlsState>;

  TlsState(std::shared_ptr<TlsCore> core, Openssl<SSL> ssl) noexcept
      : core_(std::move(core)), ssl_(std::move(ssl)) {}
  ~TlsState();
  static TlsState* make_here(Socket& socket, std::shared_ptr<TlsCore> core,
                             std::string_view server_name, std::span<const std::byte> received);

  bool attach_bio() noexcept;
  std::error_code prepare_client(std::string_view server_name, std::uint16_t port);
  void resume_session() noexcept;

  std::error_code shake_hands(Patience& patience) noexcept;
  template <class Call>
  Step step(Call call) noexcept;
  std::error_code finish_handshake(std::error_code error) noexcept;
  std::error_code ready_for_data(Timeout timeout) noexcept;
  IoResult receive(std::span<std::byte> buffer, Patience& patience) noexcept;
  Step read(std::span<std::byte> buffer) noexcept;
  std::error_code receive_more(Patience& patience) noexcept;
  std::error_code receive_input(Timeout timeout) noexcept;
  bool may_have_input() const noexcept;
  std::error_code encrypt(std::span<const std::byte> data) noexcept;
  std::error_code flush(Patience& patience) noexcept;
  void shut_down() noexcept;
  std::error_code answer() noexcept;
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
  std::string session_key_;

  int references_ = 1;
  bool is_ready_ = false;      // the handshake has succeeded
  bool is_reading_ = false;    // a thread is in recv(), or in the handshake
  bool is_writing_ = false;    // a thread is in send(), or in the handshake, or sends an answer
  bool is_starved_ = false;    // OpenSSL wants more than it has got
  bool is_at_end_ = false;     // the socket's stream has ended
  bool has_notified_ = false;  // close_notify was made
  bool was_counted_ = false;   // among the context's handshakes
  TimePoint handshake_deadline_ = never;
  std::error_code failure_;  // why it can't be used any more

  std::unique_ptr<std::byte[]> block_;  // what input_ is in
  std::span<const std::byte> input_;    // received, and not taken by OpenSSL
  std::vector<std::byte> output_;       // encrypted since
  std::vector<std::byte> sending_;      // encrypted before, and being sent
  std::size_t sent_ = 0;                // of sending_
};

}  // namespace evcoro::detail
