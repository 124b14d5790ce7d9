// The listings of the documents, run.
#include <programs/echo_server.hpp>

using programs::Client;

namespace {

void require_echo(const char* program) {
  support::Program server{program, {"0"}};
  REQUIRE(server.read_until("listening on 0.0.0.0:"));
  REQUIRE(server.read_until("\n"));
  const auto port = std::atoi(server.output.substr(server.output.rfind(':') + 1).c_str());
  const Client client{static_cast<std::uint16_t>(port)};
  REQUIRE(client.is_served());
}

}  // namespace

TEST_CASE("the first program of the README echoes") { require_echo(EVCORO_FIRST_PROGRAM); }

TEST_CASE("the first program in C echoes") { require_echo(EVCORO_FIRST_PROGRAM_IN_C); }
