#include <evcoro/http/detail/metrics_text.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <evcoro/http/detail/text.hpp>

namespace evcoro::http::detail {
namespace {

void append_quoted(std::string& out, std::string_view text, bool escapes_quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (c == '"' && escapes_quotes)) out += '\\';
    out += c;
  }
}

void append_labels(std::string& out, const Labels& labels) {
  if (labels.empty()) return;
  char separator = '{';
  for (const auto& [name, value] : labels) {
    out += separator;
    out.append(name).append("=\"");
    append_quoted(out, value, true);
    out += '"';
    separator = ',';
  }
  out += '}';
}

}  // namespace

std::string to_metric_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

bool is_metric_name(std::string_view text, bool is_label) noexcept {
  if (text.empty() || is_digit(text.front())) return false;
  return std::ranges::all_of(text, [&](char c) {
    return is_digit(c) || is_letter(c) || c == '_' || (c == ':' && !is_label);
  });
}

void MetricsText::add(const Family& family, const Labels& labels, double value,
                      std::string_view suffix) {
  Samples& samples = families_[std::string{family.name}];
  if (samples.head.empty()) {
    samples.head.append("# HELP ").append(family.name).append(" ");
    append_quoted(samples.head, family.help, false);
    samples.head.append("\n# TYPE ").append(family.name).append(" ").append(family.type);
    samples.head += '\n';
  }
  samples.lines.append(family.name).append(suffix);
  append_labels(samples.lines, labels);
  samples.lines.append(" ").append(to_metric_number(value)).append("\n");
}

std::string MetricsText::write() const {
  std::string all;
  for (const auto& [name, samples] : families_) all.append(samples.head).append(samples.lines);
  return all;
}

}  // namespace evcoro::http::detail
