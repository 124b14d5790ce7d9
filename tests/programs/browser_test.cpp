// The status page in headless Chromium: browser.mjs looks at it.
#include <cstdlib>

#include <programs/web_server.hpp>

using programs::WebServer;

namespace {

void look(const std::string& service, const std::string& width, const std::string& height,
          const std::string& scheme) {
  if (support::running_on_valgrind() || support::under_sanitizer()) {
    support::skip("a browser has no patience with so slow a server");
  }
  const WebServer server{{"--loops", "2"}};
  const auto looked =
      programs::run_other("node", {EVCORO_BROWSER_DRIVER, server.url(service, "/"), width, height,
                                   scheme, std::to_string(server.port("echo")), "live"});
  INFO(looked.output);
  REQUIRE(looked.status == 0);
  REQUIRE(looked.output == "all is well\n");
}

}  // namespace

TEST_CASE("in a browser, the page is live over HTTP") { look("http", "1280", "800", "light"); }

TEST_CASE("in a browser, the page is live over HTTPS") { look("https", "1280", "800", "dark"); }

TEST_CASE("in a browser, the page reads well on a phone") { look("http", "360", "740", "light"); }

TEST_CASE("in a browser, the page reads well on a phone in the dark") {
  look("http", "360", "740", "dark");
}

TEST_CASE("in a browser, the page polls where there are too many events") {
  if (support::running_on_valgrind() || support::under_sanitizer()) {
    support::skip("a browser has no patience with so slow a server");
  }
  const WebServer server{{"--http-stacks", "9"}};
  std::vector<programs::Client> watchers;
  for (int i = 0; i < 4; ++i) {
    watchers.push_back(server.connect());
    REQUIRE(watchers.back().send(WebServer::request("/status/events")));
    REQUIRE(watchers.back().recv(12) == "HTTP/1.1 200");
  }
  const auto looked =
      programs::run_other("node", {EVCORO_BROWSER_DRIVER, server.url("http", "/"), "800", "600",
                                   "light", std::to_string(server.port("echo")), "every 2 s"});
  INFO(looked.output);
  REQUIRE(looked.status == 0);
}
