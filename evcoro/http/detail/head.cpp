#include <evcoro/http/detail/head.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include <evcoro/http/detail/controls.hpp>
#include <evcoro/http/detail/fields_access.hpp>
#include <evcoro/http/detail/text.hpp>

namespace evcoro::http::detail {
namespace {

constexpr Status fine = Status::none;
constexpr Status bad = Status::bad_request;

constexpr std::string_view line_end = "\r\n";

// Semantics is what the fields say of the connection and of the body.
struct Semantics {
  int hosts = 0;
  int lengths = 0;
  bool has_codings = false;
  bool chunked_is_last = false;
  bool follows_chunked = false;
  bool has_other_coding = false;
  bool closes = false;
  bool keeps_alive = false;
  bool upgrades = false;
  std::string_view host;
  std::string_view length;
  std::string_view expect;
  std::string_view upgrade;
};

void read_connection(std::string_view value, Semantics& out) noexcept {
  if (value.size() == 10 && is_name(value.data(), "keep-alive")) {  // as it usually is
    out.keeps_alive = true;
    return;
  }
  for_each_element(value, [&](std::string_view option) {
    if (equals_ignoring_case(option, "close")) out.closes = true;
    if (equals_ignoring_case(option, "keep-alive")) out.keeps_alive = true;
    if (equals_ignoring_case(option, "upgrade")) out.upgrades = true;
  });
}

// Several fields are one list.
void read_transfer_encoding(std::string_view value, Semantics& out) noexcept {
  for_each_element(value, [&](std::string_view coding) {
    if (out.chunked_is_last) out.follows_chunked = true;
    out.has_codings = true;
    out.chunked_is_last = equals_ignoring_case(coding, "chunked");
    if (!out.chunked_is_last) out.has_other_coding = true;
  });
}

void read_field(std::string_view name, std::string_view value, Semantics& out) noexcept {
  const char* const text = name.data();
  switch (name.size()) {
    case 4:
      if (is_name(text, "host")) ++out.hosts, out.host = value;
      break;
    case 6:
      if (is_name(text, "expect")) out.expect = value;
      break;
    case 7:
      if (is_name(text, "upgrade")) out.upgrade = value;
      break;
    case 10:
      if (is_name(text, "connection")) read_connection(value, out);
      break;
    case 14:
      if (is_name(text, "content-length")) ++out.lengths, out.length = value;
      break;
    case 17:
      if (is_name(text, "transfer-encoding")) read_transfer_encoding(value, out);
      break;
  }
}

// Only digits, and no more than fit into a signed number: so that sums don't overflow.
bool read_length(std::string_view text, std::uint64_t& length) noexcept {
  std::int64_t value = 0;
  if (text.empty() || !is_digit(text.front())) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return false;
  length = static_cast<std::uint64_t>(value);
  return true;
}

Status read_framing(const Semantics& said, Head& head) noexcept {
  if (said.has_codings) {
    if (said.lengths > 0 || head.minor == 0) return bad;
    if (!said.chunked_is_last || said.follows_chunked) return bad;
    if (said.has_other_coding) return Status::not_implemented;
    head.framing = Framing::chunked;
    return fine;
  }
  if (said.lengths == 0) return fine;
  if (said.lengths > 1 || !read_length(said.length, head.length)) return bad;
  head.framing = Framing::length;
  return fine;
}

// What a registered name is made of, RFC 3986, 3.2.2.
constexpr auto host_table = [] {
  std::array<bool, 256> table{};
  for (unsigned char byte = 1; byte < 127; ++byte) {
    const auto c = static_cast<char>(byte);
    table[byte] = is_digit(c) || is_letter(c) ||
                  std::string_view{".-_~%!$&'()*+,;="}.find(c) != std::string_view::npos;
  }
  return table;
}();

bool is_port(std::string_view text) noexcept {
  if (text.size() > 5) return false;
  unsigned port = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port <= 65535;
}

// Splits an absolute target, "http://host/path?query".
bool read_absolute_target(Head& head) noexcept {
  const std::size_t scheme_end = head.target.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const std::string_view scheme = head.target.substr(0, scheme_end);
  if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) return false;
  std::string_view rest = head.target.substr(scheme_end + 3);
  const std::size_t host_end = rest.find_first_of("/?");
  head.host = rest.substr(0, host_end);
  rest.remove_prefix(head.host.size());
  head.path = rest;
  return is_host(head.host);
}

Status read_target(Head& head) noexcept {
  const std::string_view target = head.target;
  if (target.front() == '/') {
    head.path = target;
  } else if (target == "*") {
    if (head.method != Method::options) return bad;
    head.path = target;
  } else if (!read_absolute_target(head)) {
    return bad;
  }
  if (std::memchr(target.data(), '#', target.size()) != nullptr) return bad;
  const std::size_t mark = head.path.find('?');
  if (mark != std::string_view::npos) head.query = head.path.substr(mark + 1);
  head.path = head.path.substr(0, mark);
  if (head.path.empty()) head.path = "/";
  return fine;
}

// text is such as " HTTP/1.1".
Status read_protocol(std::string_view text, Head& head) noexcept {
  if (!text.starts_with(" HTTP/") || text[7] != '.') return bad;
  if (text[6] != '1' || (text[8] != '0' && text[8] != '1')) {
    return is_digit(text[6]) && is_digit(text[8]) ? Status::http_version_not_supported : bad;
  }
  head.minor = text[8] == '1' ? 1 : 0;
  return fine;
}

// line is without its end.
Status read_request_line(std::string_view line, Method method, Head& head) noexcept {
  constexpr std::size_t tail = std::string_view{" HTTP/1.1"}.size();
  const std::string_view name = to_string(method);
  if (name.empty()) return Status::not_implemented;
  if (line.size() < name.size() + tail + 2) return bad;
  if (!line.starts_with(name) || line[name.size()] != ' ') return bad;
  const Status status = read_protocol(line.substr(line.size() - tail), head);
  if (status != fine) return status;
  head.method = method;
  head.target = line.substr(name.size() + 1, line.size() - tail - name.size() - 1);
  if (head.target.front() == ' ' || head.target.back() == ' ') return bad;
  return read_target(head);
}

Status read_status_line(std::string_view line, Head& head) noexcept {
  constexpr std::string_view protocol = "HTTP/1.";
  if (line.size() < 12 || !line.starts_with(protocol) || line[8] != ' ') return bad;
  if ((line[7] != '0' && line[7] != '1') || (line.size() > 12 && line[12] != ' ')) return bad;
  int number = 0;
  for (const char c : line.substr(9, 3)) {
    if (!is_digit(c)) return bad;
    number = number * 10 + (c - '0');
  }
  if (number < 100) return bad;
  head.status = static_cast<Status>(number);
  head.minor = line[7] == '1' ? 1 : 0;
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  return fine;
}

// trim_value() is what is left of a value without the blanks around it.
std::string_view trim_value(const char* begin, const char* end) noexcept {
  while (begin != end && is_blank(*begin)) ++begin;
  while (begin != end && is_blank(end[-1])) --end;
  return {begin, static_cast<std::size_t>(end - begin)};
}

// A line: its name is known, and begins at begin; end is behind the line's.
[[gnu::always_inline]] inline Status read_line(const char* begin, const char* end,
                                               FieldEntry& entry, std::size_t most) noexcept {
  const char* const colon = begin + entry.name_size;
  end -= line_end.size();
  if (entry.name_size == 0 || end <= colon || *colon != ':') return bad;
  if (end[0] != '\r' || end[1] != '\n') return bad;
  if (static_cast<std::size_t>(end - begin) > most) return Status::request_header_fields_too_large;
  const bool is_usual =
      end - colon > 2 && colon[1] == ' ' && !is_blank(colon[2]) && !is_blank(end[-1]);
  const std::string_view value =
      is_usual ? std::string_view{colon + 2, static_cast<std::size_t>(end - colon) - 2}
               : trim_value(colon + 1, end);
  entry.value = entry.name + static_cast<std::uint32_t>(value.data() - begin);
  entry.value_size = static_cast<std::uint32_t>(value.size());
  return fine;
}

// The lines of the fields: see(name, value) is called for each.
template <class See>
Status read_each_line(std::string_view section, const Limits& limits, std::size_t offset,
                      std::vector<FieldEntry>& entries, See see) noexcept {
  const char* const text = section.data() - offset;
  const char* const last = section.data() + section.size() - 2;
  if (last[0] != '\r' || last[1] != '\n') return bad;
  if (entries.empty()) return section.size() == 2 ? fine : bad;
  if (entries.front().name != offset) return bad;
  const std::size_t count = entries.size();
  for (std::size_t i = 0; i < count; ++i) {
    FieldEntry& entry = entries[i];
    const char* const end = i + 1 < count ? text + entries[i + 1].name : last;
    const Status status = read_line(text + entry.name, end, entry, limits.field);
    if (status != fine) return status;
    see(std::string_view{text + entry.name, entry.name_size},
        std::string_view{text + entry.value, entry.value_size});
  }
  return fine;
}

// Everything but the first line, which is returned without its end.
Status read_lines(std::string_view text, const Limits& limits, Fields& fields,
                  std::string_view& first_line, Semantics& said) noexcept {
  auto& entries = FieldsAccess::entries(fields);
  FieldsAccess::borrow(fields, text.data());
  const std::size_t begin = entries.empty() ? text.size() - 2 : entries.front().name;
  if (begin < 3 || text.substr(begin - 2, 2) != line_end) return bad;
  first_line = text.substr(0, begin - 2);
  if (first_line.size() > limits.request_line) return Status::uri_too_long;
  if (text.size() - begin - 2 > limits.fields_size) return Status::request_header_fields_too_large;
  if (!has_no_more_controls(text, 2 * (entries.size() + 2))) return bad;
  return read_each_line(
      text.substr(begin), limits, begin, entries,
      [&](std::string_view name, std::string_view value) { read_field(name, value, said); });
}

Status read_host(const Semantics& said, Head& head) noexcept {
  if (said.hosts > 1 || (said.hosts == 0 && head.minor == 1)) return bad;
  if (said.hosts == 1 && !is_host(said.host)) return bad;
  if (head.host.empty()) head.host = said.host;  // that of an absolute target goes before
  return fine;
}

void read_connection_end(const Semantics& said, Head& head) noexcept {
  head.keeps_alive = !said.closes && (head.minor == 1 || said.keeps_alive);
  head.wants_upgrade = said.upgrades && !said.upgrade.empty() && head.minor == 1;
  head.upgrade = said.upgrade;
}

}  // namespace

Status read_fields(std::string_view section, const Limits& limits, std::size_t offset,
                   std::vector<FieldEntry>& entries) noexcept {
  return read_each_line(section, limits, offset, entries,
                        [](std::string_view, std::string_view) {});
}

bool is_host(std::string_view text) noexcept {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    for (const char c : text.substr(1, end - 1)) {
      if (hex_value(c) < 0 && c != ':' && c != '.') return false;
    }
    const std::string_view name = text.substr(end + 1);
    return name.empty() || (name.front() == ':' && is_port(name.substr(1)));
  }
  std::size_t size = 0;
  while (size < text.size() && host_table[static_cast<unsigned char>(text[size])]) ++size;
  if (size == 0 || size == text.size()) return size > 0;
  return text[size] == ':' && is_port(text.substr(size + 1));
}

Status read_request_head(std::string_view text, Method method, const Limits& limits, Fields& fields,
                         Head& head) noexcept {
  head = {};
  std::string_view line;
  Semantics said;
  if (const auto status = read_lines(text, limits, fields, line, said); status != fine)
    return status;
  if (const auto status = read_request_line(line, method, head); status != fine) return status;
  if (const auto status = read_host(said, head); status != fine) return status;
  if (const auto status = read_framing(said, head); status != fine) return status;
  read_connection_end(said, head);
  if (head.framing == Framing::length && head.length == 0) head.framing = Framing::none;
  if (said.expect.empty() || head.minor == 0) return fine;
  if (!equals_ignoring_case(said.expect, "100-continue")) return Status::expectation_failed;
  head.expects_continue = head.framing != Framing::none;
  return fine;
}

Status read_response_head(std::string_view text, Method answers, const Limits& limits,
                          Fields& fields, Head& head) noexcept {
  head = {};
  std::string_view line;
  Semantics said;
  if (read_lines(text, limits, fields, line, said) != fine) return Status::bad_gateway;
  if (read_status_line(line, head) != fine) return Status::bad_gateway;
  if (read_framing(said, head) != fine) return Status::bad_gateway;
  read_connection_end(said, head);
  const int number = to_number(head.status);
  const bool is_bare = number < 200 || number == 204 || number == 304 || answers == Method::head;
  if (is_bare) {
    head.framing = Framing::none;
  } else if (head.framing == Framing::none) {
    head.framing = Framing::until_close;
    head.keeps_alive = false;
  }
  return fine;
}

}  // namespace evcoro::http::detail
