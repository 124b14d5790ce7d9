#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <evcoro/detail/address_buffer.hpp>
#include <evcoro/net/datagram_socket.hpp>

namespace evcoro {

using detail::AddressBuffer;

DatagramBatch::DatagramBatch(std::size_t capacity, std::size_t datagram_size)
    : datagram_size_(datagram_size),
      used_(capacity),
      headers_(capacity),
      vectors_(capacity),
      addresses_(capacity),
      bytes_(capacity * datagram_size) {
  if (datagram_size != 0 && bytes_.size() / datagram_size != capacity) throw std::bad_alloc();
  for (std::size_t i = 0; i < capacity; ++i) {
    vectors_[i] = {bytes_.data() + i * datagram_size, datagram_size};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

void DatagramBatch::swap(DatagramBatch& other) noexcept {
  std::swap(datagram_size_, other.datagram_size_);
  std::swap(size_, other.size_);
  std::swap(used_, other.used_);
  std::swap(has_addresses_, other.has_addresses_);
  headers_.swap(other.headers_);
  vectors_.swap(other.vectors_);
  addresses_.swap(other.addresses_);
  bytes_.swap(other.bytes_);
}

bool DatagramBatch::add(std::span<const std::byte> data, const Address& address) noexcept {
  if (size_ == capacity() || data.size() > datagram_size_) return false;
  iovec& vector = vectors_[size_];
  if (!data.empty()) std::memcpy(vector.iov_base, data.data(), data.size());
  vector.iov_len = data.size();
  headers_[size_].msg_len = static_cast<unsigned>(data.size());
  addresses_[size_++] = address;
  used_ = std::max(used_, size_);
  return true;
}

void DatagramBatch::prepare_to_receive(bool with_addresses) noexcept {
  if (std::exchange(has_addresses_, with_addresses) != with_addresses) used_ = capacity();
  for (std::size_t i = 0; i < used_; ++i) {
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = with_addresses ? AddressBuffer{addresses_[i]}.data() : nullptr;
    header.msg_namelen = with_addresses ? AddressBuffer::capacity() : 0;
    vectors_[i].iov_len = datagram_size_;
  }
  size_ = 0;
  used_ = 0;
}

void DatagramBatch::settle_received(std::size_t count, bool with_addresses) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    vectors_[i].iov_len = std::min<std::size_t>(headers_[i].msg_len, datagram_size_);
    AddressBuffer{addresses_[i]}.settle(with_addresses ? headers_[i].msg_hdr.msg_namelen : 0);
  }
  size_ = count;
  used_ = count == 0 ? capacity() : count;
}

void DatagramBatch::prepare_to_send(bool with_addresses) noexcept {
  for (std::size_t i = 0; i < size_; ++i) {
    msghdr& header = headers_[i].msg_hdr;
    const bool has_address = with_addresses && addresses_[i].family() != AF_UNSPEC;
    header.msg_name = has_address ? AddressBuffer{addresses_[i]}.data() : nullptr;
    header.msg_namelen = has_address ? addresses_[i].size() : 0;
  }
}

}  // namespace evcoro
