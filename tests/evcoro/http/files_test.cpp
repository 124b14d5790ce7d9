// Files: what is there and what is not.
#include <evcoro/http/files.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <evcoro/http/detail/beneath.hpp>
#include <evcoro/http/router.hpp>
#include <support/site.hpp>

using namespace evcoro;
using namespace evcoro::http;
using evcoro::http::detail::walk_beneath;
using support::get;
using support::Reply;
using support::Site;
using support::some_text;
using support::status;

namespace fs = std::filesystem;

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
  CHECK(status(router, "/static//a.txt") == 404);
  CHECK(status(router, "/static//") == 404);
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
  Router router;
  router.get("/*path", site.files());
  CHECK(status(router, "//evil.org") == 404);
  CHECK(get(router, "/evil.org").field("Location") == "/evil.org/");
}

TEST_CASE("files: names that begin with a dot") {
  const Site site;
  CHECK(status(site.files(), "/.hidden") == 404);
  CHECK(status(site.files(), "/%2ehidden") == 404);
  CHECK(status(site.files(), "/.git/config") == 404);
  CHECK(get(site.files({.dot_files = true}), "/.git/config").body == "hidden");
}

TEST_CASE("files: the folder of well-known names is there") {
  const Site site;
  for (const std::string_view name :
       {".well-known/security.txt", ".well-known/acme-challenge/token", ".well-known/.hidden",
        ".well-known/.well-known/x", "sub/.well-known/x", ".well-known.bak/x", ".Well-known/x"}) {
    site.whole.write("site/" + std::string{name}, "x");
  }
  const Files files = site.files();
  CHECK(get(files, "/.well-known/security.txt").body == "x");
  CHECK(get(files, "/.well-known/acme-challenge/token").body == "x");
  CHECK(get(files, "/%2Ewell-known/security.txt").body == "x");  // the same name
  CHECK(get(files, "/.well-known").field("Location") == "/.well-known/");
  CHECK(get(site.files({.prefix = "/p"}), "/p/.well-known/security.txt").body == "x");
  Router router;
  router.get("/*path", files);
  CHECK(get(router, "/.well-known/security.txt").body == "x");
  for (const std::string_view target :
       {"/.well-known/.hidden", "/.well-known/.well-known/x", "/sub/.well-known/x",
        "/.well-known.bak/x", "/.Well-known/x", "/.well-known/../.hidden",
        "/.well-known/%2e./a.txt", "/.well-known/..%2fa.txt", "//.well-known/security.txt",
        "/.well-known//security.txt"}) {
    CAPTURE(target);
    CHECK(status(files, target) == 404);
  }
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
