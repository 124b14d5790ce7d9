// Each blocking operation on sockets, cancelled at each of its suspensions; see every_park.hpp.
#include <algorithm>

#include <support/acceptor.hpp>
#include <support/every_park.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::cancel_at_every_park;
using support::connected_pair;
using support::RawSocket;

namespace {

bool is_canceled(std::error_code error) { return error == std::errc::operation_canceled; }

// Sends count bytes one by one from a thread of its own; so each is waited for.
Thread<void> trickle(Loop& loop, const RawSocket& peer, int count) {
  return loop
      .spawn([&peer, count] {
        for (int i = 0; i < count && !this_thread::sleep_for(100us); ++i) peer.send("x");
      })
      .value();
}

// join_surely() joins in a thread that may be cancelled in doing so: the last of its parks.
template <class T>
Result<T> join_surely(Thread<T>& thread) {
  this_thread::acknowledge_cancellation();
  Result<T> result = thread.join();
  if (!is_canceled(result.error())) return result;
  this_thread::acknowledge_cancellation();
  return thread.join();
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: connect") {
  in_thread([&] {
    const support::Listener listener;
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      Socket socket = Socket::open(AF_INET).value();
      const auto error = socket.connect(listener.address());
      CHECK(is_canceled(error) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      CHECK(!socket.connect(listener.address(), support::long_time));  // the same attempt
      RawSocket peer = listener.accept();
      CHECK(support::ping_pong(socket, peer));
    });
    CHECK(parks == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: recv, and the rest comes later") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [socket, peer] = connected_pair(*loop);
      std::error_code error;
      std::size_t count = 0;
      const Thread sender = trickle(*loop, peer, 3);
      while (count < 3 && !error) {
        const auto in = support::receive(socket, 2, never);
        count += in.text.size();
        error = in.error;
      }
      CHECK(is_canceled(error) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      CHECK(support::receive_all(socket, 3 - count).text.size() == 3 - count);
    });
    CHECK(parks >= 2);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: recv_all says how much came") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [socket, peer] = connected_pair(*loop);
      const Thread sender = trickle(*loop, peer, 4);
      const auto in = support::receive_all(socket, 4, never);
      CHECK(is_canceled(in.error) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      CHECK(support::receive_all(socket, 4 - in.text.size()).text.size() == 4 - in.text.size());
    });
    CHECK(parks >= 2);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: send says how much went") {
  in_thread([&] {
    const std::string data = support::pattern(200'000);
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [socket, other] = support::connected_sockets(*loop, {.send = 8192});
      Thread reader = loop->spawn([&, &other = other] {
                            std::string all;
                            while (true) {
                              const auto in = support::receive(other, 65536);
                              if (in.text.empty()) return all;
                              all += in.text;
                            }
                          })
                          .value();
      const IoResult out = socket.send(data);
      CHECK(is_canceled(out.error) == cancelled);
      CHECK((out.count == data.size()) == !cancelled);
      socket.close();
      CHECK(join_surely(reader).value() == data.substr(0, out.count));
    });
    CHECK(parks >= 3);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: drain, and it can be repeated") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
      RawSocket client = RawSocket::connected_to(acceptor.local_address());
      if (!support::is_served(client)) {
        CHECK(cancelled);
        return;
      }
      Thread leaving = loop->spawn([&] {
                             (void)this_thread::sleep_for(100us);
                             client.close();
                           })
                           .value();
      const std::error_code error = acceptor.drain();
      CHECK(is_canceled(error) == cancelled);
      CHECK(join_surely(leaving));
      CHECK(!acceptor.drain(support::long_time));
      CHECK(!acceptor.is_open());
    });
    CHECK(parks >= 2);
  });
}

// The threads of connections have no handles; it is shutdown() that ends them.
TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: a connection's thread") {
  in_thread([&] {
    constexpr std::uint64_t parks = 5;
    for (std::uint64_t number = 1; number <= parks; ++number) {
      int canceled = 0;
      const TcpAcceptor acceptor{*loop, support::loopback(), [&](Socket& socket) {
                                   for (int i = 0; i < 10; ++i) {
                                     const auto in = support::receive(socket, 100, never);
                                     const auto out = socket.send(in.text);
                                     const auto slept = this_thread::sleep_for(1us);
                                     canceled += is_canceled(in.error) || is_canceled(out.error) ||
                                                 is_canceled(slept);
                                     if (canceled > 0) return;
                                   }
                                 }};
      RawSocket client = RawSocket::connected_to(acceptor.local_address());
      const auto has_parked = [&] {
        const auto threads = loop->threads();
        return std::any_of(threads.begin(), threads.end(), [&](const ThreadInfo& each) {
          return each.name == "connection" && each.parks == number &&
                 each.state == TaskState::parked;
        });
      };
      client.send("a");
      for (std::uint64_t sent = 1; !has_parked(); (void)this_thread::yield()) {
        if (support::arrived(client).size() == 1 && ++sent <= number) client.send("a");
      }
      CHECK(loop->shutdown(support::long_time).empty());
      CHECK(canceled == 1);
      CHECK(!acceptor.is_open());
      CHECK(support::reply(client, 1000).size() < 1000);  // it has been closed
    }
  });
}
