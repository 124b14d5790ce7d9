// Files: what is there and what is not, conditions, ranges, compressed siblings, change.
#include <evcoro/http/files.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <evcoro/http/detail/beneath.hpp>
#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <support/acceptor.hpp>
#include <support/folder.hpp>
#include <support/http.hpp>

using namespace evcoro;
using namespace evcoro::http;
using evcoro::http::detail::walk_beneath;
using support::LoopFixture;
using support::Reply;
using support::TemporaryFolder;

namespace fs = std::filesystem;

namespace {

std::string request_for(std::string_view target, std::string_view fields = "",
                        std::string_view method = "GET") {
  return std::string{method} + " " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n" +
         std::string{fields} + "\r\n";
}

Reply get(const Handler& files, std::string_view target, std::string_view fields = "",
          std::string_view method = "GET") {
  const std::string sent = support::send_pieces({request_for(target, fields, method)}, files);
  std::string_view rest = sent;
  return support::parse_reply(rest, method == "HEAD");
}

int status(const Handler& files, std::string_view target, std::string_view fields = "") {
  return get(files, target, fields).status;
}

// set_time() makes a file older than it is.
void set_time(const fs::path& file, std::time_t seconds) {
  const timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 0}, {.tv_sec = seconds, .tv_nsec = 0}};
  REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
}

constexpr std::time_t some_time = 784'111'777;
constexpr std::string_view some_text = "Sun, 06 Nov 1994 08:49:37 GMT";

// Site is a folder with some files, beside one with a secret.
struct Site {
  Site() {
    whole.write("secret.txt", "secret");
    whole.write("site/index.html", "<p>home");
    whole.write("site/a.txt", "0123456789");
    whole.write("site/a b.css", "p {}");
    whole.write("site/sub/index.html", "<p>sub");
    whole.write("site/bare/x", "x");
    whole.write("site/.hidden", "hidden");
    whole.write("site/.git/config", "hidden");
    set_time(whole / "site/a.txt", some_time);
  }
  std::string root() const { return (whole / "site").string(); }
  fs::path path(std::string_view name) const { return whole / "site" / name; }
  Files files(FilesOptions options = {}) const { return Files{root(), std::move(options)}; }

  TemporaryFolder whole;
};

}  // namespace

// --- what is there ---

TEST_CASE("files: a file with its fields") {
  const Site site;
  const Reply reply = get(site.files({.cache_control = "max-age=60"}), "/a.txt");
  CHECK(reply.status == 200);
  CHECK(reply.body == "0123456789");
  CHECK(reply.field("Content-Type") == "text/plain; charset=utf-8");
  CHECK(reply.field("Content-Length") == "10");
  CHECK(reply.field("Last-Modified") == some_text);
  CHECK(reply.field("ETag").starts_with("\""));
  CHECK(reply.field("Accept-Ranges") == "bytes");
  CHECK(reply.field("Cache-Control") == "max-age=60");
  CHECK(reply.field("Vary").empty());
  const Reply head = get(site.files(), "/a.txt", "", "HEAD");
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  CHECK(head.field("Content-Length") == "10");
  CHECK(head.field("ETag") == reply.field("ETag"));
}

TEST_CASE("files: folders have an index or are redirected to their slash") {
  const Site site;
  const Files files = site.files();
  CHECK(get(files, "/").body == "<p>home");
  CHECK(get(files, "/sub/").body == "<p>sub");
  CHECK(get(files, "/sub/?x").body == "<p>sub");
  const Reply moved = get(files, "/sub?a=b");
  CHECK(moved.status == 301);
  CHECK(moved.field("Location") == "/sub/?a=b");
  CHECK(status(files, "/bare") == 301);
  CHECK(status(files, "/bare/") == 404);
  CHECK(status(files, "/a.txt/") == 404);
  CHECK(status(files, "/a.txt/x") == 404);
  CHECK(status(site.files({.index = ""}), "/sub/") == 404);
  CHECK(get(site.files({.index = "a.txt"}), "/").body == "0123456789");
  fs::create_directory(site.path("bare/index.html"));
  CHECK(status(files, "/bare/") == 404);
}

TEST_CASE("files: behind a router or behind a prefix") {
  const Site site;
  Router router;
  router.get("/static/*path", site.files());
  router.get("/by/:file", site.files({.parameter = "file"}));
  CHECK(get(router, "/static/a%20b.css").body == "p {}");
  CHECK(get(router, "/static/").body == "<p>home");
  CHECK(get(router, "/static/sub").field("Location") == "/static/sub/");
  CHECK(get(router, "/static/a.txt", "", "HEAD").status == 200);
  CHECK(status(router, "/static//etc/passwd") == 404);
  CHECK(get(router, "/by/a.txt").body == "0123456789");
  for (const std::string_view prefix : {"/p", "/p/"}) {
    const Files files = site.files({.prefix = std::string{prefix}});
    CHECK(get(files, "/p/a.txt").body == "0123456789");
    CHECK(get(files, "/p").field("Location") == "/p/");
    CHECK(status(files, "/pa.txt") == 404);
    CHECK(status(files, "/a.txt") == 404);
    CHECK(status(files, "//p/a.txt") == 404);
  }
}

TEST_CASE("files: other methods are told what there is") {
  const Site site;
  const Reply reply = get(site.files(), "/a.txt", "Content-Length: 0\r\n", "POST");
  CHECK(reply.status == 405);
  CHECK(reply.field("Allow") == "GET, HEAD");
}

TEST_CASE("files: types by extension") {
  const Site site;
  for (const std::string_view name : {"x", "x.HTML", "x.foo", "x.txt", "x.tar.gz", "x."}) {
    site.whole.write("site/" + std::string{name}, "x");
  }
  const Files files = site.files({.types = {{"foo", "text/foo"}, {"txt", "text/own"}}});
  const auto type = [&](std::string_view name) { return get(files, name).field("Content-Type"); };
  CHECK(type("/x") == "application/octet-stream");
  CHECK(type("/x.") == "application/octet-stream");
  CHECK(type("/x.HTML") == "text/html; charset=utf-8");
  CHECK(type("/x.foo") == "text/foo");
  CHECK(type("/x.txt") == "text/own");
  CHECK(type("/x.tar.gz") == "application/gzip");
  CHECK(content_type("a.b/c").empty());
}

// --- what is not there ---

TEST_CASE("files: no way out of the folder") {
  const Site site;
  const Files files = site.files({.dot_files = true});
  for (const std::string_view target : {"/../secret.txt",
                                        "/sub/../../secret.txt",
                                        "/..%2fsecret.txt",
                                        "/%2e%2e/secret.txt",
                                        "/%2e%2e%2fsecret.txt",
                                        "/.%2E/secret.txt",
                                        "/%252e%252e/secret.txt",
                                        "/..%5csecret.txt",
                                        "/..\\secret.txt",
                                        "/sub/..",
                                        "/sub/%2e%2e/a.txt",
                                        "/./a.txt",
                                        "//secret.txt",
                                        "/a.txt%00.css",
                                        "/%00",
                                        "/%c0%ae%c0%ae/secret.txt",
                                        "/..;/secret.txt",
                                        "/a.txt%2f",
                                        "/%2fetc/passwd",
                                        "//etc/passwd",
                                        "/sub%2findex.html",
                                        "/%",
                                        "/a.txt%2",
                                        "/..."}) {
    CAPTURE(target);
    const Reply reply = get(files, target);
    CHECK(reply.status == 404);
    CHECK(reply.body == "Not Found\n");
  }
  CHECK(status(files, "/" + std::string(5000, 'a')) == 404);
  std::string deep;
  for (int i = 0; i < 2500; ++i) deep += "/a";
  CHECK(status(files, deep) == 404);
}

TEST_CASE("files: an encoded slash at the front redirects nobody elsewhere") {
  const Site site;
  fs::create_directories(site.path("evil.org"));
  CHECK(status(site.files(), "//evil.org") == 404);
  CHECK(status(site.files(), "/%2fevil.org") == 404);
  CHECK(get(site.files(), "/evil.org").field("Location") == "/evil.org/");
}

TEST_CASE("files: names that begin with a dot") {
  const Site site;
  CHECK(status(site.files(), "/.hidden") == 404);
  CHECK(status(site.files(), "/%2ehidden") == 404);
  CHECK(status(site.files(), "/.git/config") == 404);
  CHECK(get(site.files({.dot_files = true}), "/.git/config").body == "hidden");
}

TEST_CASE("files: symbolic links that stay inside are followed and others are not") {
  const Site site;
  fs::create_symlink("a.txt", site.path("inside"));
  fs::create_symlink("../a.txt", site.path("sub/inside"));
  fs::create_directory_symlink("sub", site.path("folder"));
  fs::create_symlink("../secret.txt", site.path("outside"));
  fs::create_symlink(site.whole / "secret.txt", site.path("absolute"));
  fs::create_directory_symlink("..", site.path("up"));
  fs::create_symlink("loop", site.path("loop"));
  fs::create_symlink("/proc/self/root", site.path("magic"));
  const Files files = site.files();
  if (!support::running_on_valgrind()) {  // it has no openat2(2), without which none is followed
    CHECK(get(files, "/inside").body == "0123456789");
    CHECK(get(files, "/sub/inside").body == "0123456789");
    CHECK(get(files, "/folder/").body == "<p>sub");
  }
  for (const std::string_view target : {"/outside", "/absolute", "/up/secret.txt", "/loop",
                                        "/magic/etc/passwd", "/up/site/a.txt"}) {
    CAPTURE(target);
    CHECK(status(files, target) == 404);
  }
  CHECK(status(site.files({.symlinks = false}), "/inside") == 404);
  CHECK(status(site.files({.symlinks = false}), "/folder/") == 404);
}

TEST_CASE("files: without openat2 no symbolic link is followed") {
  const Site site;
  fs::create_symlink("a.txt", site.path("inside"));
  fs::create_directory_symlink("sub", site.path("folder"));
  const evcoro::detail::OwnedDescriptor root{::open(site.root().c_str(), O_PATH | O_CLOEXEC)};
  evcoro::detail::OwnedDescriptor opened;
  CHECK(!walk_beneath(root.get(), "a.txt", opened));
  CHECK(!walk_beneath(root.get(), "sub/index.html", opened));
  CHECK(opened);
  CHECK(walk_beneath(root.get(), "inside", opened));
  CHECK(walk_beneath(root.get(), "folder/index.html", opened));
  CHECK(walk_beneath(root.get(), "none/x", opened) == std::errc::no_such_file_or_directory);
  CHECK(!opened);
}

TEST_CASE("files: pipes and sockets and what may not be read") {
  const Site site;
  REQUIRE(::mkfifo(site.path("pipe").c_str(), 0666) == 0);
  CHECK(status(site.files(), "/pipe") == 404);
  fs::create_symlink("/dev/zero", site.path("zero"));
  CHECK(status(site.files(), "/zero") == 404);
  if (::geteuid() == 0) return;  // who may read everything
  fs::permissions(site.path("a.txt"), fs::perms::none);
  CHECK(status(site.files(), "/a.txt") == 403);
}

TEST_CASE("files: the folder must be there and be one") {
  const Site site;
  CHECK_THROWS_AS(Files{(site.whole / "none").string()}, std::system_error);
  CHECK_THROWS_AS(Files{(site.whole / "secret.txt").string()}, std::system_error);
}

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

// --- change ---

TEST_CASE_METHOD(LoopFixture, "files: what is kept open is noticed when it changes") {
  const Site site;
  const Files files = site.files({.cache_time = std::chrono::hours{1}});
  in_thread([&] {
    const std::size_t before = support::open_descriptors();
    const std::string etag = get(files, "/a.txt").field("ETag");
    CHECK(support::open_descriptors() == before + 1);
    CHECK(get(files, "/a.txt").body == "0123456789");
    CHECK(support::open_descriptors() == before + 1);

    site.whole.replace("site/a.txt", "replaced");
    CHECK(get(files, "/a.txt").body == "replaced");
    CHECK(get(files, "/a.txt").field("ETag") != etag);

    site.whole.write("site/a.txt", "written to");
    CHECK(get(files, "/a.txt").body == "written to");

    fs::remove(site.path("a.txt"));
    CHECK(status(files, "/a.txt") == 404);
    CHECK(support::open_descriptors() == before);
  });
}

TEST_CASE_METHOD(LoopFixture, "files: a loop keeps so many open and goes back for more") {
  const Site site;
  for (int i = 0; i < 10; ++i) site.whole.write("site/" + std::to_string(i), std::to_string(i));
  const Files few = site.files({.cache_files = 3});
  const Files none = site.files({.cache_files = 0});
  in_thread([&] {
    const std::size_t before = support::open_descriptors();
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 10; ++i) {
        CHECK(get(few, "/" + std::to_string(i)).body == std::to_string(i));
        CHECK(get(none, "/" + std::to_string(i)).body == std::to_string(i));
      }
    }
    CHECK(support::open_descriptors() == before + 3);
  });
}

TEST_CASE_METHOD(LoopFixture, "files: without time nothing is kept for another look") {
  const Site site;
  const Files files = site.files({.cache_time = std::chrono::milliseconds{-1}});
  in_thread([&] {
    for (int i = 0; i < 3; ++i) CHECK(get(files, "/a.txt").body == "0123456789");
    fs::create_hard_link(site.path("a.txt"), site.path("other"));
    site.whole.replace("site/a.txt", "replaced");
    CHECK(get(files, "/a.txt").body == "replaced");
  });
}

TEST_CASE_METHOD(LoopFixture, "files: over a socket while files are replaced") {
  const Site site;
  const std::string one = support::pattern(300'000, 1);
  const std::string two = support::pattern(200'000, 2);
  site.whole.write("site/large", one);
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    Server server{*loop, support::loopback(), site.files(), options};
    const auto client = support::RawSocket::connected_to(server.local_address());
    const auto receive = [&](std::size_t size) {
      std::string all = support::reply(client, size);
      REQUIRE(all.size() == size);
      return all;
    };
    for (int i = 0; i < 4; ++i) {
      const std::string& now = i % 2 == 0 ? one : two;
      site.whole.replace("site/large", now);
      client.send(request_for("/large"));
      std::string all;
      while (all.find("\r\n\r\n") == std::string::npos) all += receive(1);
      // It is being sent: the file that the client is getting stays the same.
      site.whole.replace("site/large", "short");
      CHECK(receive(now.size()) == now);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "files: one that becomes shorter ends the connection") {
  const Site site;
  constexpr std::size_t size = 64 << 20;
  site.whole.write("site/large", "");
  fs::resize_file(site.path("large"), size);
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    options.acceptor.send_buffer = 64 * 1024;
    Server server{*loop, support::loopback(), site.files(), options};
    const auto client = support::RawSocket::connected_to(server.local_address());
    client.send(request_for("/large") + request_for("/a.txt"));
    CHECK(support::reply(client, 1000).size() == 1000);
    fs::resize_file(site.path("large"), 1000);
    std::size_t received = 0;
    CHECK(support::eventually([&] {
      received += support::arrived(client, 1 << 20).size();
      return support::has_ended(client);
    }));
    CHECK(received < size);
  });
}
