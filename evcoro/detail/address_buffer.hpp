// AddressBuffer lets a system call write into an Address, which so needs no copy.
#pragma once

#include <evcoro/net/address.hpp>

namespace evcoro::detail {

class AddressBuffer {
 public:
  explicit AddressBuffer(Address& address) noexcept : address_(address) {}

  sockaddr* data() noexcept { return &address_.storage_.base; }
  static constexpr socklen_t capacity() noexcept { return sizeof(Address::Storage); }

  // settle() is told the size that the system call has stored.
  void settle(socklen_t size) noexcept {
    if (size < sizeof(sa_family_t)) {
      address_ = Address{};  // an unnamed UNIX socket has sent it
    } else if (address_.family() == AF_UNIX) {
      address_.set_unix_size(size);
    }
  }

 private:
  Address& address_;
};

}  // namespace evcoro::detail
