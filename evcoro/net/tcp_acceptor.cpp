#include <evcoro/net/tcp_acceptor.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <evcoro/detail/acceptor_libevent.hpp>
#include <evcoro/detail/socket_libevent.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace {

// A descriptor that is closed unless it is handed on.
class OpenDescriptor {
 public:
  explicit OpenDescriptor(int number) noexcept : number_(number) {}
  OpenDescriptor(const OpenDescriptor&) = delete;
  OpenDescriptor& operator=(const OpenDescriptor&) = delete;
  ~OpenDescriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const noexcept { return number_; }
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(detail::system_error(), what);
}

void set(int descriptor, int level, int name, int value) {
  if (::setsockopt(descriptor, level, name, &value, sizeof value) != 0) fail("setsockopt");
}

// On Linux a connection inherits TCP_NODELAY and the buffer sizes from its listener.
void set_connection_options(int listener, const TcpAcceptor::Options& options) {
  if (detail::is_tcp_socket(listener)) set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.receive_buffer >= 0) set(listener, SOL_SOCKET, SO_RCVBUF, options.receive_buffer);
  if (options.send_buffer >= 0) set(listener, SOL_SOCKET, SO_SNDBUF, options.send_buffer);
}

int make_listener(const Address& address, const TcpAcceptor::Options& options) {
  OpenDescriptor listener{
      ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (listener.get() < 0) fail("listen on " + address.to_string());
  set(listener.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  set_connection_options(listener.get(), options);
  if (::bind(listener.get(), address.data(), address.size()) != 0 ||
      ::listen(listener.get(), options.backlog) != 0) {
    fail("listen on " + address.to_string());
  }
  return listener.release();
}

int check_listener(int descriptor, const TcpAcceptor::Options& options) {
  OpenDescriptor listener{descriptor};
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) {
    fail("TcpAcceptor: the descriptor is no socket");
  }
  if (listening == 0) {
    throw std::system_error(EINVAL, std::generic_category(),
                            "TcpAcceptor: the descriptor doesn't listen; call listen(2) first");
  }
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) fail("TcpAcceptor: fcntl");
  set_connection_options(descriptor, options);
  return listener.release();
}

}  // namespace

TcpAcceptor::TcpAcceptor(Loop& loop, const Address& address, ConnectionFactory factory,
                         Options options, Tag tag)
    : TcpAcceptor(loop, make_listener(address, options), std::move(factory), std::move(options),
                  tag) {}

TcpAcceptor::TcpAcceptor(Loop& loop, int descriptor, ConnectionFactory factory, Options options,
                         Tag) {
  OpenDescriptor listener{check_listener(descriptor, options)};  // if there is no memory for a core
  core_ = std::make_shared<detail::AcceptorCore>(loop.core(), listener.get(), std::move(factory),
                                                 std::move(options));
  listener.release();
  core_->open();
}

TcpAcceptor& TcpAcceptor::operator=(TcpAcceptor&& other) noexcept {
  if (this != &other) {
    close();
    core_ = std::move(other.core_);
  }
  return *this;
}

TcpAcceptor::~TcpAcceptor() { close(); }

void TcpAcceptor::close() noexcept {
  if (core_ != nullptr) core_->close(true);
}

std::error_code TcpAcceptor::drain(Timeout timeout) noexcept {
  return core_ == nullptr ? detail::system_error(EBADF) : core_->drain(timeout);
}

bool TcpAcceptor::is_open() const noexcept { return core_ != nullptr && core_->descriptor() >= 0; }

Address TcpAcceptor::local_address() const noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (!is_open() || ::getsockname(core_->descriptor(), address, &size) != 0) return {};
  return Address{address, size};
}

TcpAcceptor::Counters TcpAcceptor::counters() const noexcept {
  return core_ == nullptr ? Counters{} : core_->counters();
}

std::size_t Refusal::write(std::string_view text) noexcept {
  const auto count = ::send(descriptor_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

}  // namespace evcoro
