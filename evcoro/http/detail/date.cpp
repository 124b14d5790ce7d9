#include <evcoro/http/detail/date.hpp>

#include <chrono>
#include <cstddef>
#include <ctime>

namespace evcoro::http::detail {
namespace {

// In English, whatever the locale.
constexpr std::string_view days = "SunMonTueWedThuFriSat";
constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";

// A loop doesn't change its OS thread, so one per OS thread is one per loop. printf(3) and
// gmtime_r(3) would take kilobytes of a coroutine's stack.
struct Cache {
  std::time_t second = -1;
  char text[sizeof "Date: Sun, 00 Jan 0000 00:00:00 GMT\r\n"] =
      "Date: Sun, 00 Jan 0000 00:00:00 GMT\r\n";

  void put(std::size_t at, unsigned number) noexcept {
    text[at] = static_cast<char>('0' + number / 10 % 10);
    text[at + 1] = static_cast<char>('0' + number % 10);
  }

  void make(std::time_t now) noexcept {
    using namespace std::chrono;
    const sys_seconds time{seconds{now}};
    const auto midnight = floor<std::chrono::days>(time);
    const year_month_day date{midnight};
    const hh_mm_ss clock{time - midnight};
    put_names(date, weekday{midnight});
    put(11, static_cast<unsigned>(date.day()));
    put(18, static_cast<unsigned>(static_cast<int>(date.year()) / 100));
    put(20, static_cast<unsigned>(static_cast<int>(date.year()) % 100));
    put(23, static_cast<unsigned>(clock.hours().count()));
    put(26, static_cast<unsigned>(clock.minutes().count()));
    put(29, static_cast<unsigned>(clock.seconds().count()));
    second = now;
  }

  void put_names(std::chrono::year_month_day date, std::chrono::weekday day) noexcept {
    days.copy(text + 6, 3, day.c_encoding() * 3);
    months.copy(text + 14, 3, (static_cast<unsigned>(date.month()) - 1) * 3);
  }
};

constinit thread_local Cache cache;

}  // namespace

std::string_view date_line() noexcept {
  const std::time_t now = std::time(nullptr);
  if (now != cache.second) cache.make(now);
  return {cache.text, sizeof cache.text - 1};
}

}  // namespace evcoro::http::detail
