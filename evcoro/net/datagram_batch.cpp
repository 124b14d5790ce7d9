#include <netinet/udp.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <evcoro/detail/address_buffer.hpp>
#include <evcoro/net/datagram_socket.hpp>

namespace evcoro {

using detail::AddressBuffer;

namespace {

constexpr std::size_t most_of_a_run = 64;        // UDP_MAX_SEGMENTS of the kernel
constexpr std::size_t longest_datagram = 65507;  // of UDP over IPv4, and so the longest run

void set_segment_size(msghdr& header, detail::SegmentSize& room, std::size_t size) noexcept {
  header.msg_control = room.data;
  header.msg_controllen = sizeof room.data;
  cmsghdr& control = *CMSG_FIRSTHDR(&header);
  control.cmsg_level = SOL_UDP;
  control.cmsg_type = UDP_SEGMENT;
  control.cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto value = static_cast<std::uint16_t>(size);
  std::memcpy(CMSG_DATA(&control), &value, sizeof value);
}

}  // namespace

DatagramBatch::DatagramBatch(std::size_t capacity, std::size_t datagram_size)
    : datagram_size_(datagram_size),
      used_(capacity),
      headers_(capacity),
      vectors_(capacity),
      messages_(capacity),
      segment_sizes_(capacity),
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
  messages_.swap(other.messages_);
  segment_sizes_.swap(other.segment_sizes_);
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

// How many go together with the first.
std::size_t DatagramBatch::run_length(std::size_t first, bool with_addresses) const noexcept {
  const std::size_t size = vectors_[first].iov_len;
  const std::size_t most = std::min(size_ - first, most_of_a_run);
  std::size_t length = 1;
  for (std::size_t total = size; length < most && vectors_[first + length - 1].iov_len == size;
       ++length) {
    const std::size_t next = vectors_[first + length].iov_len;
    total += next;
    if (next == 0 || next > size || total > longest_datagram) break;
    if (with_addresses && addresses_[first + length] != addresses_[first]) break;
  }
  return length;
}

std::span<mmsghdr> DatagramBatch::prepare_to_send(std::size_t first, bool with_addresses,
                                                  bool may_join) noexcept {
  std::size_t count = 0;
  for (std::size_t length; first < size_; first += length, ++count) {
    length = may_join ? run_length(first, with_addresses) : 1;
    msghdr& header = messages_[count].msg_hdr;
    header = {};
    header.msg_iov = &vectors_[first];
    header.msg_iovlen = length;
    if (with_addresses && addresses_[first].family() != AF_UNSPEC) {
      header.msg_name = AddressBuffer{addresses_[first]}.data();
      header.msg_namelen = addresses_[first].size();
    }
    if (length > 1) set_segment_size(header, segment_sizes_[count], vectors_[first].iov_len);
  }
  return {messages_.data(), count};
}

}  // namespace evcoro
