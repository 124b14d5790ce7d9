// The BIO by which OpenSSL reads from a TlsState's input, and writes to its output.
#include <openssl/bio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <span>

#include <evcoro/tls/detail/state.hpp>

namespace evcoro::detail {

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
