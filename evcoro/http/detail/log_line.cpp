#include <evcoro/http/detail/log_line.hpp>

#include <sys/socket.h>

#include <chrono>
#include <cstddef>

namespace evcoro::http::detail {
namespace {

constexpr std::string_view hex_digits = "0123456789ABCDEF";

bool is_harmless(char c) noexcept { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

// The address without its port, and without brackets.
void append_host(std::string& out, const Address& peer) {
  if (peer.family() == AF_UNSPEC) return static_cast<void>(out += '-');
  if (peer.family() == AF_UNIX) return static_cast<void>(out.append("unix:"));
  std::string text = peer.to_string();
  if (const std::size_t colon = text.rfind(':'); colon != std::string::npos) text.resize(colon);
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  for (const char c : text) out += is_harmless(c) && c != ' ' ? c : '?';
}

// "[06/Nov/1994:08:49:37 +0000]" from "Sun, 06 Nov 1994 08:49:37 GMT".
void append_time(std::string& out, Timestamp time) {
  const std::string text = format_timestamp(time);
  const std::string_view all = text;
  out.append("[").append(all.substr(5, 2)).append("/").append(all.substr(8, 3)).append("/");
  out.append(all.substr(12, 4)).append(":").append(all.substr(17, 8)).append(" +0000]");
}

void append_request(std::string& out, const Request* request) {
  if (request == nullptr) return static_cast<void>(out.append("\"-\""));
  out.append("\"").append(to_string(request->method())).append(" ");
  append_escaped(out, request->target());
  out.append(request->minor_version() == 1 ? " HTTP/1.1\"" : " HTTP/1.0\"");
}

void append_field(std::string& out, const Request* request, std::string_view name) {
  out.append(" \"");
  append_escaped(out, request == nullptr ? "-" : request->fields().get_or(name, "-"));
  out.append("\"");
}

void append_duration(std::string& out, std::chrono::nanoseconds duration) {
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  const std::string fraction = std::to_string(whole % 1'000'000);
  out.append(" ").append(std::to_string(whole / 1'000'000)).append(".");
  out.append(6 - fraction.size(), '0').append(fraction);
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (is_harmless(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.append("\\x");
    out += hex_digits[byte >> 4];
    out += hex_digits[byte & 15];
  }
}

void append_log_line(std::string& out, const Exchange& exchange, Timestamp time,
                     const AccessLogOptions& options) {
  append_host(out, exchange.peer);
  out.append(" - - ");
  append_time(out, time);
  out += ' ';
  append_request(out, exchange.request);
  out.append(" ").append(std::to_string(to_number(exchange.status))).append(" ");
  out.append(exchange.bytes == 0 ? "-" : std::to_string(exchange.bytes));
  if (options.format == LogFormat::combined) {
    append_field(out, exchange.request, "Referer");
    append_field(out, exchange.request, "User-Agent");
  }
  if (options.duration) append_duration(out, exchange.duration);
  out += '\n';
}

}  // namespace evcoro::http::detail
