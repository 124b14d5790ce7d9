// Further raw requests: what request smuggling is made of, as its research lists it.
//
// Whoever takes one of them for something else than the server before or behind him can be made to
// take what follows, here often "GET /smuggled", for a request of its own, or for none.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <support/raw_requests.hpp>

namespace support::raw {

inline const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
inline const std::string in_chunks = "5\r\nhello\r\n0\r\n\r\n";

// Bodies with two ends.
inline RawRequests ambiguous_bodies() {
  return {
      {"CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nG"), 400},
      {"CL.TE with a request",
       post("Content-Length: 40\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + smuggled), 400},
      {"TE.CL",
       post("Content-Length: 4\r\nTransfer-Encoding: chunked",
            "23\r\n" + smuggled + "\r\n0\r\n\r\n"),
       400},
      {"TE.CL in the other order",
       post("Transfer-Encoding: chunked\r\nContent-Length: 4",
            "23\r\n" + smuggled + "\r\n0\r\n\r\n"),
       400},
      {"TE.TE", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", in_chunks), 400},
      {"TE.TE in the other order",
       post("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked", in_chunks), 501},
      {"TE.TE with a length",
       post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow", in_chunks),
       400},
      {"CL.CL", post("Content-Length: 0\r\nContent-Length: 35", smuggled), 400},
      {"CL.CL in the other order", post("Content-Length: 35\r\nContent-Length: 0", smuggled), 400},
      {"a list of two lengths", post("Content-Length: 0, 35", smuggled), 400},
      {"chunks in HTTP/1.0",
       "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n" +
           in_chunks,
       400},
      {"chunks and a length in HTTP/1.0",
       "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + in_chunks,
       400},
      {"a length of 0 and chunks",
       post("Content-Length: 0\r\nTransfer-Encoding: chunked", in_chunks), 400},
      {"an empty coding and a length", post("Transfer-Encoding:\r\nContent-Length: 5", "hello"),
       400},
  };
}

// Codings that not everybody sees.
inline RawRequests hidden_codings() {
  const auto with = [](std::string_view field) {
    return post(std::string{field} + "\r\nContent-Length: 15", in_chunks);
  };
  return {
      {"a space before the colon", with("Transfer-Encoding : chunked"), 400},
      {"a tab before the colon", with("Transfer-Encoding\t: chunked"), 400},
      {"a vertical tab before the colon", with("Transfer-Encoding\x0b: chunked"), 400},
      {"NUL before the colon", with("Transfer-Encoding\0: chunked"s), 400},
      {"a line break before the colon", with("Transfer-Encoding\r\n : chunked"), 400},
      {"a bare LF before the colon", with("Transfer-Encoding\n: chunked"), 400},
      {"a space before the name", with(" Transfer-Encoding: chunked"), 400},
      {"a bare LF before the name", with("A: b\nTransfer-Encoding: chunked"), 400},
      {"a bare CR before the name", with("A: b\rTransfer-Encoding: chunked"), 400},
      {"NUL before the name", with("\0Transfer-Encoding: chunked"s), 400},
      {"behind the fold of a field", with("A: b\r\n Transfer-Encoding: chunked"), 400},
      {"a fold before the value", with("Transfer-Encoding:\r\n chunked"), 400},
      {"a fold within the value", with("Transfer-Encoding: chun\r\n ked"), 400},
      {"a bare LF before the value", with("Transfer-Encoding: \nchunked"), 400},
      {"a bare CR behind the value", with("Transfer-Encoding: chunked\r"), 400},
      {"NUL behind the value", with("Transfer-Encoding: chunked\0"s), 400},
      {"NUL before the value", with("Transfer-Encoding: \0chunked"s), 400},
      {"a form feed before the value",
       with("Transfer-Encoding: \x0c"
            "chunked"),
       400},
      {"a no-break space before the value",
       with("Transfer-Encoding: \xa0"
            "chunked"),
       400},
      {"a no-break space behind the value", with("Transfer-Encoding: chunked\xa0"), 400},
      {"another first letter", with("Transfer-Encoding: xchunked"), 400},
      {"two words", with("Transfer-Encoding: x chunked"), 400},
      {"two words in the other order", with("Transfer-Encoding: chunked x"), 400},
      {"in single quotes", with("Transfer-Encoding: 'chunked'"), 400},
      {"in quotes", with("Transfer-Encoding: \"chunked\""), 400},
      {"a name in the value", with("Transfer-Encoding: Transfer-Encoding: chunked"), 400},
      {"identity", with("Transfer-Encoding: identity"), 400},
      {"identity before", with("Transfer-Encoding: identity, chunked"), 400},
      {"a comma behind", with("Transfer-Encoding: chunked,"), 400},
      {"a parameter", with("Transfer-Encoding: chunked; a=b"), 400},
      {"no length: two words", post("Transfer-Encoding: x chunked", in_chunks), 400},
      {"no length: identity", post("Transfer-Encoding: identity", in_chunks), 400},
      {"no length: identity before", post("Transfer-Encoding: identity, chunked", in_chunks), 501},
      {"no length: a space before the colon", post("Transfer-Encoding : chunked", in_chunks), 400},
      {"no length: a no-break space",
       post("Transfer-Encoding: \xa0"
            "chunked",
            in_chunks),
       400},
  };
}

// Lengths that not everybody sees, or not as the same number.
inline RawRequests hidden_lengths() {
  const auto with = [](std::string_view field) { return post(field, smuggled); };
  return {
      {"a space before the colon", with("Content-Length : 35"), 400},
      {"a tab before the colon", with("Content-Length\t: 35"), 400},
      {"NUL before the colon", with("Content-Length\0: 35"s), 400},
      {"a space before the name", with(" Content-Length: 35"), 400},
      {"a bare LF before the name", with("A: b\nContent-Length: 35"), 400},
      {"a bare CR before the name", with("A: b\rContent-Length: 35"), 400},
      {"a fold before the value", with("Content-Length:\r\n 35"), 400},
      {"a fold within the value", with("Content-Length: 3\r\n 5"), 400},
      {"a fold behind the value", with("Content-Length: 35\r\n "), 400},
      {"a bare CR behind the value", with("Content-Length: 35\r"), 400},
      {"NUL behind the value", with("Content-Length: 35\0"s), 400},
      {"a vertical tab before the value",
       with("Content-Length: \x0b"
            "35"),
       400},
      {"a no-break space before the value",
       with("Content-Length: \xa0"
            "35"),
       400},
      {"in quotes", with("Content-Length: \"35\""), 400},
      {"an exponent", with("Content-Length: 35e0"), 400},
      {"a semicolon behind", with("Content-Length: 35;"), 400},
      {"a comma behind", with("Content-Length: 35,"), 400},
      {"a comma before", with("Content-Length: ,35"), 400},
      {"minus zero", with("Content-Length: -0"), 400},
      {"octal", with("Content-Length: 0o43"), 400},
      {"a word", with("Content-Length: none"), 400},
      {"two, one of them empty", with("Content-Length: 35\r\nContent-Length:"), 400},
      {"two, one with zeros", with("Content-Length: 35\r\nContent-Length: 035"), 400},
      {"2 to the 64th and 35", with("Content-Length: 18446744073709551651"), 400},
      {"2 to the 32nd and 35", with("Content-Length: 4294967331"), 413},
  };
}

// Chunks whose ends are not where they seem to be.
inline RawRequests chunk_tricks() {
  return {
      {"a request in a chunk", chunks("23\r\n" + smuggled + "\r\n0\r\n\r\n"), 200},
      {"other bytes behind the data", chunks("5\r\nhelloXX0\r\n\r\n"), 400},
      {"LF and CR behind the data", chunks("5\r\nhello\n\r0\r\n\r\n"), 400},
      {"one more line end behind the data", chunks("5\r\nhello\r\n\r\n0\r\n\r\n"), 400},
      {"CR CR LF behind the size", chunks("5\r\r\nhello\r\n0\r\n\r\n"), 400},
      {"a tab behind the size", chunks("5\t\r\nhello\r\n0\r\n\r\n"), 400},
      {"NUL behind the size", chunks("5\0\r\nhello\r\n0\r\n\r\n"s), 400},
      {"a word behind the size", chunks("5 x\r\nhello\r\n0\r\n\r\n"), 400},
      {"a letter behind the size", chunks("5x\r\nhello\r\n0\r\n\r\n"), 400},
      {"a comma behind the size", chunks("5,\r\nhello\r\n0\r\n\r\n"), 400},
      {"a decimal point", chunks("5.0\r\nhello\r\n0\r\n\r\n"), 400},
      {"a fraction of nothing", chunks("0.3\r\nabc\r\n0\r\n\r\n"), 400},
      {"a size in quotes", chunks("\"5\"\r\nhello\r\n0\r\n\r\n"), 400},
      {"0x0", chunks("0x0\r\n\r\n"), 400},
      {"minus zero", chunks("-0\r\n\r\n"), 400},
      {"a blank and an extension", chunks("5 ;a=b\r\nhello\r\n0\r\n\r\n"), 400},
      {"an extension without a size", chunks(";a\r\nhello\r\n0\r\n\r\n"), 400},
      {"an empty extension", chunks("5;\r\nhello\r\n0\r\n\r\n"), 400},
      {"a bare LF in the extension hides a chunk", chunks("5;\n\r\nhello\r\n0\r\n\r\n"), 400},
      {"a bare CR in the extension hides a chunk", chunks("5;\rxx\r\nhello\r\n0\r\n\r\n"), 400},
      {"a line break in a quoted extension", chunks("5;a=\"\r\nhello\r\n0\r\n\r\n"), 400},
      {"an extension of the last chunk", chunks("5\r\nhello\r\n0;a=b\r\n\r\n"), 200},
      {"a last chunk of many zeros", chunks("5\r\nhello\r\n000000\r\n\r\n"), 200},
      {"2 to the 64th and 5", chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400},
      {"no end behind the last chunk", chunks("0\r\n" + smuggled), 400},
      {"a bare CR at the end", chunks("0\r\n\r"), 400},
      {"a bare LF at the end of all lines", chunks("5\nhello\n0\n\n"), 400},
      {"a length in the trailers", chunks("0\r\nContent-Length: 35\r\n\r\n" + smuggled), 200},
      {"a coding in the trailers", chunks("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
      {"a host in the trailers", chunks("0\r\nHost: y\r\n\r\n"), 200},
      {"a trailer without a colon", chunks("0\r\nA\r\n\r\n"), 400},
      {"a bare CR in a trailer", chunks("0\r\nA: b\rC: d\r\n\r\n"), 400},
  };
}

inline RawRequests odd_lines() {
  return {
      {"many empty lines before", "\r\n\r\n\r\n\r\n" + line("GET / HTTP/1.1"), 400},
      {"a bare CR before", "\r" + line("GET / HTTP/1.1"), 400},
      {"a space before", " " + line("GET / HTTP/1.1"), 400},
      {"NUL before", "\0"s + line("GET / HTTP/1.1"), 400},
      {"a mark of byte order before", "\xef\xbb\xbf" + line("GET / HTTP/1.1"), 400},
      {"CR CR LF behind", "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", 400},
      {"a vertical tab for a space", line("GET\x0b/ HTTP/1.1"), 400},
      {"a form feed for a space", line("GET /\x0cHTTP/1.1"), 400},
      {"a bare CR for a space", line("GET /\rHTTP/1.1"), 400},
      {"a bare LF in the target", line("GET /a\nb HTTP/1.1"), 400},
      {"two versions", line("GET / HTTP/1.1 HTTP/1.1"), 400},
      {"a version in small letters", line("GET / http/1.1"), 400},
      {"a version with a zero before", line("GET / HTTP/01.1"), 400},
      {"a version with a zero behind", line("GET / HTTP/1.01"), 400},
      {"a version with a plus", line("GET / HTTP/+1.1"), 400},
      {"a version with a comma", line("GET / HTTP/1,1"), 400},
      {"a version of one number", line("GET / HTTP/1"), 400},
      {"a version with a space within", line("GET / HTTP/1. 1"), 400},
      {"HTTP/1.9", line("GET / HTTP/1.9"), 505},
      {"HTTP/3.0", line("GET / HTTP/3.0"), 505},
      {"HTTPS for a protocol", line("GET / HTTPS/1.1"), 400},
      {"the protocol of Icecast", line("SOURCE / ICE/1.0"), 400},
      {"a target of HTTP/0.9 with a version in it", "GET /?HTTP/1.1\r\n\r\n", 400},
      {"a host and port with GET", line("GET example.org:80 HTTP/1.1"), 400},
      {"a query alone", line("GET ?a HTTP/1.1"), 400},
      {"an asterisk with a query", line("OPTIONS *?a HTTP/1.1"), 400},
      {"an asterisk and a path", line("OPTIONS */a HTTP/1.1"), 400},
      {"an absolute target with a bad port", line("GET http://x:99999/ HTTP/1.1"), 400},
      {"an absolute target with a backslash", line("GET http:\\\\x\\ HTTP/1.1"), 400},
      {"an absolute target and no Host", "GET http://x/ HTTP/1.1\r\n\r\n", 400},
      {"CONNECT to a path", line("CONNECT / HTTP/1.1"), 501},
      {"PRI as a method", line("PRI * HTTP/1.1"), 400},
      {"DEL in the target", line("GET /\x7f HTTP/1.1"), 400},
  };
}

inline RawRequests odd_fields() {
  return {
      {"blanks alone in a line", get("A: b\r\n \r\nC: d"), 400},
      {"an empty fold at the end", host("Host: x\r\n \r\n"), 400},
      {"a colon alone", get(":"), 400},
      {"a bare CR before the name", get("\rA: b"), 400},
      {"a vertical tab before the colon", get("A\x0b: b"), 400},
      {"a vertical tab in the value",
       get("A: \x0b"
           "b"),
       400},
      {"a slash in the name", get("A/B: c"), 400},
      {"brackets in the name", get("A[0]: c"), 400},
      {"quotes in the name", get("\"A\": c"), 400},
      {"an at in the name", get("A@B: c"), 400},
      {"a blank in the name", get("A B: c"), 400},
      {"a response's first line", get("HTTP/1.1 200 OK"), 400},
      {"a request's first line", get("GET /smuggled HTTP/1.1"), 400},
      {"LF CR behind", get("A: b\n\rC: d"), 400},
      {"CR CR LF behind", get("A: b\r\r\nC: d"), 400},
      {"a bare LF as the empty line", "GET / HTTP/1.1\r\nHost: x\r\n\n", 400},
      {"bare LFs throughout", "GET / HTTP/1.1\nHost: x\n\n", 400},
      {"two Hosts around a field", host("Host: x\r\nA: b\r\nHost: y\r\n"), 400},
      {"a second Host that is empty", host("Host: x\r\nHost:\r\n"), 400},
      {"a second Host by a space before the colon", host("Host: x\r\nHost : y\r\n"), 400},
      {"a second Host by a fold", host("Host: x\r\n Host: y\r\n"), 400},
      {"Host in a list", host("Host: x, x\r\n"), 400},
      {"a fragment in Host", host("Host: x#y\r\n"), 400},
      {"a query in Host", host("Host: x?y\r\n"), 400},
      {"NUL in Host", host("Host: x\0y\r\n"s), 400},
      {"bytes beyond ASCII in Host", host("Host: caf\xc3\xa9\r\n"), 400},
  };
}

// What the first answer is depends on whether the body is there already.
inline RawRequests expectations() {
  return {
      {"Expect with the body", post("Expect: 100-continue\r\nContent-Length: 5", "hello"), 200},
      {"Expect with chunks", post("Expect: 100-continue\r\nTransfer-Encoding: chunked", in_chunks),
       200},
      {"Expect without a body", get("Expect: 100-continue"), 200},
      {"Expect of something else", get("Expect: 200-ok"), 417},
  };
}

// These keep the rules; a tab behind the values that llhttp reads itself is too much for it.
inline RawRequests plain_but_unusual() {
  return {
      {"GET with a length", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200},
      {"GET with chunks",
       "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks, 200},
      {"HEAD with a length", "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200},
      {"DELETE with a length", "DELETE / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
       200},
      {"OPTIONS with chunks",
       "OPTIONS / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks, 200},
      {"a request in the body of GET",
       "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n" + smuggled, 200},
      {"POST without a body", post("A: b"), 200},
      {"PUT of nothing", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 200},
      {"two requests", post("Content-Length: 5", "hello") + smuggled, 200},
      {"no blank behind the colon", post("Transfer-Encoding:chunked", in_chunks), 200},
      {"a tab behind the colon", post("Transfer-Encoding:\tchunked", in_chunks), 200},
      {"spaces around the coding", post("Transfer-Encoding:  chunked  ", in_chunks), 200},
      {"a tab behind the coding", post("Transfer-Encoding: chunked\t", in_chunks), 400},
      {"letters of any case", post("tRANSFER-eNCODING: cHUNKED", in_chunks), 200},
      {"spaces around the length", post("Content-Length:  5  ", "hello"), 200},
      {"a tab before the length", post("Content-Length:\t5", "hello"), 200},
      {"a tab behind the length", post("Content-Length: 5\t", "hello"), 400},
      {"a length of many zeros", post("Content-Length: 00000000000000000000000005", "hello"), 200},
      {"an underscore in the name of a length", post("Content_Length: 35") + smuggled, 200},
      {"an underscore in the name of a coding",
       post("Transfer_Encoding: chunked\r\nContent-Length: 5", "hello"), 200},
      {"a length that Connection names",
       post("Connection: Content-Length\r\nContent-Length: 5", "hello"), 200},
      {"a coding that Connection names",
       post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", in_chunks), 200},
      {"a Host that Connection names", get("Connection: Host"), 200},
      {"TE", get("TE: trailers\r\nConnection: TE"), 200},
      {"a coding of the content", post("Content-Encoding: chunked\r\nContent-Length: 5", "hello"),
       200},
      {"HTTP/1.0 with a length", "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", 200},
      {"HTTP/1.0 that is kept",
       "POST / HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", 200},
      {"an upgrade to WebSocket with a length",
       post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5", "hello"), 200},
      {"an upgrade to HTTP/2",
       get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP"),
       200},
      {"an absolute target of another host", line("GET http://other/ HTTP/1.1"), 200},
      {"an absolute target of https", line("GET https://x/ HTTP/1.1"), 200},
      {"an absolute target with an IPv6 address", line("GET http://[::1]:80/ HTTP/1.1"), 200},
      {"an absolute target in capitals", line("GET HTTP://X/ HTTP/1.1"), 200},
      {"OPTIONS with an absolute target", line("OPTIONS http://x HTTP/1.1"), 200},
      {"two slashes", line("GET //other/a HTTP/1.1"), 200},
      {"dot segments", line("GET /../../a HTTP/1.1"), 200},
      {"NUL percent-encoded", line("GET /%00 HTTP/1.1"), 200},
      {"a percent sign alone", line("GET /% HTTP/1.1"), 200},
      {"a backslash in the target", line("GET /\\a HTTP/1.1"), 200},
      {"braces and quotes in the target", line("GET /{\"a\"|<b>} HTTP/1.1"), 200},
      {"a line break percent-encoded", line("GET /%0d%0aA:%20b HTTP/1.1"), 200},
      {"TRACE", line("TRACE / HTTP/1.1"), 200},
      {"a name of all that a token may have", get("!#$%&'*+-.^_`|~09aZ: b"), 200},
  };
}

// Longer than our limits.
inline RawRequests too_much() {
  const auto repeat = [](int times, std::string_view text) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  const std::string field = "A: " + std::string(1000, 'a') + "\r\n";
  const std::string long_extension = "5;a=" + std::string(300, 'b') + "\r\nhello\r\n0\r\n\r\n";
  return {
      {"a target of 9000 bytes", line("GET /" + std::string(9000, 'a') + " HTTP/1.1"), 414},
      {"a target of 100000 bytes", line("GET /" + std::string(100'000, 'a') + " HTTP/1.1"), 414},
      {"a line without an end", "GET /" + std::string(100'000, 'a'), 414},
      {"a field of 9000 bytes", get("A: " + std::string(9000, 'a')), 431},
      {"a name of 9000 bytes", get(std::string(9000, 'a') + ": b"), 431},
      {"101 fields", host("Host: x\r\n" + repeat(100, "A: b\r\n")), 431},
      {"fields of 40000 bytes", host("Host: x\r\n" + repeat(40, field)), 431},
      {"a length of 2 MiB and no body", post("Content-Length: 2097152"), 413},
      {"a chunk of 2 MiB and no data", chunks("200000\r\n"), 413},
      {"a chunk extension of 300 bytes", chunks(long_extension), 400},
      {"100 chunk extensions of 200 bytes",
       chunks(repeat(100, "1;" + std::string(200, 'b') + "\r\na\r\n") + "0\r\n\r\n"), 400},
      {"40 trailers", chunks("0\r\n" + repeat(40, "A: b\r\n") + "\r\n"), 431},
      {"trailers of 40000 bytes", chunks("0\r\n" + repeat(40, field) + "\r\n"), 431},
  };
}

// all() is all of them, by names such as "chunks: 0x".
inline RawRequests all() {
  RawRequests all;
  const auto add = [&](const std::string& group, RawRequests requests) {
    for (RawRequest& each : requests) {
      all.push_back({group + ": " + each.what, std::move(each.text), each.status});
    }
  };
  add("request lines", request_lines());
  add("fields", field_lines());
  add("hosts", hosts());
  add("lengths", lengths());
  add("transfer codings", transfer_codings());
  add("chunks", chunk_sequences());
  add("ambiguous bodies", ambiguous_bodies());
  add("hidden codings", hidden_codings());
  add("hidden lengths", hidden_lengths());
  add("chunk tricks", chunk_tricks());
  add("odd lines", odd_lines());
  add("odd fields", odd_fields());
  add("expectations", expectations());
  add("unusual", plain_but_unusual());
  add("too much", too_much());
  return all;
}

}  // namespace support::raw
