#include <evcoro/http/detail/codings.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>

#include <evcoro/http/detail/text.hpp>

namespace evcoro::http::detail {
namespace {

constexpr int full = 1000;

// 0 to 1, with up to three digits behind the point.
int parse_weight(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  if (text.size() > 1 && text[1] != '.') return 0;
  int weight = text[0] == '1' ? full : 0;
  int unit = full / 10;
  for (const char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
    if (!is_digit(c)) return 0;
    weight += (c - '0') * unit;
    unit /= 10;
  }
  return weight > full ? 0 : weight;
}

struct Said {
  std::optional<int> gzip;
  std::optional<int> deflate;
  std::optional<int> identity;
  std::optional<int> others;

  void take(std::string_view element) noexcept {
    const std::size_t end = std::min(element.find(';'), element.size());
    const std::string_view name = trim(element.substr(0, end));
    const int quality = parse_quality(element.substr(end));
    if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip")) {
      gzip = quality;
    } else if (equals_ignoring_case(name, "deflate")) {
      deflate = quality;
    } else if (equals_ignoring_case(name, "identity")) {
      identity = quality;
    } else if (name == "*") {
      others = quality;
    }
  }
};

}  // namespace

std::string_view name_of(Coding coding) noexcept {
  switch (coding) {
    case Coding::gzip:
      return "gzip";
    case Coding::deflate:
      return "deflate";
    case Coding::identity:
      break;
  }
  return "identity";
}

int parse_quality(std::string_view parameters) noexcept {
  while (!parameters.empty()) {
    parameters.remove_prefix(1);  // the ";"
    const std::size_t end = std::min(parameters.find(';'), parameters.size());
    const std::string_view each = trim(parameters.substr(0, end));
    if (each.starts_with("q=") || each.starts_with("Q=")) return parse_weight(each.substr(2));
    parameters.remove_prefix(end);
  }
  return full;
}

Coding Codings::best() const noexcept {
  if (gzip > 0 && gzip >= deflate && gzip >= identity) return Coding::gzip;
  return deflate > 0 && deflate >= identity ? Coding::deflate : Coding::identity;
}

Codings accepted_codings(const Fields& fields) noexcept {
  Said said;
  for (const auto [name, value] : fields) {
    if (!equals_ignoring_case(name, "Accept-Encoding")) continue;
    for_each_element(value, [&](std::string_view element) { said.take(element); });
  }
  const int others = said.others.value_or(0);
  // What isn't named is taken unless "*" is not; then as the last choice.
  const int unnamed_identity = said.others == 0 ? 0 : 1;
  return {said.gzip.value_or(others), said.deflate.value_or(others),
          said.identity.value_or(unnamed_identity)};
}

}  // namespace evcoro::http::detail
