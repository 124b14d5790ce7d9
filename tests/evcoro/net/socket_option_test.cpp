// Options of sockets by name, and multicast.
#include <net/if.h>

#include <string>

#include <evcoro/net/datagram_socket.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// set_and_get() sets an option, and checks that it is what it was set to.
template <class Handle, class T>
void set_and_get(Handle& socket, const SocketOption<T>& option, std::type_identity_t<T> value) {
  const auto error = socket.set_option(option, value);
  REQUIRE(!error);
  const Result<T> got = socket.get_option(option);
  REQUIRE(got);
  REQUIRE(*got == value);
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "options of a TCP socket") {
  Socket socket = Socket::open(*loop, AF_INET).value();
  for (const bool on : {true, false}) {
    set_and_get(socket, option::reuse_address, on);
    set_and_get(socket, option::reuse_port, on);
    set_and_get(socket, option::keepalive, on);
    set_and_get(socket, option::nodelay, on);
    set_and_get(socket, option::quick_ack, on);
  }
  set_and_get(socket, option::keepalive_idle, 30s);
  set_and_get(socket, option::keepalive_interval, 5s);
  set_and_get(socket, option::keepalive_count, 3);
  set_and_get(socket, option::user_timeout, 1500ms);
  set_and_get(socket, option::user_timeout, 2s);
  set_and_get(socket, option::linger, 7s);
  set_and_get(socket, option::linger, 0s);
  set_and_get(socket, option::linger, std::nullopt);
  set_and_get(socket, option::hop_limit, 12);
  set_and_get(socket, option::traffic_class, 0x20);
  for (const auto& each : {option::send_buffer, option::receive_buffer}) {
    REQUIRE(!socket.set_option(each, 16384));
    REQUIRE(socket.get_option(each).value() == 2 * 16384);  // Linux says the double
  }
  REQUIRE(!socket.set_option(SOL_SOCKET, SO_PRIORITY, 3));
  REQUIRE(socket.option(SOL_SOCKET, SO_PRIORITY).value() == 3);
}

TEST_CASE_METHOD(support::LoopFixture, "options of IPv6 sockets are where IPv6 has them") {
  if (!support::has_ipv6()) support::skip("no IPv6");
  DatagramSocket socket = DatagramSocket::open(*loop, AF_INET6).value();
  set_and_get(socket, option::ipv6_only, true);
  set_and_get(socket, option::ipv6_only, false);
  set_and_get(socket, option::hop_limit, 12);
  REQUIRE(socket.option(IPPROTO_IPV6, IPV6_UNICAST_HOPS).value() == 12);
  set_and_get(socket, option::traffic_class, 0x20);
  REQUIRE(socket.option(IPPROTO_IPV6, IPV6_TCLASS).value() == 0x20);
  set_and_get(socket, option::multicast_hops, 3);
  set_and_get(socket, option::multicast_loop, false);
}

TEST_CASE_METHOD(support::LoopFixture, "options of UDP sockets") {
  DatagramSocket socket = DatagramSocket::open(*loop, AF_INET).value();
  set_and_get(socket, option::broadcast, true);
  set_and_get(socket, option::broadcast, false);
  set_and_get(socket, option::multicast_hops, 3);
  set_and_get(socket, option::multicast_loop, false);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an option that a socket doesn't have, or a value, is named") {
  Socket tcp = Socket::open(*loop, AF_INET).value();
  Socket local = Socket::open(*loop, AF_UNIX).value();
  DatagramSocket udp = DatagramSocket::open(*loop, AF_INET).value();
  REQUIRE(udp.set_option(option::nodelay, true) == Errc::no_such_option);
  REQUIRE(udp.get_option(option::nodelay).error() == Errc::no_such_option);
  REQUIRE(local.set_option(option::nodelay, true) == Errc::no_such_option);
  REQUIRE(local.set_option(option::hop_limit, 3) == Errc::no_such_option);
  REQUIRE(tcp.set_option(option::ipv6_only, true) == Errc::no_such_option);
  REQUIRE(tcp.set_option(option::hop_limit, 1000) == Errc::bad_option_value);
  REQUIRE(tcp.set_option(option::keepalive_idle, 0s) == Errc::bad_option_value);
  REQUIRE(tcp.set_option(option::keepalive_idle, -1s) == Errc::bad_option_value);
  REQUIRE(tcp.set_option(option::keepalive_idle, 5'000'000'000s) == Errc::bad_option_value);
  REQUIRE(tcp.set_option(option::user_timeout, -1ms) == Errc::bad_option_value);
  REQUIRE(tcp.set_option(option::linger, -3s) == Errc::bad_option_value);
  REQUIRE(!tcp.get_option(option::linger).value());
  REQUIRE(udp.set_option(option::nodelay, true) == std::errc::no_protocol_option);
  REQUIRE(tcp.set_option(option::hop_limit, 1000) == std::errc::invalid_argument);
  REQUIRE(std::error_code{Errc::no_such_option}.message().find("TCP") != std::string::npos);
  Socket none;
  REQUIRE(none.set_option(option::keepalive, true) == std::errc::bad_file_descriptor);
  REQUIRE(none.set_option(option::linger, 1s) == std::errc::bad_file_descriptor);
  REQUIRE(none.get_option(option::linger).error() == std::errc::bad_file_descriptor);
  REQUIRE(none.get_option(option::hop_limit).error() == std::errc::bad_file_descriptor);
}

TEST_CASE_METHOD(support::LoopFixture, "a multicast group is joined, and left") {
  const unsigned interface = ::if_nametoindex("lo");
  if (interface == 0) support::skip("no loopback interface");
  in_thread([&] {
    DatagramSocket member = DatagramSocket::bound_to(Address::any(AF_INET, 0)).value();
    Address group = Address::parse("239.255.3.7").value();
    group.set_port(member.local_address().port());
    DatagramSocket sender = DatagramSocket::open(AF_INET).value();
    REQUIRE(!sender.set_multicast_interface(interface));
    REQUIRE(!member.join(group, interface));
    REQUIRE(member.join(group, interface) == std::errc::address_in_use);
    const IoResult out = sender.send_to("all", group);
    if (out.error == std::errc::network_unreachable) return;  // where lo has no such route
    REQUIRE(out);
    std::array<std::byte, 16> buffer;
    const DatagramResult in = member.recv(buffer, support::long_time);
    REQUIRE(in.count == 3);
    REQUIRE(!member.leave(group, interface));
    REQUIRE(member.leave(group, interface) == std::errc::address_not_available);
    REQUIRE(sender.send_to("all", group));
    REQUIRE(member.recv(buffer, 20ms).error == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "what is no multicast group can't be joined") {
  DatagramSocket socket = DatagramSocket::open(*loop, AF_INET).value();
  REQUIRE(socket.join(Address::loopback(AF_INET, 0)) == std::errc::invalid_argument);
  REQUIRE(socket.join(Address::unix_any()) == std::errc::address_family_not_supported);
  DatagramSocket none;
  REQUIRE(none.join(Address::parse("239.1.2.3").value()) == std::errc::bad_file_descriptor);
  REQUIRE(none.set_multicast_interface(0) == std::errc::bad_file_descriptor);
}
