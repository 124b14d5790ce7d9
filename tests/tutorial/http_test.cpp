// The chapters about HTTP: what curl gets from their servers is what their pages show.
#include <tutorial/chapter.hpp>
#include <tutorial/server.hpp>

using tutorial::expected;
using tutorial::Server;
using tutorial::transcript;

TEST_CASE("chapter 34, a web server") {
  const std::string page = expected("34_web_server");
  REQUIRE(transcript(Server{"34_web_server"}, page) == page);
}
