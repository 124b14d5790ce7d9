// Raw requests, those that keep the rules of HTTP and those that don't, with the status that each
// of them gets from us.
//
//   for (const support::RawRequest& each : support::raw::chunk_sequences()) ask(each.text);
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace support {

struct RawRequest {
  std::string what;
  std::string text;
  int status;  // of the first answer
};
using RawRequests = std::vector<RawRequest>;

namespace raw {

using namespace std::string_literals;

inline std::string get(std::string_view fields) {
  return "GET /path HTTP/1.1\r\nHost: example.org\r\n" + std::string{fields} + "\r\n\r\n";
}
inline std::string line(std::string_view text) { return std::string{text} + "\r\nHost: x\r\n\r\n"; }
inline std::string host(std::string_view text) {
  return "GET / HTTP/1.1\r\n" + std::string{text} + "\r\n";
}
inline std::string post(std::string_view fields, std::string_view body = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + std::string{fields} + "\r\n\r\n" + std::string{body};
}
inline std::string chunks(std::string_view body) {
  return post("Transfer-Encoding: chunked", body);
}

inline RawRequests request_lines() {
  return {
      {"a usual one", line("GET /a?b=c HTTP/1.1"), 200},
      {"an absolute target", line("GET http://example.org/a HTTP/1.1"), 200},
      {"an absolute target without a path", line("GET http://example.org HTTP/1.1"), 200},
      {"an asterisk with OPTIONS", line("OPTIONS * HTTP/1.1"), 200},
      {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 200},
      {"an empty line before", "\r\n" + line("GET / HTTP/1.1"), 200},
      {"two empty lines before", "\r\n\r\n" + line("GET / HTTP/1.1"), 400},
      {"a bare LF before", "\n" + line("GET / HTTP/1.1"), 400},
      {"a method of WebDAV", line("PROPFIND / HTTP/1.1"), 200},
      {"an unknown method", line("FOO / HTTP/1.1"), 501},
      {"a method with something behind", line("GETX / HTTP/1.1"), 501},
      {"a method in small letters", line("get / HTTP/1.1"), 501},
      {"CONNECT", line("CONNECT example.org:80 HTTP/1.1"), 501},
      {"a method of RTSP", line("DESCRIBE / HTTP/1.1"), 501},
      {"a method that is no token", line("G@T / HTTP/1.1"), 400},
      {"a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00"s, 400},
      {"HTTP/0.9", "GET /\r\n\r\n", 400},
      {"HTTP/0.9 by name", line("GET / HTTP/0.9"), 505},
      {"HTTP/1.2", line("GET / HTTP/1.2"), 505},
      {"HTTP/2.0", line("GET / HTTP/2.0"), 505},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"another protocol", line("GET / RTSP/1.0"), 400},
      {"a version that is none", line("GET / HTTP/1.a"), 400},
      {"a version of two digits", line("GET / HTTP/1.11"), 400},
      {"no version", line("GET / HTTP/"), 400},
      {"two spaces behind the method", line("GET  / HTTP/1.1"), 400},
      {"two spaces behind the target", line("GET /  HTTP/1.1"), 400},
      {"a space behind the version", line("GET / HTTP/1.1 "), 400},
      {"a tab for a space", line("GET\t/ HTTP/1.1"), 400},
      {"a tab in the target", line("GET /a\tb HTTP/1.1"), 400},
      {"a space in the target", line("GET /a b HTTP/1.1"), 400},
      {"a control character in the target", line("GET /a\x01 HTTP/1.1"), 400},
      {"NUL in the target", line("GET /a\0b HTTP/1.1"s), 400},
      {"bytes beyond ASCII in the target", line("GET /caf\xc3\xa9 HTTP/1.1"), 400},
      {"a fragment", line("GET /a#b HTTP/1.1"), 400},
      {"a target without a slash", line("GET a HTTP/1.1"), 400},
      {"an asterisk with GET", line("GET * HTTP/1.1"), 400},
      {"an absolute target of another scheme", line("GET ftp://example.org/ HTTP/1.1"), 400},
      {"an absolute target with a user", line("GET http://a@example.org/ HTTP/1.1"), 400},
      {"an absolute target without a host", line("GET http:///a HTTP/1.1"), 400},
      {"a bare LF behind the line", "GET / HTTP/1.1\nHost: x\r\n\r\n", 400},
      {"a bare CR behind the line", "GET / HTTP/1.1\rHost: x\r\n\r\n", 400},
  };
}

inline RawRequests field_lines() {
  return {
      {"a usual one", get("Accept: */*"), 200},
      {"an empty value", get("A:"), 200},
      {"blanks around the value", get("A: \t b \t "), 200},
      {"bytes beyond ASCII", get("A: caf\xc3\xa9"), 200},
      {"a fold", get("A: b\r\n c"), 400},
      {"a fold by a tab", get("A: b\r\n\tc"), 400},
      {"a fold of nothing", get("A: b\r\n "), 400},
      {"a fold behind the request line", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
      {"a space before the colon", get("A : b"), 400},
      {"a tab before the colon", get("A\t: b"), 400},
      {"no colon", get("A"), 400},
      {"no name", get(": b"), 400},
      {"a name that is no token", get("A(b): c"), 400},
      {"a name beyond ASCII", get("\xc3\xa9: c"), 400},
      {"a bare CR in the value", get("A: b\rc"), 400},
      {"a bare CR at the end", get("A: b\r"), 400},
      {"a bare LF behind the value", get("A: b\nC: d"), 400},
      {"a bare LF at the end of the head", host("Host: x\r\nA: b\n"), 400},
      {"NUL in the value", get("A: b\0c"s), 400},
      {"a control character in the value", get("A: b\x01"), 400},
      {"DEL in the value", get("A: b\x7f"), 400},
      {"NUL in the name", get("A\0: b"s), 400},
      {"a control character in Connection", get("Connection: a\x01"), 400},
      {"a bare CR in Connection", get("Connection: close\rx"), 400},
  };
}

inline RawRequests hosts() {
  return {
      {"with a port", host("Host: example.org:8080\r\n"), 200},
      {"an address", host("Host: 127.0.0.1:80\r\n"), 200},
      {"an IPv6 address", host("Host: [::1]:80\r\n"), 200},
      {"a port of no digits", host("Host: example.org:\r\n"), 200},
      {"none", host(""), 400},
      {"none in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 200},
      {"two", host("Host: a\r\nHost: a\r\n"), 400},
      {"two of different case", host("Host: a\r\nhOST: b\r\n"), 400},
      {"two in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"empty", host("Host:\r\n"), 400},
      {"a port alone", host("Host: :80\r\n"), 400},
      {"a port too high", host("Host: a:65536\r\n"), 400},
      {"a port that is none", host("Host: a:b\r\n"), 400},
      {"a space", host("Host: a b\r\n"), 400},
      {"a slash", host("Host: a/b\r\n"), 400},
      {"a user", host("Host: a@b\r\n"), 400},
      {"two in one", host("Host: a, b\r\n"), 400},
      {"brackets that are open", host("Host: [::1\r\n"), 400},
      {"brackets with something behind", host("Host: [::1]a\r\n"), 400},
  };
}

inline RawRequests lengths() {
  return {
      {"one", post("Content-Length: 5", "hello"), 200},
      {"zero", post("Content-Length: 0"), 200},
      {"leading zeros", post("Content-Length: 0005", "hello"), 200},
      {"empty", post("Content-Length:"), 400},
      {"two that are equal", post("Content-Length: 5\r\nContent-Length: 5", "hello"), 400},
      {"two that differ", post("Content-Length: 5\r\nContent-Length: 6", "hello"), 400},
      {"a list", post("Content-Length: 5, 5", "hello"), 400},
      {"a plus", post("Content-Length: +5", "hello"), 400},
      {"a minus", post("Content-Length: -5", "hello"), 400},
      {"hexadecimal", post("Content-Length: 0x5", "hello"), 400},
      {"an underscore", post("Content-Length: 1_0", "hello"), 400},
      {"a blank within", post("Content-Length: 5 5", "hello"), 400},
      {"a letter", post("Content-Length: 5a", "hello"), 400},
      {"a decimal point", post("Content-Length: 5.0", "hello"), 400},
      {"beyond 63 bits", post("Content-Length: 9223372036854775808", "hello"), 400},
      {"beyond 64 bits", post("Content-Length: 18446744073709551621", "hello"), 400},
      {"5 and 2 to the 32nd", post("Content-Length: 4294967301", "hello"), 413},
      {"63 bits", post("Content-Length: 9223372036854775807", "hello"), 413},
  };
}

inline RawRequests transfer_codings() {
  const std::string body = "5\r\nhello\r\n0\r\n\r\n";
  const auto coded = [&](std::string_view fields) { return post(fields, body); };
  return {
      {"chunked", coded("Transfer-Encoding: chunked"), 200},
      {"in capitals", coded("Transfer-Encoding: CHUNKED"), 200},
      {"with a length", coded("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400},
      {"behind a length", coded("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400},
      {"in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + body, 400},
      {"an unknown one alone", coded("Transfer-Encoding: gzip"), 400},
      {"an unknown one before", coded("Transfer-Encoding: gzip, chunked"), 501},
      {"an unknown one in another field",
       coded("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), 501},
      {"an unknown one behind", coded("Transfer-Encoding: chunked, gzip"), 400},
      {"an unknown one behind in another field",
       coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip"), 400},
      {"identity", coded("Transfer-Encoding: identity"), 400},
      {"identity behind", coded("Transfer-Encoding: chunked, identity"), 400},
      {"twice", coded("Transfer-Encoding: chunked, chunked"), 400},
      {"twice in two fields", coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
       400},
      {"empty", coded("Transfer-Encoding:"), 400},
      {"with a parameter", coded("Transfer-Encoding: chunked;a=b"), 400},
      {"with something behind", coded("Transfer-Encoding: chunkedx"), 400},
      {"with a vertical tab",
       coded("Transfer-Encoding: \x0b"
             "chunked"),
       400},
      {"in quotes", coded("Transfer-Encoding: \"chunked\""), 400},
  };
}

inline RawRequests chunk_sequences() {
  return {
      {"several", chunks("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), 200},
      {"none", chunks("0\r\n\r\n"), 200},
      {"an extension", chunks("5;a=b\r\nhello\r\n0\r\n\r\n"), 200},
      {"an extension in quotes", chunks("5;a=\"b\"\r\nhello\r\n0\r\n\r\n"), 200},
      {"leading zeros", chunks("0005\r\nhello\r\n000\r\n\r\n"), 200},
      {"trailers", chunks("5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"), 200},
      {"a bare LF behind the size", chunks("5\nhello\r\n0\r\n\r\n"), 400},
      {"a bare CR behind the size", chunks("5\rhello\r\n0\r\n\r\n"), 400},
      {"a bare LF behind the data", chunks("5\r\nhello\n0\r\n\r\n"), 400},
      {"nothing behind the data", chunks("5\r\nhello0\r\n\r\n"), 400},
      {"more data than its size", chunks("4\r\nhello\r\n0\r\n\r\n"), 400},
      {"a bare LF at the end", chunks("0\r\n\n"), 400},
      {"a bare LF behind the last size", chunks("0\n\r\n"), 400},
      {"a blank before the size", chunks(" 5\r\nhello\r\n0\r\n\r\n"), 400},
      {"a blank behind the size", chunks("5 \r\nhello\r\n0\r\n\r\n"), 400},
      {"0x", chunks("0x5\r\nhello\r\n0\r\n\r\n"), 400},
      {"a plus", chunks("+5\r\nhello\r\n0\r\n\r\n"), 400},
      {"a minus", chunks("-5\r\nhello\r\n0\r\n\r\n"), 400},
      {"an underscore", chunks("0_5\r\nhello\r\n0\r\n\r\n"), 400},
      {"no size", chunks("\r\nhello\r\n0\r\n\r\n"), 400},
      {"17 digits", chunks("00000000000000005\r\nhello\r\n0\r\n\r\n"), 400},
      {"beyond 64 bits", chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400},
      {"5 and 2 to the 32nd", chunks("100000005\r\nhello\r\n0\r\n\r\n"), 413},
      {"64 bits", chunks("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), 413},
      {"a sum beyond 64 bits", chunks("5\r\nhello\r\nfffffffffffffffb\r\nhello\r\n0\r\n\r\n"), 413},
      {"a bare LF in an extension", chunks("5;a\nhello\r\n0\r\n\r\n"), 400},
      {"a bare LF in an extension in quotes", chunks("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"), 400},
      {"a bare CR in an extension", chunks("5;a\rb\r\nhello\r\n0\r\n\r\n"), 400},
      {"NUL in an extension", chunks("5;a\0\r\nhello\r\n0\r\n\r\n"s), 400},
      {"a fold in the trailers", chunks("0\r\nA: b\r\n c\r\n\r\n"), 400},
      {"a bare LF in the trailers", chunks("0\r\nA: b\nC: d\r\n\r\n"), 400},
      {"a bare LF behind the trailers", chunks("0\r\nA: b\r\n\n"), 400},
      {"a space before the colon of a trailer", chunks("0\r\nA : b\r\n\r\n"), 400},
      {"NUL in a trailer", chunks("0\r\nA: \0\r\n\r\n"s), 400},
  };
}

}  // namespace raw
}  // namespace support
