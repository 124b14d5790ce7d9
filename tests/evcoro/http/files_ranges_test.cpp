// Files: conditions, ranges, compressed siblings.
#include <unistd.h>

#include <support/site.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::get;
using support::Reply;
using support::set_time;
using support::Site;
using support::some_text;
using support::some_time;
using support::status;

namespace fs = std::filesystem;

// --- conditions ---

TEST_CASE("files: conditional requests") {
  const Site site;
  const Files files = site.files();
  const std::string etag = get(files, "/a.txt").field("ETag");
  const Reply same = get(files, "/a.txt", "If-None-Match: \"x\", " + etag + "\r\n");
  CHECK(same.status == 304);
  CHECK(same.body.empty());
  CHECK(same.field("ETag") == etag);
  CHECK(same.field("Last-Modified") == some_text);
  CHECK(same.field("Content-Length").empty());
  CHECK(status(files, "/a.txt", "If-None-Match: W/" + etag + "\r\n") == 304);
  CHECK(get(files, "/a.txt", "If-None-Match: *\r\n", "HEAD").status == 304);
  CHECK(status(files, "/a.txt", "If-None-Match: \"x\"\r\n") == 200);
  CHECK(status(files, "/a.txt", "If-Match: \"x\"\r\n") == 412);
  CHECK(status(files, "/a.txt", "If-Match: " + etag + "\r\n") == 200);
  const std::string date{some_text};
  CHECK(status(files, "/a.txt", "If-Modified-Since: " + date + "\r\n") == 304);
  CHECK(status(files, "/a.txt", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n") == 304);
  CHECK(status(files, "/a.txt", "If-Modified-Since: Sun Nov  6 08:49:36 1994\r\n") == 200);
  CHECK(status(files, "/a.txt", "If-Unmodified-Since: Sun Nov  6 08:49:36 1994\r\n") == 412);
  CHECK(status(files, "/none", "If-Match: *\r\n") == 404);
}

TEST_CASE("files: a time in the future is told as now") {
  const Site site;
  set_time(site.path("a.txt"), 4'000'000'000);
  const Reply reply = get(site.files(), "/a.txt");
  CHECK(reply.field("Last-Modified").find("2096") == std::string::npos);
  CHECK(status(site.files(), "/a.txt", "If-None-Match: " + reply.field("ETag") + "\r\n") == 304);
}

// --- ranges ---

TEST_CASE("files: a range") {
  const Site site;
  const Files files = site.files();
  const Reply part = get(files, "/a.txt", "Range: bytes=2-4\r\n");
  CHECK(part.status == 206);
  CHECK(part.body == "234");
  CHECK(part.field("Content-Range") == "bytes 2-4/10");
  CHECK(part.field("Content-Length") == "3");
  CHECK(get(files, "/a.txt", "Range: bytes=-3\r\n").body == "789");
  CHECK(get(files, "/a.txt", "Range: bytes=9-\r\n").body == "9");
  const Reply none = get(files, "/a.txt", "Range: bytes=10-\r\n");
  CHECK(none.status == 416);
  CHECK(none.field("Content-Range") == "bytes */10");
  CHECK(get(files, "/a.txt", "Range: bytes=2-4\r\n", "HEAD").status == 200);
  CHECK(status(files, "/a.txt", "Range: bytes=2-4\r\nRange: bytes=5-6\r\n") == 200);
  CHECK(status(files, "/a.txt", "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n") == 200);
  CHECK(status(files, "/a.txt", "Range: bytes=2-4\r\nIf-Range: Sun Nov  6 08:49:37 1994\r\n") ==
        206);
  CHECK(status(files, "/a.txt", "Range: bytes=2-4\r\nIf-None-Match: *\r\n") == 304);
  CHECK(status(files, "/a.txt", "Range: bytes=0-,0-,0-\r\n") == 200);
  CHECK(status(site.files({.max_ranges = 0}), "/a.txt", "Range: bytes=0-1\r\n") == 200);
}

TEST_CASE("files: several ranges") {
  const Site site;
  const std::string large = support::pattern(100'000);
  site.whole.write("site/large.bin", large);
  const auto check = [&](std::string_view target, std::string_view first, std::string_view second,
                         std::string_view sizes) {
    const Reply reply = get(site.files(), target, "Range: bytes=1-2,7-7\r\n");
    CHECK(reply.status == 206);
    const std::string type = reply.field("Content-Type");
    const std::string start = "multipart/byteranges; boundary=";
    REQUIRE(type.starts_with(start));
    const std::string line = "\r\n--" + type.substr(start.size());
    const std::string kind = get(site.files(), target).field("Content-Type");
    const auto head = [&](std::string_view range) {
      return line + "\r\nContent-Type: " + kind + "\r\nContent-Range: bytes " + std::string{range} +
             std::string{sizes} + "\r\n\r\n";
    };
    CHECK(reply.body ==
          head("1-2/") + std::string{first} + head("7-7/") + std::string{second} + line + "--\r\n");
  };
  check("/a.txt", "12", "7", "10");
  check("/large.bin", large.substr(1, 2), large.substr(7, 1), "100000");
}

TEST_CASE("files: ranges of a file larger than four gigabytes") {
  const Site site;
  constexpr std::uint64_t size = std::uint64_t{5} << 30;
  site.whole.write("site/huge", "");
  fs::resize_file(site.path("huge"), size);
  const Reply part = get(site.files(), "/huge", "Range: bytes=4294967296-4294967299\r\n");
  CHECK(part.status == 206);
  CHECK(part.body == std::string(4, '\0'));
  CHECK(part.field("Content-Range") == "bytes 4294967296-4294967299/5368709120");
  CHECK(get(site.files(), "/huge", "", "HEAD").field("Content-Length") == "5368709120");
}

TEST_CASE("files: an empty file") {
  const Site site;
  site.whole.write("site/empty", "");
  CHECK(get(site.files(), "/empty").field("Content-Length") == "0");
  CHECK(status(site.files(), "/empty", "Range: bytes=0-\r\n") == 416);
}

// --- compressed siblings ---

TEST_CASE("files: compressed siblings for who takes them") {
  const Site site;
  site.whole.write("site/a.txt.gz", "gzipped");
  const Files files = site.files({.precompressed = true});
  const Reply gzip = get(files, "/a.txt", "Accept-Encoding: br, gzip\r\n");
  CHECK(gzip.body == "gzipped");
  CHECK(gzip.field("Content-Encoding") == "gzip");
  CHECK(gzip.field("Content-Type") == "text/plain; charset=utf-8");
  CHECK(gzip.field("Vary") == "Accept-Encoding");
  const Reply plain = get(files, "/a.txt");
  CHECK(plain.body == "0123456789");
  CHECK(plain.field("Content-Encoding").empty());
  CHECK(plain.field("Vary") == "Accept-Encoding");
  CHECK(plain.field("ETag") != gzip.field("ETag"));
  CHECK(get(files, "/a.txt", "Accept-Encoding: gzip;q=0\r\n").body == "0123456789");
  const std::string both = "Accept-Encoding: gzip\r\nIf-None-Match: " + gzip.field("ETag") + "\r\n";
  CHECK(status(files, "/a.txt", both) == 304);
  CHECK(get(files, "/a.txt", "Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n").body == "gz");
  CHECK(get(site.files(), "/a.txt", "Accept-Encoding: gzip\r\n").body == "0123456789");
  set_time(site.path("a.txt.gz"), some_time - 1);  // of an older one
  CHECK(get(files, "/a.txt", "Accept-Encoding: gzip\r\n").body == "0123456789");
}

TEST_CASE("files: a refusal says nothing of the file") {
  const Site site;
  site.whole.write("site/a.txt.gz", "gzipped");
  const Files files = site.files({.precompressed = true, .cache_control = "max-age=60"});
  const std::string_view cases[] = {"Accept-Encoding: gzip\r\nRange: bytes=100-\r\n",
                                    "Accept-Encoding: gzip\r\nIf-Match: \"x\"\r\n"};
  for (const std::string_view fields : cases) {
    CAPTURE(fields);
    const Reply reply = get(files, "/a.txt", fields);
    CHECK(reply.status >= 400);
    CHECK(reply.field("Content-Type") == "text/plain");
    CHECK(reply.field("Vary") == "Accept-Encoding");
    for (const char* name : {"Content-Encoding", "Cache-Control", "ETag", "Last-Modified"}) {
      CAPTURE(name);
      CHECK(reply.field(name).empty());
    }
  }
}
