#include <sys/resource.h>

#include <cstdio>

#include <programs/echo_server.hpp>

using programs::EchoServer;
using support::Program;

namespace {

// Runs the echo server, which must end by itself with one line on standard error.
std::string refusal(const Program::Arguments& arguments, const Program::Options& options = {}) {
  Program server{EVCORO_SERVER, arguments, options};
  const auto ended = server.wait();
  INFO(server.errors);
  CHECK(ended.signal == 0);
  CHECK(ended.status != 0);
  CHECK(server.output.empty());
  CHECK(std::count(server.errors.begin(), server.errors.end(), '\n') == 1);
  CHECK(server.errors.ends_with("\n"));
  CHECK(server.errors.starts_with("evcoro_server: "));
  return server.errors;
}

// The options of an echo server alone.
Program::Arguments alone(Program::Arguments arguments) {
  return programs::with_defaults(std::move(arguments),
                                 {{"--http-port", "off"}, {"--https-port", "off"}});
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void skip_on_valgrind() {
  if (support::running_on_valgrind()) support::skip("Valgrind has a limit of its own");
}

}  // namespace

TEST_CASE("the server prints its options") {
  Program server{EVCORO_SERVER, {"--help"}};
  REQUIRE(server.wait().status == 0);
  for (const char* const option :
       {"--echo-port",  "9999",     "--http-port", "8080",          "--https-port",
        "8443",         "--stacks", "100",         "--http-stacks", "--pages",
        "--timeout",    "--loops",  "--root",      "--certificate", "--key",
        "--access-log", "--help",   "/status",     "/metrics",      "/healthz"}) {
    REQUIRE(contains(server.output, option));
  }
}

TEST_CASE("an option that doesn't exist is refused") {
  REQUIRE(contains(refusal({"--no-such-option"}), "--no-such-option"));
  REQUIRE(contains(refusal({"stray"}), "stray"));
}

TEST_CASE("a value that makes no sense is refused") {
  REQUIRE(contains(refusal({"--echo-port", "many"}), "--echo-port"));
  REQUIRE(contains(refusal({"--echo-port", "70000"}), "--echo-port"));
  REQUIRE(contains(refusal({"--echo-port"}), "--echo-port"));
  REQUIRE(contains(refusal({"--stacks", "0"}), "--stacks"));
  REQUIRE(contains(refusal({"--stacks", "-1"}), "--stacks"));
  REQUIRE(contains(refusal({"--timeout", "0"}), "--timeout"));
  REQUIRE(contains(refusal({"--timeout", "nan"}), "--timeout"));
  REQUIRE(contains(refusal({"--drain", "-1"}), "--drain"));
  REQUIRE(contains(refusal({"--address", "localhost"}), "localhost"));
}

TEST_CASE("stacks that are too small are refused") {
  REQUIRE(contains(refusal({"--pages", "1"}), "--pages"));
  REQUIRE(contains(refusal({"--pages", "0"}), "--pages"));
}

TEST_CASE("more stacks than there can be are refused") {
  refusal({"--echo-port", "0", "--stacks", "1000000", "--pages", "65536"});
}

TEST_CASE("a port that is taken is refused, by its name") {
  const EchoServer first;
  const std::string line =
      refusal(alone({"--address", "127.0.0.1", "--echo-port", std::to_string(first.port())}));
  REQUIRE(contains(line, first.address()));
  REQUIRE(contains(line, "Address already in use"));
}

TEST_CASE("a privileged port is refused, by its name") {
  int first_free = 1024;
  if (std::FILE* const file = std::fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re")) {
    if (std::fscanf(file, "%d", &first_free) != 1) first_free = 1024;
    std::fclose(file);
  }
  if (first_free <= 1) support::skip("every port is unprivileged here");
  const auto drop_privileges = [] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(125);
  };
  Program probe{EVCORO_SERVER, {"--help"}, {.set_up = drop_privileges}};
  if (probe.wait().status != 0) support::skip("an unprivileged user can't run what was built");
  const std::string line =
      refusal(alone({"--address", "127.0.0.1", "--echo-port", "1"}), {.set_up = drop_privileges});
  REQUIRE(contains(line, "127.0.0.1:1:"));
  REQUIRE(contains(line, "Permission denied"));
}

TEST_CASE("an address with a port is refused, with the option for that") {
  REQUIRE(contains(refusal({"--address", "127.0.0.1:81", "--echo-port", "0"}), "--echo-port"));
}

TEST_CASE("more stacks than descriptors are said to be") {
  skip_on_valgrind();
  Program server{EVCORO_SERVER, alone({"--echo-port", "0", "--stacks", "500"}), {.set_up = [] {
                   const rlimit few{128, 128};
                   ::setrlimit(RLIMIT_NOFILE, &few);
                 }}};
  REQUIRE(server.read_until("Ctrl-C"));
  server.signal(SIGTERM);
  const auto ended = server.wait();
  REQUIRE(ended.status == 0);
  REQUIRE(contains(server.errors, "only 128 descriptors are allowed"));
}

TEST_CASE("the limit of descriptors is raised as far as the stacks need") {
  skip_on_valgrind();
  Program server{EVCORO_SERVER, alone({"--echo-port", "0", "--stacks", "100"}), {.set_up = [] {
                   const rlimit low{64, 256};
                   ::setrlimit(RLIMIT_NOFILE, &low);
                 }}};
  REQUIRE(server.read_until("Ctrl-C"));
  rlimit raised{};
  REQUIRE(::prlimit(server.id(), RLIMIT_NOFILE, nullptr, &raised) == 0);
  REQUIRE(raised.rlim_cur > 100);
  server.signal(SIGTERM);
  REQUIRE(server.wait().status == 0);
  REQUIRE(server.errors.empty());
}
