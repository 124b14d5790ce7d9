#include <evcoro/net/tcp_acceptor.hpp>

#include <sys/socket.h>

#include <cerrno>

#include <evcoro/detail/acceptor_libevent.hpp>
#include <evcoro/detail/listener.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {

TcpAcceptor::TcpAcceptor(Loop& loop, const Address& address, ConnectionFactory factory,
                         Options options, Tag)
    : core_(make_core(loop, detail::Listener::open(address, options), std::move(factory),
                      std::move(options))) {}

TcpAcceptor::TcpAcceptor(Loop& loop, int descriptor, ConnectionFactory factory, Options options,
                         Tag)
    : core_(make_core(loop, detail::Listener::adopt(descriptor, options), std::move(factory),
                      std::move(options))) {}

TcpAcceptor::TcpAcceptor(Loop& loop, detail::Listener listener, ConnectionFactory factory,
                         Options options, std::unique_ptr<detail::HandOut> hand_out)
    : core_(make_core(loop, std::move(listener), std::move(factory), std::move(options),
                      std::move(hand_out))) {}

std::shared_ptr<detail::AcceptorCore> TcpAcceptor::make_core(
    Loop& loop, detail::Listener listener, ConnectionFactory factory, Options options,
    std::unique_ptr<detail::HandOut> hand_out) {
  auto core = std::make_shared<detail::AcceptorCore>(loop.core(), std::move(listener),
                                                     std::move(factory), std::move(options));
  core->set_hand_out(std::move(hand_out));
  core->open();
  return core;
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
