#include <evcoro/io/stream.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <evcoro/error.hpp>

namespace evcoro {
namespace {

constexpr std::size_t most_at_once = 16 * 1024;

// read_piece() reads as pread(2) does, whatever signals come.
ssize_t read_piece(int file, std::byte* buffer, std::size_t size, std::uint64_t offset) noexcept {
  while (true) {
    const ssize_t count = ::pread(file, buffer, size, static_cast<off_t>(offset));
    if (count >= 0 || errno != EINTR) return count;
  }
}

}  // namespace

IoResult AnyStream::send_what_is_read(int file, std::uint64_t offset, std::size_t count,
                                      Timeout timeout) const {
  const std::size_t size = std::min(count, most_at_once);
  const std::unique_ptr<std::byte[]> buffer{new (std::nothrow) std::byte[size]};
  if (buffer == nullptr) return {0, detail::system_error(ENOMEM)};
  const Timeout deadline = timeout.may_wait() ? Timeout{timeout.deadline()} : timeout;
  IoResult total;
  while (total.count < count) {
    const std::size_t most = std::min(size, count - total.count);
    const ssize_t some = read_piece(file, buffer.get(), most, offset + total.count);
    if (some < 0) return {total.count, detail::system_error()};
    if (some == 0) return {total.count, Errc::file_too_short};
    const IoResult out = send({buffer.get(), static_cast<std::size_t>(some)}, deadline);
    total.count += out.count;
    total.error = out.error;
    if (out.error) break;
  }
  return total;
}

}  // namespace evcoro
