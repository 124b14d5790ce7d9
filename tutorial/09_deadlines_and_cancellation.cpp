// Chapter 9: who limits how long something may take, and how it is ended from outside.
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <system_error>

#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>

using evcoro::Address;
using evcoro::Clock;
using evcoro::IoResult;
using evcoro::Loop;
using evcoro::Socket;
using evcoro::TcpAcceptor;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

void print(const char* what, const std::error_code& error) {
  std::printf("%s: %s\n", what, error ? error.message().c_str() : "no error");
}

// [servers]
// Says nothing, and waits for the client to go.
void be_silent(Socket& socket) {
  std::array<std::byte, 64> buffer;
  IoResult in;
  while ((in = socket.recv(buffer)) && in.count > 0) continue;
}

// Sends a dot every 10 ms, for as long as somebody listens.
void trickle(Socket& socket) {
  while (!this_thread::sleep_for(10ms) && socket.send(".", 1s)) continue;
}
// [/servers]

// [per_call]
// A timeout ends the call, not the connection.
void wait_for_silence(const Address& silent) {
  Socket socket = evcoro::connect(silent, 3s).value();
  std::array<std::byte, 64> buffer;
  print("recv within 50 ms", socket.recv(buffer, 50ms).error);
  print("send after that", socket.send("hello?", 3s).error);
}
// [/per_call]

// [deadline]
// Each recv() succeeds soon: with a timeout of its own for each, this would go on for ever.
void read_a_trickle(const Address& trickling) {
  const auto deadline = Clock::now() + 300ms;
  Socket socket = evcoro::connect(trickling, deadline).value();
  std::array<std::byte, 64> buffer;
  IoResult in;
  while ((in = socket.recv(buffer, deadline)) && in.count > 0) continue;
  print("all recvs within 300 ms", in.error);
}
// [/deadline]

// [cancel]
void wait_for_ever(Socket& socket) {
  std::array<std::byte, 64> buffer;
  print("waiter: recv", socket.recv(buffer, evcoro::never).error);
  print("waiter: send", socket.send("goodbye", 3s).error);  // still cancelled
  this_thread::acknowledge_cancellation();
  print("waiter: send again", socket.send("goodbye", 3s).error);
}

void cancel_a_waiter(Loop& loop, const Address& silent) {
  Socket socket = evcoro::connect(silent, 3s).value();
  auto waiter = loop.spawn({.name = "waiter"}, [&] { wait_for_ever(socket); }).value();
  this_thread::sleep_for(10ms);
  waiter.request_stop();
  print("waiter: join", waiter.join().error());
}
// [/cancel]

// [shutdown]
void keep_house() {
  while (!this_thread::sleep_for(1h)) std::puts("housekeeper: an hour has passed");
  const bool is_end = this_thread::cancel_reason() == evcoro::CancelReason::shutdown;
  std::printf("housekeeper: ended by %s\n", is_end ? "shutdown" : "request_stop");
}

// Doesn't stop when it is told to first.
void be_stubborn() {
  this_thread::sleep_for(1h);
  this_thread::acknowledge_cancellation();
  this_thread::sleep_for(1h);
}

void end(Loop& loop) {
  loop.spawn({.name = "housekeeper"}, keep_house).value().detach();
  loop.spawn({.name = "mule"}, be_stubborn).value().detach();
  for (const evcoro::ThreadInfo& thread : loop.shutdown(10ms)) {
    std::printf("not stopped in time: %s\n", to_string(thread).c_str());
  }
  std::printf("not stopped after that: %zu\n", loop.shutdown(10s).size());
}
// [/shutdown]

}  // namespace

// [main]
int main() try {
  Loop loop{{.capacity = 10}};
  const Address any_port = Address::loopback(AF_INET, 0);
  const TcpAcceptor silent{loop, any_port, be_silent, {.name = "silent"}};
  const TcpAcceptor trickling{loop, any_port, trickle, {.name = "trickle"}};
  const auto client = [&] {
    wait_for_silence(silent.local_address());
    read_a_trickle(trickling.local_address());
    cancel_a_waiter(loop, silent.local_address());
    end(loop);
  };
  loop.spawn({.name = "client"}, client).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "09_deadlines_and_cancellation: %s\n", error.what());
  return 1;
}
// [/main]
