#include <evcoro/http/detail/timestamp.hpp>

#include <array>
#include <cstddef>
#include <ctime>
#include <span>

#include <evcoro/http/detail/text.hpp>

namespace evcoro::http::detail {
namespace {

using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> days{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                               "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Scanner takes one part of a text after the other; after the first that isn't there, none.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : rest_(text) {}

  void literal(std::string_view wanted) noexcept {
    is_good_ = is_good_ && rest_.starts_with(wanted);
    if (is_good_) rest_.remove_prefix(wanted.size());
  }

  int number(std::size_t digits) noexcept {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      is_good_ = is_good_ && !rest_.empty() && is_digit(rest_.front());
      if (!is_good_) return 0;
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }

  // The day of asctime(3) has a space in place of a leading 0.
  int padded_number() noexcept {
    if (!rest_.starts_with(' ')) return number(2);
    rest_.remove_prefix(1);
    return number(1);
  }

  // day() takes a name of a day: nothing depends on which.
  void day(bool is_whole) noexcept {
    for (const std::string_view each : days) {
      const std::string_view name = is_whole ? each : each.substr(0, 3);
      if (rest_.starts_with(name)) return rest_.remove_prefix(name.size());
    }
    is_good_ = false;
  }

  int month() noexcept {
    for (std::size_t i = 0; i < months.size(); ++i) {
      if (!rest_.starts_with(months[i])) continue;
      rest_.remove_prefix(3);
      return static_cast<int>(i) + 1;
    }
    is_good_ = false;
    return 0;
  }

  std::chrono::seconds clock() noexcept {
    const int hours = number(2);
    literal(":");
    const int minutes = number(2);
    literal(":");
    const int seconds = number(2);
    if (hours > 23 || minutes > 59 || seconds > 60) is_good_ = false;  // 60: a leap second
    return std::chrono::seconds{(hours * 60 + minutes) * 60 + seconds};
  }

  bool is_done() const noexcept { return is_good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool is_good_ = true;
};

struct Parts {
  int year = 0;
  int month = 0;
  int day = 0;
  std::chrono::seconds clock{0};
};

std::optional<Timestamp> to_timestamp(const Parts& parts) noexcept {
  const year_month_day date{std::chrono::year{parts.year},
                            std::chrono::month{static_cast<unsigned>(parts.month)},
                            std::chrono::day{static_cast<unsigned>(parts.day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date} + parts.clock;
}

std::optional<Timestamp> parse_fixdate(std::string_view text) noexcept {
  Scanner in{text};
  Parts parts;
  in.day(false);
  in.literal(", ");
  parts.day = in.number(2);
  in.literal(" ");
  parts.month = in.month();
  in.literal(" ");
  parts.year = in.number(4);
  in.literal(" ");
  parts.clock = in.clock();
  in.literal(" GMT");
  return in.is_done() ? to_timestamp(parts) : std::nullopt;
}

std::optional<Timestamp> parse_asctime(std::string_view text) noexcept {
  Scanner in{text};
  Parts parts;
  in.day(false);
  in.literal(" ");
  parts.month = in.month();
  in.literal(" ");
  parts.day = in.padded_number();
  in.literal(" ");
  parts.clock = in.clock();
  in.literal(" ");
  parts.year = in.number(4);
  return in.is_done() ? to_timestamp(parts) : std::nullopt;
}

int year_of(Timestamp time) noexcept {
  return static_cast<int>(year_month_day{std::chrono::floor<std::chrono::days>(time)}.year());
}

std::optional<Timestamp> parse_rfc850(std::string_view text, Timestamp now) noexcept {
  Scanner in{text};
  Parts parts;
  in.day(true);
  in.literal(", ");
  parts.day = in.number(2);
  in.literal("-");
  parts.month = in.month();
  in.literal("-");
  const int this_year = year_of(now);
  parts.year = this_year - this_year % 100 + in.number(2);
  in.literal(" ");
  parts.clock = in.clock();
  in.literal(" GMT");
  if (!in.is_done()) return std::nullopt;
  if (parts.year > this_year + 50) parts.year -= 100;
  return to_timestamp(parts);
}

void put(std::span<char> text, std::size_t at, unsigned number) noexcept {
  text[at] = static_cast<char>('0' + number / 10 % 10);
  text[at + 1] = static_cast<char>('0' + number % 10);
}

}  // namespace

Timestamp current_second() noexcept { return Timestamp{std::chrono::seconds{std::time(nullptr)}}; }

std::optional<Timestamp> parse_timestamp(std::string_view text, Timestamp now) noexcept {
  if (text.size() < 4) return std::nullopt;
  if (text[3] == ',') return parse_fixdate(text);
  if (text[3] == ' ') return parse_asctime(text);
  return parse_rfc850(text, now);
}

std::optional<Timestamp> parse_timestamp(std::string_view text) noexcept {
  return parse_timestamp(text, current_second());
}

void write_timestamp(Timestamp time, std::span<char, timestamp_size> text) noexcept {
  constexpr std::string_view form = "Sun, 00 Jan 0000 00:00:00 GMT";
  const auto midnight = std::chrono::floor<std::chrono::days>(time);
  const year_month_day date{midnight};
  const std::chrono::hh_mm_ss clock{time - midnight};
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  form.copy(text.data(), form.size());
  days[std::chrono::weekday{midnight}.c_encoding()].copy(text.data(), 3);
  months[static_cast<unsigned>(date.month()) - 1].copy(text.data() + 8, 3);
  put(text, 5, static_cast<unsigned>(date.day()));
  put(text, 12, year / 100);
  put(text, 14, year % 100);
  put(text, 17, static_cast<unsigned>(clock.hours().count()));
  put(text, 20, static_cast<unsigned>(clock.minutes().count()));
  put(text, 23, static_cast<unsigned>(clock.seconds().count()));
}

std::string format_timestamp(Timestamp time) {
  std::array<char, timestamp_size> text;
  write_timestamp(time, text);
  return {text.data(), text.size()};
}

}  // namespace evcoro::http::detail
