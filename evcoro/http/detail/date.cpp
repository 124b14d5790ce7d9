#include <evcoro/http/detail/date.hpp>

#include <chrono>
#include <cstddef>
#include <ctime>
#include <span>

#include <evcoro/http/detail/timestamp.hpp>

namespace evcoro::http::detail {
namespace {

// A loop doesn't change its OS thread, so one per OS thread is one per loop. printf(3) and
// gmtime_r(3) would take kilobytes of a coroutine's stack.
struct DateCache {
  static constexpr std::size_t begin = sizeof "Date: " - 1;

  std::time_t second = -1;
  char text[sizeof "Date: Sun, 00 Jan 0000 00:00:00 GMT\r\n"] =
      "Date: Sun, 00 Jan 0000 00:00:00 GMT\r\n";

  void make(std::time_t now) noexcept {
    write_timestamp(Timestamp{std::chrono::seconds{now}},
                    std::span{text}.subspan<begin, timestamp_size>());
    second = now;
  }
};

constinit thread_local DateCache date_cache;

}  // namespace

std::string_view date_line() noexcept {
  const std::time_t now = std::time(nullptr);
  if (now != date_cache.second) date_cache.make(now);
  return {date_cache.text, sizeof date_cache.text - 1};
}

}  // namespace evcoro::http::detail
