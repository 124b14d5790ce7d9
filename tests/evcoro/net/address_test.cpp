#include <evcoro/net/address.hpp>

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/un.h>

#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <support/contains.hpp>
#include <support/process.hpp>

using namespace evcoro;
using namespace std::string_literals;

namespace {

// What a text is read as, or "invalid".
std::string read(std::string_view text, std::uint16_t port = 0) {
  Result parsed = Address::parse(text, port);
  if (!parsed) return parsed.error() == std::errc::invalid_argument ? "invalid" : "?";
  return parsed->to_string();
}

// A copy of size bytes of address that ends where the memory does.
Address from_bytes(const void* address, socklen_t size) {
  const auto bytes = std::make_unique<char[]>(size);
  std::memcpy(bytes.get(), address, size);
  return {reinterpret_cast<const sockaddr*>(bytes.get()), size};
}

}  // namespace

TEST_CASE("any and loopback are what their names say") {
  REQUIRE(Address::any(AF_INET, 9999).to_string() == "0.0.0.0:9999");
  REQUIRE(Address::any(AF_INET6, 9999).to_string() == "[::]:9999");
  REQUIRE(Address::loopback(AF_INET, 1).to_string() == "127.0.0.1:1");
  REQUIRE(Address::loopback(AF_INET6, 65535).to_string() == "[::1]:65535");
  REQUIRE(Address::any(AF_INET, 80).family() == AF_INET);
  REQUIRE(Address::any(AF_INET6, 80).port() == 80);
  REQUIRE(Address::any(AF_INET, 0).size() == sizeof(sockaddr_in));
  REQUIRE(Address::any(AF_INET6, 0).size() == sizeof(sockaddr_in6));
}

TEST_CASE("any of a family that is no IP is a misuse") {
  const support::Ended ended = support::in_child([] { (void)Address::any(AF_UNIX, 1); });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, support::contains("the family must be AF_INET or AF_INET6"));
}

TEST_CASE("an address without a family is nothing") {
  const Address nothing;
  REQUIRE(nothing.family() == AF_UNSPEC);
  REQUIRE(nothing.port() == 0);
  REQUIRE(nothing.to_string() == "(no address)");
  REQUIRE(nothing == Address{});
  REQUIRE(!(nothing == Address::any(AF_INET, 0)));
}

TEST_CASE("the port can be changed") {
  for (const int family : {AF_INET, AF_INET6}) {
    Address address = Address::loopback(family, 1);
    address.set_port(0x1234);
    REQUIRE(address.port() == 0x1234);
    REQUIRE(address == Address::loopback(family, 0x1234));
  }
}

TEST_CASE("parse reads addresses with and without a port") {
  REQUIRE(read("1.2.3.4") == "1.2.3.4:0");
  REQUIRE(read("1.2.3.4", 80) == "1.2.3.4:80");
  REQUIRE(read("1.2.3.4:8080", 80) == "1.2.3.4:8080");
  REQUIRE(read("0.0.0.0:0", 80) == "0.0.0.0:0");
  REQUIRE(read("255.255.255.255:65535") == "255.255.255.255:65535");
  REQUIRE(read("::") == "[::]:0");
  REQUIRE(read("::1", 80) == "[::1]:80");
  REQUIRE(read("[::1]", 80) == "[::1]:80");
  REQUIRE(read("[::1]:443", 80) == "[::1]:443");
  REQUIRE(read("1::1:80") == "[1::1:80]:0");  // that is no port
  REQUIRE(read("2001:DB8:0:0:0:0:0:1") == "[2001:db8::1]:0");
  REQUIRE(read("[::ffff:1.2.3.4]:1") == "[::ffff:1.2.3.4]:1");
  REQUIRE(read("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") ==
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:0");
}

TEST_CASE("parse reads the scope of an address") {
  char name[IF_NAMESIZE];
  if (::if_indextoname(1, name) == nullptr) support::skip("the first interface has no name");
  const std::string scoped = "fe80::1%" + std::string(name);
  REQUIRE(read(scoped) == "[" + scoped + "]:0");
  REQUIRE(read("[" + scoped + "]:80") == "[" + scoped + "]:80");
  REQUIRE(read("fe80::1%1", 7) == "[" + scoped + "]:7");
  REQUIRE(read("fe80::1%999999") == "[fe80::1%999999]:0");
  for (const std::string& bad :
       {"fe80::1%"s, "fe80::1%no-such-interface"s, "fe80::1%-1"s, "fe80::1%4294967296"s,
        "[fe80::1%]:80"s, scoped + ":80", scoped + "%1", "1.2.3.4%" + std::string(name)}) {
    CAPTURE(bad);
    REQUIRE(read(bad) == "invalid");
  }
}

TEST_CASE("parse refuses what is no numeric address") {
  const std::vector<std::string> bad{"",
                                     " ",
                                     ":",
                                     "::::",
                                     ":80",
                                     "localhost",
                                     "localhost:80",
                                     "1.2.3",
                                     "1.2.3.4.5",
                                     "1.2.3.256",
                                     "1.2.3.-4",
                                     "01.2.3.4",
                                     "1.2.3.04",
                                     "0x1.2.3.4",
                                     "1.2.3.4 ",
                                     " 1.2.3.4",
                                     "1.2.3.4x",
                                     "1.2.3.4:",
                                     "1.2.3.4:x",
                                     "1.2.3.4:80x",
                                     "1.2.3.4: 80",
                                     "1.2.3.4:+80",
                                     "1.2.3.4:-1",
                                     "1.2.3.4:65536",
                                     "1.2.3.4:4294967376",
                                     "1.2.3.4:80:90",
                                     "[]",
                                     "[]:80",
                                     "[::1",
                                     "::1]",
                                     "[::1]x",
                                     "[::1]80",
                                     "[::1]:",
                                     "[::1]:65536",
                                     "[::1]:80x",
                                     "[::1] :80",
                                     "[[::1]]",
                                     "[1.2.3.4]",
                                     "[1.2.3.4]:80",
                                     "1::2::3",
                                     "12345::",
                                     "::g",
                                     "1:2:3:4:5:6:7:8:9",
                                     "1:2:3:4:5:6:7",
                                     "1.2.3.4\n",
                                     "::1\n",
                                     "1.2.3.4\0"s,
                                     "1.2.3.4\0:80"s,
                                     "1.2.3.4:80\0"s,
                                     "::1\0"s,
                                     "[::1\0]"s,
                                     "\0"s,
                                     std::string(1000, '1'),
                                     std::string(1000, ':'),
                                     "::" + std::string(1000, '0')};
  for (const std::string& each : bad) {
    CAPTURE(each);
    REQUIRE(read(each, 80) == "invalid");
  }
}

TEST_CASE("parse reads only the text that it is given") {
  const std::string text = "1.2.3.4:8080";
  REQUIRE(read(std::string_view(text).substr(0, 10)) == "1.2.3.4:80");
  REQUIRE(read(std::string_view(text).substr(0, 7)) == "1.2.3.4:0");
  const auto bytes = std::make_unique<char[]>(3);  // no NUL behind it
  std::memcpy(bytes.get(), "::1", 3);
  REQUIRE(read({bytes.get(), 3}) == "[::1]:0");
}

TEST_CASE("what to_string prints parse reads as the same") {
  for (const char* const text : {"1.2.3.4:5", "0.0.0.0:0", "[::]:0", "[2001:db8::7]:65535"}) {
    const Address address = Address::parse(text).value();
    REQUIRE(address.to_string() == text);
    REQUIRE(Address::parse(address.to_string()).value() == address);
  }
}

TEST_CASE("addresses are equal when family and address and port and scope are") {
  const auto equal = [](const char* a, const char* b) {
    return Address::parse(a).value() == Address::parse(b).value();
  };
  REQUIRE(equal("1.2.3.4:5", "1.2.3.4:5"));
  REQUIRE(equal("[0:0::0:1]:5", "[::1]:5"));
  REQUIRE(!equal("1.2.3.4:5", "1.2.3.4:6"));
  REQUIRE(!equal("1.2.3.4:5", "1.2.3.5:5"));
  REQUIRE(!equal("0.0.0.0:5", "[::]:5"));
  REQUIRE(!equal("fe80::1%1", "fe80::1%2"));
  REQUIRE(Address::any(AF_INET, 1) != Address::any(AF_INET, 2));
}

TEST_CASE("an address can be made of what system calls use") {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(80);
  v4.sin_addr.s_addr = htonl(0x01020304);
  REQUIRE(from_bytes(&v4, sizeof v4).to_string() == "1.2.3.4:80");
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(81);
  v6.sin6_addr = in6addr_loopback;
  REQUIRE(from_bytes(&v6, sizeof v6).to_string() == "[::1]:81");
  sockaddr_storage storage{};
  std::memcpy(&storage, &v4, sizeof v4);
  REQUIRE(from_bytes(&storage, sizeof storage).to_string() == "1.2.3.4:80");
  const Address copy = from_bytes(&v6, sizeof v6);
  REQUIRE(std::memcmp(copy.data(), &v6, copy.size()) == 0);
}

TEST_CASE("padding in what system calls use makes no difference") {
  sockaddr_in v4{};
  std::memset(&v4, 0xff, sizeof v4);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(80);
  v4.sin_addr.s_addr = htonl(0x01020304);
  REQUIRE(from_bytes(&v4, sizeof v4) == Address::parse("1.2.3.4:80").value());
}

TEST_CASE("of an address of another family only the family is kept") {
  sockaddr_storage other{};
  other.ss_family = AF_BLUETOOTH;
  const Address address = from_bytes(&other, sizeof other);
  REQUIRE(address.family() == AF_BLUETOOTH);
  REQUIRE(address.port() == 0);
  REQUIRE(address.to_string() == "(no address)");
  REQUIRE(from_bytes(&other, sizeof other.ss_family) == address);
}

TEST_CASE("an address that is cut short is none") {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  for (socklen_t size = 0; size < sizeof v4; ++size) {
    REQUIRE(from_bytes(&v4, size).family() == AF_UNSPEC);
  }
  for (socklen_t size = 0; size < sizeof v6; ++size) {
    REQUIRE(from_bytes(&v6, size).family() == AF_UNSPEC);
  }
  REQUIRE(Address(nullptr, 0) == Address{});
}
