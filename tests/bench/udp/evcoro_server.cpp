// evcoro: a thread that echoes datagrams, one by one or, as EVCORO_UDP_BATCH says, in batches.
#include <span>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/net/datagram_socket.hpp>

#include "tests/bench/udp/udp.h"

namespace {

[[maybe_unused]] void serve(evcoro::DatagramSocket& socket, std::size_t size) {
  std::vector<std::byte> buffer(size);
  evcoro::Address sender;
  while (const evcoro::DatagramResult in = socket.recv_from(buffer, sender)) {
    (void)socket.send_to(std::span{buffer}.first(in.count), sender);
  }
}

[[maybe_unused]] void serve_batches(evcoro::DatagramSocket& socket, std::size_t size) {
  evcoro::DatagramBatch batch{64, size};
  while (socket.recv_batch(batch)) (void)socket.send_batch(batch);
}

}  // namespace

int main(int argc, char** argv) {
  const EchoOptions options = echo_init(argc, argv);
  echo_refuse_timeouts(&options, argv[0]);
  const int fd = udp_bind_to_loopback();
  evcoro::Loop loop{{.capacity = 2}};
  auto thread = loop.spawn([&] {
    auto socket = evcoro::DatagramSocket::adopt(loop, fd).value();
#if defined(EVCORO_UDP_BATCH)
    serve_batches(socket, options.buffer);
#else
    serve(socket, options.buffer);
#endif
  });
  echo_announce(echo_local_port(fd));
  loop.run();
}
