// OwnNetwork: a network namespace of the test process's own, with nothing but a loopback interface,
// whose packets can be lost and slowed down as nobody else's are.
//
//   support::OwnNetwork network;      // skips the test where that can't be
//   network.lose_percent(20);
//   ...
//   REQUIRE(network.retransmissions() > 0);
//
// It takes the kernel's nftables and tbf, the programs nft, tc and ip, and root. Kernels without
// netem do. All that the process does from then on is in that network.
#pragma once

#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <support/process.hpp>

namespace support {

class OwnNetwork {
 public:
  // Segments are those of an Ethernet, and what is lost is sent again after milliseconds, as in a
  // fast network; on a real one it would be 200.
  OwnNetwork() {
    if (::unshare(CLONE_NEWNET) != 0) skip("no network namespace of its own: it takes root");
    require("ip link set dev lo mtu 1500 gso_max_size 1500 up");
    require(
        "ip route replace table local local 127.0.0.0/8 dev lo src 127.0.0.1 proto kernel scope "
        "host rto_min 5ms");
    require("ip route delete table local local 127.0.0.1 dev lo");  // which has its own
  }

  // add_address() gives the machine another address, such as "2001:db8::1".
  void add_address(const std::string& address) const {
    require("ip address add " + address + " dev lo" +
            (address.find(':') != std::string::npos ? " nodad" : ""));
  }

  // lose_percent() loses so many of all packets, at random.
  void lose_percent(int percent) const {
    require("nft add table inet faults");
    require(
        "nft add chain inet faults input '{ type filter hook input priority 0; policy accept; }'");
    require("nft add rule inet faults input numgen random mod 100 lt " + std::to_string(percent) +
            " drop");
  }

  // limit_rate() lets through so many bits a second, in both directions together.
  void limit_rate(const std::string& rate) const {
    require("tc qdisc add dev lo root tbf rate " + rate + " burst 8kb latency 50ms");
  }

  // retransmissions() is how many segments TCP has sent again.
  long retransmissions() const {
    std::ifstream file{"/proc/self/net/snmp"};
    std::string names;
    std::string values;
    while (std::getline(file, names) && std::getline(file, values)) {
      std::istringstream name_words{names};
      std::istringstream value_words{values};
      std::string name;
      std::string value;
      while (name_words >> name && value_words >> value) {
        if (names.starts_with("Tcp:") && name == "RetransSegs") return std::stol(value);
      }
    }
    return -1;
  }

 private:
  static void require(const std::string& command) {
    const std::string quiet = "PATH=$PATH:/usr/sbin:/sbin; " + command + " >/dev/null 2>&1";
    if (std::system(quiet.c_str()) != 0) skip(("this fails here: " + command).c_str());
  }
};

}  // namespace support
