// LibeventFixture: an application with an event_base and a loop in it, for tests of what is awaited
// there.
#pragma once

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include <evcoro/libevent/bufferevent.hpp>
#include <support/application.hpp>
#include <support/network.hpp>

namespace support {

struct FreeBufferevent {
  void operator()(bufferevent* bev) const noexcept { bufferevent_free(bev); }
};
using Bufferevent = std::unique_ptr<bufferevent, FreeBufferevent>;

class LibeventFixture : public Application {
 public:
  LibeventFixture() { std::signal(SIGPIPE, SIG_IGN); }  // as all users of bufferevents do
  LibeventFixture(const LibeventFixture&) = delete;

  // What was freed is finalised by the base.
  ~LibeventFixture() noexcept(false) {
    if (std::uncaught_exceptions() > 0) return;
    event_base_loop(base.get(), EVLOOP_NONBLOCK);
    CHECK(open_descriptors() == descriptors_before_ - (loop ? 0 : 2));
  }

  // in_thread() runs body in a thread, and the base until nothing is left to do. What a REQUIRE in
  // it throws comes out here.
  template <class F>
  void in_thread(F&& body) {
    auto thread = loop->spawn({.name = "test"}, std::forward<F>(body)).value();
    dispatch();
    thread.join().value();
  }

  evcoro::BuffereventStream adopt(bufferevent* bev, evcoro::BuffereventOptions options = {}) {
    return evcoro::BuffereventStream::adopt(*loop, bev, options).value();
  }

  // socket_bufferevent() is on one end of a connection.
  std::pair<bufferevent*, RawSocket> socket_bufferevent(int options = BEV_OPT_CLOSE_ON_FREE) {
    auto [socket, peer] = connected_pair(*loop);
    const int descriptor = socket.release();
    return {bufferevent_socket_new(base.get(), descriptor, options), std::move(peer)};
  }

  std::pair<bufferevent*, bufferevent*> pair() {
    bufferevent* ends[2];
    REQUIRE(bufferevent_pair_new(base.get(), 0, ends) == 0);
    return {ends[0], ends[1]};
  }

 private:
  std::size_t descriptors_before_ = open_descriptors();
};

inline Received receive(evcoro::BuffereventStream& stream, std::size_t most = 4096,
                        evcoro::Timeout timeout = long_time) {
  std::string text(most, '\0');
  const auto result = stream.recv(std::as_writable_bytes(std::span{text}), timeout);
  text.resize(result.count);
  return {std::move(text), result.error};
}

// receive_all() receives until the end, or size bytes.
inline std::string receive_all(evcoro::BuffereventStream& stream, std::size_t size) {
  std::string all;
  while (all.size() < size) {
    const Received some = receive(stream, size - all.size());
    if (some.text.empty()) break;
    all += some.text;
  }
  return all;
}

}  // namespace support
