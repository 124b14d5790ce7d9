#include <evcoro/io/buffered_writer.hpp>

#include <cerrno>
#include <cstring>
#include <new>

#include <evcoro/detail/patience.hpp>

namespace evcoro::detail {

std::error_code Writer::flush(Timeout timeout) {
  if (begin_ == end_) return {};
  const IoResult out = stream_.send({buffer_.get() + begin_, end_ - begin_}, timeout);
  begin_ += out.count;
  if (begin_ != end_) return out.error ? out.error : system_error(EIO);
  begin_ = end_ = 0;
  return out.error;
}

IoResult Writer::write(std::span<const std::byte> data, Timeout timeout) {
  if (data.empty()) return {};
  Patience patience{timeout};
  if (data.size() > capacity_ - end_) {
    if (const auto error = flush(patience.rest())) return {0, error};
  }
  if (data.size() >= capacity_) return stream_.send(data, patience.rest());
  if (buffer_ == nullptr) {
    buffer_.reset(new (std::nothrow) std::byte[capacity_]);
    if (buffer_ == nullptr) return {0, system_error(ENOMEM)};
  }
  std::memcpy(buffer_.get() + end_, data.data(), data.size());
  end_ += data.size();
  return {data.size()};
}

}  // namespace evcoro::detail
