// What Response does when its body passes through a filter.
#include <evcoro/http/body_filter.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/http/detail/connection.hpp>

namespace evcoro::http {
namespace {

// A body that is no larger is filtered before its head is sent, which then tells its length.
constexpr std::size_t most_at_once = 64 * 1024;
constexpr std::size_t file_piece = 16 * 1024;
constexpr std::size_t most_gathered = 16 * 1024;

std::error_code cut(detail::Output& output, std::error_code error) {
  output.break_off(error);
  return error;
}

// 0 at the end of the file, -1 with errno.
ssize_t read_piece(int file, char* buffer, std::size_t size, std::uint64_t offset) noexcept {
  while (true) {
    const ssize_t count = ::pread(file, buffer, size, static_cast<off_t>(offset));
    if (count >= 0 || errno != EINTR) return count;
  }
}

}  // namespace

// What has begun with a filter nobody can go on with, when that is gone.
void Response::abandon(const BodyFilter& filter, BodyFilter* before) {
  const bool has_filter = std::exchange(filter_, before) == &filter;
  if (has_filter && phase_ == Phase::body) {
    cut(connection_.output(), std::make_error_code(std::errc::operation_canceled));
  }
}

std::error_code Response::send_filtered(std::string_view body) {
  if (const auto error = check_open()) return error;
  if (body.size() > most_at_once) {
    if (const auto error = set_content_length(body.size())) return error;
    if (const auto error = write(body)) return error;
    return end();
  }
  BodyFilter& filter = *std::exchange(filter_, nullptr);
  std::string filtered;
  try {
    if (!filter.begin(*this, body.size()) || !may_have_body()) return send(body);
    if (!filter.pass(body, BodyFilter::Pass::end, filtered)) {
      return cut(connection_.output(), std::make_error_code(std::errc::not_enough_memory));
    }
    has_length_ = false;
    return send(filtered);
  } catch (...) {
    if (!has_begun()) fields().clear();  // the filter's are about what isn't sent
    throw;
  }
}

// A part that was filtered is a chunk of its own; there may be nothing of it.
std::error_code Response::append_filtered(std::string_view data) {
  if (data.empty()) return {};
  std::string& out = connection_.output().buffer();
  make_room(data.size());
  if (is_chunked_) begin_chunk(data.size());
  out.append(data);
  if (is_chunked_) out.append("\r\n");
  return out.size() > most_gathered ? connection_.output().flush() : std::error_code{};
}

// What a filter has taken can't be given to it again.
std::error_code Response::write_filtered(std::string_view data, bool is_end) {
  if (const auto error = connection_.output().error()) return error;
  try {
    return write_pieces(data, is_end);
  } catch (...) {
    cut(connection_.output(), std::make_error_code(std::errc::operation_canceled));
    throw;
  }
}

std::error_code Response::write_pieces(std::string_view data, bool is_end) {
  std::string filtered;
  do {
    const std::string_view piece = data.substr(0, most_at_once);
    data.remove_prefix(piece.size());
    const auto how = !data.empty() ? BodyFilter::Pass::more
                     : is_end      ? BodyFilter::Pass::end
                                   : BodyFilter::Pass::flush;
    filtered.clear();
    if (!filter_->pass(piece, how, filtered)) {
      return cut(connection_.output(), std::make_error_code(std::errc::not_enough_memory));
    }
    if (const auto error = append_filtered(filtered)) return error;
  } while (!data.empty());
  return is_end ? connection_.output().error() : connection_.output().flush();
}

std::error_code Response::send_file_filtered(int file, std::uint64_t offset, std::size_t count) {
  if (const auto error = connection_.output().error()) return error;
  try {
    return send_pieces(file, offset, count);
  } catch (...) {
    cut(connection_.output(), std::make_error_code(std::errc::operation_canceled));
    throw;
  }
}

std::error_code Response::send_pieces(int file, std::uint64_t offset, std::size_t count) {
  detail::Output& output = connection_.output();
  const auto buffer = std::make_unique<char[]>(std::min(count, file_piece));
  std::string filtered;
  for (std::size_t done = 0; done < count;) {
    const std::size_t most = std::min(count - done, file_piece);
    const ssize_t size = read_piece(file, buffer.get(), most, offset + done);
    if (size < 0) return cut(output, {errno, std::system_category()});
    if (size == 0) return cut(output, evcoro::Errc::file_too_short);
    done += static_cast<std::size_t>(size);
    filtered.clear();
    const std::string_view piece{buffer.get(), static_cast<std::size_t>(size)};
    if (!filter_->pass(piece, BodyFilter::Pass::more, filtered)) {
      return cut(output, std::make_error_code(std::errc::not_enough_memory));
    }
    if (const auto error = append_filtered(filtered)) return error;
  }
  return {};
}

}  // namespace evcoro::http
