#include <pthread.h>

#include <atomic>
#include <csignal>
#include <thread>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/system_calls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

std::atomic<int> signals{0};

// Sends signals to the OS thread that makes it, as fast as it can. No system call is restarted.
class Bombardment {
 public:
  Bombardment() {
    struct sigaction action {};
    action.sa_handler = [](int) { signals.fetch_add(1, std::memory_order_relaxed); };
    ::sigaction(SIGUSR1, &action, nullptr);
    thread_ = std::thread([this, target = ::pthread_self()] {
      while (!done_) {
        ::pthread_kill(target, SIGUSR1);
        std::this_thread::sleep_for(20us);
      }
    });
  }
  ~Bombardment() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "signals interrupt nothing while data flows") {
  in_thread([&] {
    auto [one, other] = support::connected_sockets(*loop, {.send = 8192});
    const Bombardment bombardment;
    const std::string sent = support::pattern(2'000'000);
    int rounds = 0;
    while (signals < 100 || rounds == 0) {
      ++rounds;
      Thread writer =
          loop->spawn([&, &one = one] { return one.send(sent, support::long_time); }).value();
      REQUIRE(support::receive_all(other, sent.size()).text == sent);
      REQUIRE(writer.join().value());
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "signals interrupt no wait") {
  in_thread([&] {
    const support::Listener listener;
    const Bombardment bombardment;
    int rounds = 0;
    while (signals < 100 || rounds < 20) {
      ++rounds;
      Socket socket = connect(listener.address(), support::long_time).value();
      const support::RawSocket peer = listener.accept();
      const auto begin = Clock::now();
      REQUIRE(support::receive(socket, 10, 2ms).error == std::errc::timed_out);
      REQUIRE(Clock::now() - begin >= 2ms);
      peer.send("x", 0);
      REQUIRE(support::receive(socket).text == "x");
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a recv and a send that a signal interrupts are repeated") {
  support::require_interposition();
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    peer.send("hello");
    support::calls.receive = {.failures = 1, .error = EINTR};
    REQUIRE(support::receive(socket, 5).text == "hello");
    REQUIRE(support::calls.receive.count == 2);
    support::calls.send = {.failures = 1, .error = EINTR};
    const IoResult out = socket.send("reply");
    REQUIRE(!out.error);
    REQUIRE(out.count == 5);
    REQUIRE(support::calls.send.count == 2);
    REQUIRE(peer.recv_all(5) == "reply");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a connect that a signal interrupts goes on") {
  support::require_interposition();
  in_thread([] {
    const support::Listener listener;
    Socket socket = Socket::open(AF_INET).value();
    support::calls.connect = {.failures = 1, .error = EINTR};
    REQUIRE(!socket.connect(listener.address(), support::long_time));
    REQUIRE(support::calls.connect.failures == 0);
    support::RawSocket peer = listener.accept();
    REQUIRE(support::ping_pong(socket, peer));
  });
}
