#include <programs/echo_service.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <span>

#include <evcoro/io/io_result.hpp>
#include <evcoro/net/socket.hpp>

namespace programs {
namespace {

void echo(evcoro::Socket& socket, std::chrono::nanoseconds timeout, Traffic::Place traffic) {
  std::array<std::byte, 2048> buffer;
  while (const evcoro::IoResult in = socket.recv(buffer, timeout)) {
    if (in.count == 0 || !socket.send(std::span{buffer}.first(in.count), timeout)) break;
    traffic.count();
  }
}

// One listener, which gives each connection to the loop that has the fewest: so the cap is one of
// all loops together, and nobody waits for one loop while another has stacks.
evcoro::GroupAcceptorOptions acceptor_options(const Settings& settings) {
  evcoro::GroupAcceptorOptions options{.spread = evcoro::Spread::hand_out};
  options.acceptor.name = "echo";
  options.acceptor.max_connections = settings.stacks;
  if (settings.reject) {
    options.acceptor.when_full = evcoro::WhenFull::reject;
    options.acceptor.refuse = [](evcoro::Refusal& refusal) {
      refusal.write("busy, try again later\n");
    };
  }
  return options;
}

}  // namespace

EchoService::EchoService(evcoro::LoopGroup& group, const evcoro::Address& address,
                         const Settings& settings)
    : Service("echo", settings.stacks, group.size()),
      acceptor_(
          group, address,
          [timeout = settings.timeout_duration(), traffic = shared_traffic()](
              evcoro::Socket& socket) { echo(socket, timeout, traffic->place()); },
          acceptor_options(settings)) {}

}  // namespace programs
