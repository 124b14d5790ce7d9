// ResolverFixture: a name server, files of the test's own, and options for a Resolver that uses
// them.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/net/resolver.hpp>
#include <support/dns_server.hpp>
#include <support/loop_fixture.hpp>

namespace support {

class ResolverFixture : public LoopFixture {
 public:
  ResolverFixture() {
    write(hosts, "");
    write(resolv_conf, "");
  }
  ~ResolverFixture() noexcept(false) {
    std::remove(hosts.c_str());
    std::remove(resolv_conf.c_str());
  }

  // write() replaces a file, whose new version is another file.
  static void write(const std::string& path, std::string_view content) {
    const std::string fresh = path + ".new";
    std::ofstream{fresh} << content;
    REQUIRE(std::rename(fresh.c_str(), path.c_str()) == 0);
  }

  // No question is repeated unless a test changes that.
  evcoro::ResolverOptions options() const {
    return {.servers = server.name(),
            .server_timeout = long_time,
            .tries = 1,
            .resolv_conf = resolv_conf,
            .hosts = hosts,
            .hosts_check_interval = std::chrono::milliseconds{0}};
  }

  DnsServer server;
  const std::string prefix = "/tmp/evcoro-resolver-" + std::to_string(::getpid());
  const std::string hosts = prefix + ".hosts";
  const std::string resolv_conf = prefix + ".resolv.conf";
};

// text() is the addresses, or why there are none.
inline std::string text(const evcoro::Result<std::vector<evcoro::Address>>& found) {
  if (!found) return found.error().message();
  std::string all;
  for (const evcoro::Address& each : *found) all += (all.empty() ? "" : " ") + each.to_string();
  return all;
}

}  // namespace support
