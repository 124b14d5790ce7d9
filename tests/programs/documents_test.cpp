// The listings of the documents, run.
#include <programs/echo_server.hpp>

using programs::Client;

TEST_CASE("the first program of the README echoes") {
  support::Program server{EVCORO_FIRST_PROGRAM, {"0"}};
  REQUIRE(server.read_until("listening on 0.0.0.0:"));
  REQUIRE(server.read_until("\n"));
  const auto port = std::atoi(server.output.substr(server.output.rfind(':') + 1).c_str());
  const Client client{static_cast<std::uint16_t>(port)};
  REQUIRE(client.is_served());
}
