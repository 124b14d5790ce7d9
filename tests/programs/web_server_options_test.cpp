// What the server refuses, with a line that says what to do.
#include <unistd.h>

#include <algorithm>

#include <programs/web_server.hpp>
#include <support/folder.hpp>

using programs::WebServer;
using support::Program;

namespace {

// Runs the server with the options of all services, and these; it must end with one line on
// standard error.
std::string complaint(Program::Arguments arguments, const support::ProgramOptions& options = {}) {
  Program server{EVCORO_SERVER,
                 programs::with_defaults(std::move(arguments), {{"--echo-port", "0"},
                                                                {"--http-port", "0"},
                                                                {"--https-port", "0"},
                                                                {"--address", "127.0.0.1"}}),
                 options};
  const auto ended = server.wait();
  INFO(ended.output);
  CHECK(ended.signal == 0);
  CHECK(ended.status != 0);
  CHECK(server.output.empty());
  CHECK(std::count(server.errors.begin(), server.errors.end(), '\n') == 1);
  CHECK(server.errors.starts_with("evcoro_server: "));
  return server.errors;
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a port of the web server that is taken is refused, with the option for another") {
  const WebServer first;
  for (const std::string service : {"http", "https", "echo"}) {
    const std::string option = "--" + service + "-port";
    const std::string line = complaint({option, std::to_string(first.port(service))});
    REQUIRE(has(line, first.address(service)));
    REQUIRE(has(line, "Address already in use; choose another port by " + option));
  }
}

TEST_CASE("options of the web server that make no sense are refused") {
  REQUIRE(has(complaint({"--http-port", "on"}), "--http-port: 'on' is no port"));
  REQUIRE(has(complaint({"--https-port", "70000"}), "--https-port: '70000' is no port"));
  REQUIRE(has(complaint({"--http-port", ""}), "--http-port"));
  REQUIRE(has(complaint({"--http-port", "-1"}), "--http-port"));
  REQUIRE(has(complaint({"--http-stacks", "0"}), "--http-stacks"));
  REQUIRE(has(complaint({"--loops", "-1"}), "--loops"));
  REQUIRE(has(complaint({"--loops", "5000"}), "--loops"));
  REQUIRE(has(complaint({"--pages", "2"}), "--pages: HTTP takes at least"));
}

TEST_CASE("a root that is no folder is refused") {
  const support::TemporaryFolder folder;
  folder.write("file", "x");
  const std::string file = (folder / "file").string();
  const std::string nothing = (folder / "nothing").string();
  REQUIRE(has(complaint({"--root", file}), "--root: '" + file + "': Not a directory"));
  REQUIRE(has(complaint({"--root", nothing}), "--root: '" + nothing + "': No such file"));
}

TEST_CASE("a certificate that can't be read is refused") {
  const support::TemporaryFolder folder;
  folder.write("nonsense.pem", "nonsense");
  const std::string nonsense = (folder / "nonsense.pem").string();
  const std::string nothing = (folder / "nothing.pem").string();
  REQUIRE(has(complaint({"--certificate", nothing}), nothing));
  REQUIRE(has(complaint({"--certificate", nonsense}), nonsense));
  REQUIRE(has(complaint({"--key", nothing}), "--certificate"));
}

TEST_CASE("a log that can't be written is refused") {
  const support::TemporaryFolder folder;
  const std::string log = (folder / "nowhere/access.log").string();
  REQUIRE(has(complaint({"--access-log", log}), "--access-log: '" + log + "': No such file"));
}

TEST_CASE("options for services that are left out are refused") {
  const Program::Arguments web_off{"--http-port", "off", "--https-port", "off"};
  const auto with = [](Program::Arguments arguments, const Program::Arguments& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return complaint(std::move(arguments));
  };
  REQUIRE(has(with(web_off, {"--echo-port", "off"}), "all ports are off"));
  REQUIRE(has(with(web_off, {"--root", "."}), "--root: HTTP and HTTPS are off"));
  REQUIRE(has(with(web_off, {"--access-log", "-"}), "--access-log: HTTP and HTTPS are off"));
  REQUIRE(has(with(web_off, {"--certificate", "x"}), "--certificate: HTTPS is off"));
}
