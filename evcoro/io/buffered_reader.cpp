#include <evcoro/io/buffered_reader.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <evcoro/detail/patience.hpp>

namespace evcoro::detail {
namespace {

std::string_view to_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

// --- the buffer ---
//
//   0          begin_        end_        capacity_
//   +-----------+-------------+-----------+
//   | was taken | was not yet |   room    |
//   +-----------+-------------+-----------+

void Reader::consume(std::size_t size) noexcept {
  begin_ += std::min(size, end_ - begin_);
  if (begin_ == end_) begin_ = end_ = 0;
}

// Moves down what is there if that makes much room, and takes a larger buffer otherwise, up to the
// limit.
std::error_code Reader::make_room() noexcept {
  if (end_ < capacity_) return {};
  const std::size_t size = end_ - begin_;
  if (begin_ != 0 && (begin_ >= capacity_ / 2 || capacity_ >= options_.limit)) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, size);
  } else {
    const std::size_t doubled = std::min(2 * capacity_, std::max(options_.limit, capacity_ + 1));
    const auto larger = std::max<std::size_t>({options_.size, doubled, 1});
    std::unique_ptr<std::byte[]> buffer{new (std::nothrow) std::byte[larger]};
    if (buffer == nullptr) return system_error(ENOMEM);
    if (size != 0) std::memcpy(buffer.get(), buffer_.get() + begin_, size);
    buffer_ = std::move(buffer);
    capacity_ = larger;
  }
  begin_ = 0;
  end_ = size;
  return {};
}

// Errors: those of the stream, and of its end.
std::error_code Reader::receive_more(Timeout timeout) {
  if (const auto error = make_room()) return error;
  const IoResult in = stream_.recv({buffer_.get() + end_, capacity_ - end_}, timeout);
  end_ += in.count;
  if (in.count != 0) return {};  // an error comes again
  return in.error ? in.error : at_end();
}

std::error_code Reader::at_end() const noexcept {
  return begin_ == end_ ? Errc::end_of_file : Errc::unexpected_end;
}

std::size_t Reader::take(std::span<std::byte> buffer) noexcept {
  const std::size_t count = std::min(buffer.size(), end_ - begin_);
  if (count != 0) std::memcpy(buffer.data(), buffer_.get() + begin_, count);
  consume(count);
  return count;
}

// --- reading ---

Result<std::string_view> Reader::read_until(std::string_view delimiter, Timeout timeout) {
  if (delimiter.empty()) return system_error(EINVAL);
  Patience patience{timeout};
  std::size_t searched = 0;
  while (true) {
    const std::string_view text = to_text(buffered()).substr(0, options_.limit);
    const std::size_t found = text.find(delimiter, searched);
    if (found != text.npos) {
      consume(found + delimiter.size());
      return text.substr(0, found);
    }
    if (text.size() >= options_.limit) return Errc::too_long;
    if (text.size() >= delimiter.size()) searched = text.size() - delimiter.size() + 1;
    if (const auto error = receive_more(patience.rest())) return error;
  }
}

Result<std::string_view> Reader::read_line(Timeout timeout) {
  auto line = read_until("\n", timeout);
  if (line && line->ends_with('\r')) line->remove_suffix(1);
  return line;
}

Result<std::span<const std::byte>> Reader::peek(std::size_t size, Timeout timeout) {
  if (size > options_.limit) return Errc::too_long;
  Patience patience{timeout};
  while (end_ - begin_ < size) {
    if (const auto error = receive_more(patience.rest())) return error;
  }
  return buffered();
}

Result<std::span<const std::byte>> Reader::read_exactly(std::size_t size, Timeout timeout) {
  const auto all = peek(size, timeout);
  if (!all) return all.error();
  consume(size);
  return all->first(size);
}

IoResult Reader::read_some(std::span<std::byte> buffer, Timeout timeout) {
  if (buffer.empty()) return {};
  if (begin_ == end_) {
    // What is no smaller than ours needs no copy.
    if (buffer.size() >= std::max(capacity_, options_.size)) return stream_.recv(buffer, timeout);
    const auto error = receive_more(timeout);
    if (error == Errc::end_of_file) return {};
    if (error) return {0, error};
  }
  return {take(buffer)};
}

IoResult Reader::read_all(std::span<std::byte> buffer, Timeout timeout) {
  Patience patience{timeout};
  IoResult total;
  while (total.count < buffer.size()) {
    const IoResult some = read_some(buffer.subspan(total.count), patience.rest());
    total.count += some.count;
    total.error = some.error;
    if (some.error || some.count == 0) break;
  }
  return total;
}

}  // namespace evcoro::detail
