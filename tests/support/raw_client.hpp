// Clients of a Server that runs in the same loop: what they get, and whether they are left.
//
//   const auto client = RawSocket::connected_to(server.local_address());
//   REQUIRE(support::ask_hello(client).status == 200);
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <support/acceptor.hpp>
#include <support/http.hpp>

namespace support {

inline constexpr std::string_view hello_request = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

// reply_to() is what client gets for a request, while the loop runs.
inline Reply reply_to(const RawSocket& client) {
  std::string all;
  Reply parsed;
  const bool in_time = eventually([&] {
    all += arrived(client);
    try {
      std::string_view rest = all;
      parsed = parse_reply(rest);
      return parsed.head.find("Content-Length") != std::string::npos || has_ended(client);
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  REQUIRE(in_time);
  return parsed;
}

inline Reply ask_hello(const RawSocket& client) {
  client.send(hello_request);
  return reply_to(client);
}

inline bool ends(const RawSocket& client) {
  return eventually([&] { return has_ended(client); });
}

}  // namespace support
