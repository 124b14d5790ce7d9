// --root: files, and the status page beside them.
#include <programs/web_server.hpp>
#include <support/folder.hpp>

using programs::WebServer;
using support::Reply;

namespace {

bool contains_text(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("files are served at the root, and the status page beside them") {
  const support::TemporaryFolder folder;
  folder.write("index.html", "<h1>welcome</h1>");
  folder.write("notes/a b.txt", "hello");
  folder.write("big.bin", std::string(300'000, 'x'));
  const WebServer server{{"--root", folder.string()}};
  REQUIRE(contains_text(server.output, "the files of " + folder.string() + " are at /"));
  REQUIRE(contains_text(server.output, "/status in a browser"));
  const Reply index = server.get("/");
  REQUIRE(index.body == "<h1>welcome</h1>");
  REQUIRE(index.field("X-Content-Type-Options") == "nosniff");
  REQUIRE(index.field("Content-Security-Policy").empty());
  REQUIRE(server.get("/notes/a%20b.txt").body == "hello");
  REQUIRE(server.get("/big.bin", "Range: bytes=10-19\r\n").body == "xxxxxxxxxx");
  REQUIRE(server.get("/big.bin").body.size() == 300'000);
  REQUIRE(server.get("/notes").field("Location") == "/notes/");
  REQUIRE(server.get("/notes/").status == 404);
  REQUIRE(contains_text(server.get("/status").body, "<title>evcoro</title>"));
  REQUIRE(server.get("/healthz").body == "ok\n");
}

TEST_CASE("nothing outside of the root is served") {
  const support::TemporaryFolder folder;
  folder.write("secret.txt", "secret");
  folder.write("root/.hidden", "secret");
  folder.write("root/a.txt", "hello");
  std::filesystem::create_symlink("../secret.txt", folder / "root/link");
  const WebServer server{{"--root", (folder / "root").string()}};
  REQUIRE(server.get("/a.txt").body == "hello");
  for (const char* const path :
       {"/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/a/../../secret.txt", "/link",
        "/.hidden", "//secret.txt", "/a.txt/../../secret.txt", "/..\\secret.txt", "/a.txt%00"}) {
    INFO(path);
    const Reply reply = server.get(path);
    REQUIRE(reply.status >= 400);
    REQUIRE(!contains_text(reply.body, "secret"));
  }
}
