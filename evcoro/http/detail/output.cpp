#include <evcoro/http/detail/output.hpp>

#include <span>

#include <evcoro/http/detail/registry.hpp>

namespace evcoro::http::detail {

// How much has gone isn't known if it throws.
template <class Attempt>
IoResult Output::try_once(Attempt attempt, std::size_t sent) {
  try {
    return attempt(sent);
  } catch (...) {
    cut(std::make_error_code(std::errc::operation_canceled));
    throw;
  }
}

// attempt(sent) sends what is behind those that were sent. One that ends at its deadline, but has
// sent something, is followed by another.
template <class Attempt>
IoResult Output::send_all(std::size_t size, Attempt attempt) {
  const LastWord last_word{last_word_ != never};
  IoResult total{0, error_};
  while (!total.error && total.count < size) {
    const IoResult some = try_once(attempt, total.count);
    total.count += some.count;
    taken_ += some.count;
    const bool has_progress = some.error == std::errc::timed_out && some.count > 0 &&
                              (last_word_ == never || Clock::now() < last_word_);
    if (some.error && !has_progress) total.error = some.error;
  }
  if (total.error) cut(total.error);
  return total;
}

std::error_code Output::flush() {
  if (buffer_->empty()) return error_;
  const std::span<const std::byte> data = std::as_bytes(std::span{*buffer_});
  const IoResult out = send_all(
      data.size(), [&](std::size_t sent) { return stream_.send(data.subspan(sent), patience()); });
  buffer_->clear();
  return out.error;
}

IoResult Output::send(std::string_view text) {
  if (const auto error = flush()) return {0, error};
  const std::span<const std::byte> data = std::as_bytes(std::span{text});
  return send_all(data.size(),
                  [&](std::size_t sent) { return stream_.send(data.subspan(sent), patience()); });
}

IoResult Output::send_file(int file, std::uint64_t offset, std::size_t count) {
  if (const auto error = flush()) return {0, error};
  return send_all(count, [&](std::size_t sent) {
    return stream_.send_file(file, offset + sent, count - sent, patience());
  });
}

}  // namespace evcoro::http::detail
