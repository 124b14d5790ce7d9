// What Files decides by: timestamps, conditions, ranges, codings, paths.
#include <initializer_list>
#include <utility>

#include <evcoro/http/detail/codings.hpp>
#include <evcoro/http/detail/conditions.hpp>
#include <evcoro/http/detail/file_path.hpp>
#include <evcoro/http/detail/ranges.hpp>
#include <evcoro/http/detail/timestamp.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using namespace evcoro::http::detail;

namespace {

constexpr Timestamp at(long long seconds) { return Timestamp{std::chrono::seconds{seconds}}; }

constexpr Timestamp some_time = at(784'111'777);
constexpr std::string_view some_text = "Sun, 06 Nov 1994 08:49:37 GMT";

Fields fields_of(std::initializer_list<std::pair<std::string_view, std::string_view>> list) {
  Fields fields;
  for (const auto& [name, value] : list) REQUIRE(!fields.add(name, value));
  return fields;
}

}  // namespace

// --- timestamps ---

TEST_CASE("timestamps: three forms are read and one is written") {
  CHECK(parse_timestamp(some_text) == some_time);
  CHECK(parse_timestamp("Sunday, 06-Nov-94 08:49:37 GMT", at(1'700'000'000)) == some_time);
  CHECK(parse_timestamp("Sun Nov  6 08:49:37 1994") == some_time);
  CHECK(parse_timestamp("Sun Nov 16 08:49:37 1994") == at(784'111'777 + 10 * 86'400));
  CHECK(format_timestamp(some_time) == some_text);
  CHECK(format_timestamp(at(0)) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(format_timestamp(at(1'709'164'800)) == "Thu, 29 Feb 2024 00:00:00 GMT");
  CHECK(parse_timestamp("Thu, 29 Feb 2024 00:00:00 GMT") == at(1'709'164'800));
  CHECK(parse_timestamp("Fri, 31 Dec 9999 23:59:59 GMT") == at(253'402'300'799));
  CHECK(parse_timestamp("Sat, 31 Dec 2016 23:59:60 GMT") == at(1'483'228'800));  // a leap second
}

TEST_CASE("timestamps: years of two digits are at most 50 years ahead") {
  const Timestamp now = at(1'700'000'000);  // 2023
  const auto year = [&](std::string_view text) {
    const auto time = parse_timestamp(text, now);
    REQUIRE(time);
    return format_timestamp(*time).substr(12, 4);
  };
  CHECK(year("Monday, 01-Jan-73 00:00:00 GMT") == "2073");
  CHECK(year("Monday, 01-Jan-74 00:00:00 GMT") == "1974");
  CHECK(year("Monday, 01-Jan-23 00:00:00 GMT") == "2023");
  CHECK(year("Monday, 01-Jan-00 00:00:00 GMT") == "2000");
}

TEST_CASE("timestamps: what is none") {
  for (const std::string_view text : {"",
                                      "x",
                                      "Sun,",
                                      "0",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "sun, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 NOV 1994 08:49:37 GMT",
                                      "Sun, 32 Oct 1994 08:49:37 GMT",
                                      "Sun, 29 Feb 2023 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:00:00 GMT",
                                      "Sun, 06 Nov 1994 08:60:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:61 GMT",
                                      "Sun, 06 Nov +994 08:49:37 GMT",
                                      "Sun, 06 Nov 19944 08:49:37 GMT",
                                      "Sunday, 06-Nov-1994 08:49:37 GMT",
                                      "Sun Nov 6 08:49:37 1994",
                                      "Xxx Nov  6 08:49:37 1994",
                                      "784111777",
                                      "\xff\xff\xff\xff, 06 Nov 1994"}) {
    CAPTURE(text);
    CHECK(!parse_timestamp(text));
  }
}

// --- conditions ---

TEST_CASE("conditions: lists of tags") {
  struct Row {
    std::string_view list;
    std::string_view tag;
    bool strongly;
    bool weakly;
  };
  for (const Row& row :
       {Row{"\"a\"", "\"a\"", true, true}, Row{"\"b\", \"a\"", "\"a\"", true, true},
        Row{"\"b\",\"a\"", "\"a\"", true, true}, Row{"*", "\"a\"", true, true},
        Row{"W/\"a\"", "\"a\"", false, true}, Row{"W/\"a\"", "W/\"a\"", false, true},
        Row{"\"a\"", "W/\"a\"", false, true}, Row{"\"A\"", "\"a\"", false, false},
        Row{"\"x, y\", \"a\"", "\"a\"", true, true}, Row{"\"x, \"a\"", "\"a\"", false, false},
        Row{"a", "\"a\"", false, false}, Row{"\"a", "\"a\"", false, false},
        Row{"", "\"a\"", false, false}, Row{"w/\"a\"", "\"a\"", false, false},
        Row{",, \"a\"", "\"a\"", true, true}, Row{"W/", "\"a\"", false, false},
        Row{"\"", "\"a\"", false, false}}) {
    CAPTURE(row.list, row.tag);
    CHECK(lists_tag(row.list, row.tag, false) == row.strongly);
    CHECK(lists_tag(row.list, row.tag, true) == row.weakly);
  }
}

TEST_CASE("conditions: the order of precedence") {
  const Validators has{"\"a\"", some_time};
  const std::string_view before = "Sun, 06 Nov 1994 08:49:36 GMT";
  const auto check = [&](const Fields& fields) { return check_conditions(fields, true, has); };
  CHECK(check(fields_of({})) == Verdict::send);
  CHECK(check(fields_of({{"If-Match", "\"a\""}})) == Verdict::send);
  CHECK(check(fields_of({{"If-Match", "\"b\""}})) == Verdict::failed);
  CHECK(check(fields_of({{"If-Match", "\"b\""}, {"If-Match", "\"a\""}})) == Verdict::send);
  CHECK(check(fields_of({{"If-Match", "W/\"a\""}})) == Verdict::failed);
  CHECK(check(fields_of({{"If-Match", "\"a\""}, {"If-Unmodified-Since", before}})) ==
        Verdict::send);
  CHECK(check(fields_of({{"If-Unmodified-Since", before}})) == Verdict::failed);
  CHECK(check(fields_of({{"If-Unmodified-Since", some_text}})) == Verdict::send);
  CHECK(check(fields_of({{"If-Unmodified-Since", "yesterday"}})) == Verdict::send);
  CHECK(check(fields_of({{"If-None-Match", "W/\"a\""}})) == Verdict::not_modified);
  CHECK(check(fields_of({{"If-None-Match", "*"}})) == Verdict::not_modified);
  CHECK(check(fields_of({{"If-None-Match", "\"b\""}})) == Verdict::send);
  CHECK(check(fields_of({{"If-None-Match", "\"b\""}, {"If-Modified-Since", some_text}})) ==
        Verdict::send);
  CHECK(check(fields_of({{"If-Modified-Since", some_text}})) == Verdict::not_modified);
  CHECK(check(fields_of({{"If-Modified-Since", before}})) == Verdict::send);
  CHECK(check(fields_of({{"If-Modified-Since", "never"}})) == Verdict::send);
  CHECK(check(fields_of({{"If-Match", "\"b\""}, {"If-None-Match", "\"a\""}})) == Verdict::failed);
  CHECK(check_conditions(fields_of({{"If-None-Match", "\"a\""}}), false, has) == Verdict::failed);
  CHECK(check_conditions(fields_of({{"If-Modified-Since", some_text}}), false, has) ==
        Verdict::send);
}

TEST_CASE("conditions: If-Range") {
  const Validators has{"\"a\"", some_time};
  CHECK(allows_ranges(fields_of({}), has));
  CHECK(allows_ranges(fields_of({{"If-Range", "\"a\""}}), has));
  CHECK(!allows_ranges(fields_of({{"If-Range", "W/\"a\""}}), has));
  CHECK(!allows_ranges(fields_of({{"If-Range", "\"b\""}}), has));
  CHECK(!allows_ranges(fields_of({{"If-Range", "a"}}), has));
  CHECK(allows_ranges(fields_of({{"If-Range", some_text}}), has));
  CHECK(!allows_ranges(fields_of({{"If-Range", "Sun, 06 Nov 1994 08:49:38 GMT"}}), has));
  const Timestamp now = current_second();  // it may still change within this second
  CHECK(!allows_ranges(fields_of({{"If-Range", format_timestamp(now)}}), {"\"a\"", now}));
}

// --- ranges ---

TEST_CASE("ranges: what is asked for") {
  using List = std::vector<Range>;
  const std::uint64_t huge = std::uint64_t{1} << 62;
  const auto list = [](std::string_view text, std::uint64_t size = 1000) {
    const Ranges ranges = parse_ranges(text, size, 4);
    CHECK((ranges.state == Ranges::State::partial) == !ranges.list.empty());
    return ranges.list;
  };
  CHECK(list("bytes=0-99") == List{{0, 100}});
  CHECK(list("BYTES=0-0") == List{{0, 1}});
  CHECK(list("bytes=999-") == List{{999, 1}});
  CHECK(list("bytes=0-5000") == List{{0, 1000}});
  CHECK(list("bytes=-1") == List{{999, 1}});
  CHECK(list("bytes=-5000") == List{{0, 1000}});
  CHECK(list("bytes= 0-0 , 5-6 ,,-1") == List{{0, 1}, {5, 2}, {999, 1}});
  CHECK(list("bytes=500-599,0-99") == List{{500, 100}, {0, 100}});
  CHECK(list("bytes=0-99,2000-") == List{{0, 100}});
  CHECK(list("bytes=0-18446744073709551615") == List{{0, 1000}});
  CHECK(list("bytes=0-99999999999999999999999") == List{{0, 1000}});
  CHECK(list("bytes=-99999999999999999999999") == List{{0, 1000}});
  CHECK(list("bytes=4611686018427387903-", huge) == List{{huge - 1, 1}});
}

TEST_CASE("ranges: nothing of it is there") {
  for (const std::string_view text :
       {"bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=18446744073709551615-",
        "bytes=5000-6000,-0", "bytes=99999999999999999999-99999999999999999999"}) {
    CAPTURE(text);
    CHECK(parse_ranges(text, 1000, 4).state == Ranges::State::unsatisfiable);
  }
  CHECK(parse_ranges("bytes=0-", 0, 4).state == Ranges::State::unsatisfiable);
  CHECK(parse_ranges("bytes=-5", 0, 4).state == Ranges::State::unsatisfiable);
}

TEST_CASE("ranges: what is none or too much is the whole") {
  for (const std::string_view text : {"",
                                      "bytes",
                                      "bytes=",
                                      "bytes=,",
                                      "bytes=-",
                                      "bytes=a-b",
                                      "bytes=5-4",
                                      "bytes=0-1,x",
                                      "bytes=0x1-2",
                                      "bytes=+1-2",
                                      "bytes=1--2",
                                      "bytes=1 -2",
                                      "bytes=--1",
                                      "lines=0-1",
                                      "bytes 0-1",
                                      "bytes=0-1,2-3,4-5,6-7,8-9",
                                      "bytes=0-,0-,0-",
                                      "bytes=0-10,5-15",
                                      "bytes=5-15,-1000",
                                      "bytes=-1,-1"}) {
    CAPTURE(text);
    CHECK(parse_ranges(text, 1000, 4).state == Ranges::State::whole);
  }
}

// --- codings ---

TEST_CASE("codings: what the client prefers") {
  struct Row {
    std::string_view field;
    Coding best;
  };
  CHECK(accepted_codings(fields_of({})).best() == Coding::identity);
  for (const Row& row : {Row{"", Coding::identity},
                         Row{"gzip", Coding::gzip},
                         Row{"GZIP", Coding::gzip},
                         Row{"x-gzip", Coding::gzip},
                         Row{"deflate", Coding::deflate},
                         Row{"deflate, gzip", Coding::gzip},
                         Row{"br, zstd", Coding::identity},
                         Row{"gzip;q=0", Coding::identity},
                         Row{"gzip; q=0.000", Coding::identity},
                         Row{"gzip;q=0.001", Coding::gzip},
                         Row{"gzip;q=0.5, deflate", Coding::deflate},
                         Row{"gzip;q=0.5, identity", Coding::identity},
                         Row{"gzip;q=0.5, *", Coding::deflate},
                         Row{"*", Coding::gzip},
                         Row{"*;q=0", Coding::identity},
                         Row{"gzip, *;q=0", Coding::gzip},
                         Row{"*, gzip;q=0", Coding::deflate},
                         Row{"identity;q=0, gzip;q=0.1", Coding::gzip},
                         Row{"gzip;q=1.001", Coding::identity},
                         Row{"gzip;q=x", Coding::identity},
                         Row{"gzip;q=0.1234", Coding::identity},
                         Row{"gzip;q=1.", Coding::gzip},
                         Row{"gzip;a=b;q=0", Coding::identity},
                         Row{"gzip;Q=0.4,deflate;q=0.3", Coding::gzip},
                         Row{"gzipped", Coding::identity},
                         Row{"gzip;q=", Coding::identity}}) {
    CAPTURE(row.field);
    CHECK(accepted_codings(fields_of({{"Accept-Encoding", row.field}})).best() == row.best);
  }
  CHECK(accepted_codings(fields_of({{"Accept-Encoding", "br"}, {"Accept-Encoding", "gzip"}}))
            .best() == Coding::gzip);
}

// --- paths ---

TEST_CASE("file paths: what a path means in a folder") {
  CHECK(to_file_path("", false) == "");
  CHECK(to_file_path("/", false) == "");
  CHECK(to_file_path("a", false) == "a");
  CHECK(to_file_path("/a/b%20c.css", false) == "a/b c.css");
  CHECK(to_file_path("/a/", false) == "a/");
  CHECK(to_file_path("/caf%C3%A9", false) == "caf\xC3\xA9");
  CHECK(to_file_path("/.well-known/x", true) == ".well-known/x");
  CHECK(to_file_path("/a..b/...", true) == "a..b/...");
  for (const std::string_view path : {"..",
                                      "/..",
                                      "/../etc/passwd",
                                      "/a/../b",
                                      "/a/..",
                                      "/./a",
                                      "/.",
                                      "//a",
                                      "/a//b",
                                      "//",
                                      "/%2e%2e/etc/passwd",
                                      "/%2E%2E",
                                      "/.%2e/x",
                                      "/a%2Fb",
                                      "/a%2f..%2f..%2fetc",
                                      "/..%2fetc",
                                      "/a%00.txt",
                                      "/%00",
                                      "/..%00/",
                                      "/a%5Cb",
                                      "/..\\..\\etc",
                                      "/a%",
                                      "/a%2",
                                      "/a%zz",
                                      "/%2e",
                                      "/a/%2e%2e%2f%2e%2e"}) {
    CAPTURE(path);
    CHECK(!to_file_path(path, true));
  }
  CHECK(to_file_path("/%252e%252e/x", true) == "%2e%2e/x");  // decoded once
  CHECK(!to_file_path("/.git/config", false));
  CHECK(!to_file_path("/a/.htpasswd", false));
  CHECK(!to_file_path("/%2egit/config", false));
}
