// Chapter 29: threads hand each other values, and wait for whatever comes first.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/result.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <evcoro/timeout.hpp>

using evcoro::Channel;
using evcoro::Event;
using evcoro::Loop;
using evcoro::on_event;
using evcoro::on_receive;
using evcoro::on_timeout;
using evcoro::Result;
using evcoro::Scope;
using evcoro::select;
using evcoro::when;
using namespace std::chrono_literals;

namespace {

// [hand_over]
void cook(Channel<std::string>& orders) {
  for (const std::string& order : orders) std::printf("  cooked: %s\n", order.c_str());
  std::puts("  the kitchen is closed");
}

void order() {
  Channel<std::string> orders;
  Scope scope;
  scope.spawn([&] { cook(orders); }).value();
  for (const char* what : {"soup", "fish"}) {
    if (orders.send(what, 3s)) return;
  }
  orders.close();
}
// [/hand_over]

// [workers]
int add_squares(int count) {
  constexpr int workers = 3;
  Channel<int> numbers{8};
  Channel<int> squares{8};
  evcoro::WaitGroup working{workers};
  const auto work = [&] {
    for (const int number : numbers) static_cast<void>(squares.send(number * number));
    working.done();
  };
  const auto deal = [&] {
    for (int i = 1; i <= count; ++i) static_cast<void>(numbers.send(i));
    numbers.close();
    static_cast<void>(working.wait());
    squares.close();
  };
  Scope scope;
  for (int i = 0; i < workers; ++i) scope.spawn(work).value();
  scope.spawn(deal).value();
  int sum = 0;
  for (const int square : squares) sum += square;
  return sum;
}
// [/workers]

// [select]
void wait_at_tables(Channel<std::string>& orders, Event& is_bored, Event& go_home) {
  bool has_waited = false;
  bool is_over = false;
  const auto take = [](const Result<std::string>& order) {
    std::printf("  an order: %s\n", order.value().c_str());
  };
  const auto leave = [&] { is_over = true; };
  const auto wonder = [&] {
    std::puts("  nobody comes");
    has_waited = true;
    is_bored.set();
  };
  while (!is_over) {
    const auto chosen = select(on_receive(orders, take), on_event(go_home, leave),
                               when(!has_waited, on_timeout(10ms, wonder)));
    if (!chosen) return;  // cancelled
  }
  std::puts("  going home");
}

void open_restaurant() {
  Channel<std::string> orders;
  Event is_bored;
  Event go_home;
  Scope scope;
  scope.spawn([&] { wait_at_tables(orders, is_bored, go_home); }).value();
  if (orders.send("cake", 3s)) return;
  if (is_bored.wait(3s)) return;
  go_home.set();
}
// [/select]

// [bytes]
// A channel of bytes: messages of a limited size, one at a time.
class ByteChannel {
 public:
  explicit ByteChannel(std::size_t max_size) : max_size_(max_size) {}

  std::error_code send(std::string_view message, evcoro::Timeout timeout = {}) {
    if (message.size() > max_size_) return std::make_error_code(std::errc::message_size);
    return buffers_.send(std::vector<char>(message.begin(), message.end()), timeout);
  }

  // Returns how many bytes have come. What there is no room for is lost, as of a datagram.
  Result<std::size_t> receive(std::span<char> room, evcoro::Timeout timeout = {}) {
    const Result<std::vector<char>> message = buffers_.receive(timeout);
    if (!message) return message.error();
    const std::size_t size = std::min(message->size(), room.size());
    std::copy_n(message->begin(), size, room.begin());
    return size;
  }

  void close() { buffers_.close(); }

 private:
  const std::size_t max_size_;
  Channel<std::vector<char>> buffers_;
};
// [/bytes]

// [talk]
void receive(const char* who, ByteChannel& channel) {
  std::array<char, 8> room;
  const Result<std::size_t> size = channel.receive(room, 3s);
  const std::string text = size ? std::string(room.data(), *size) : "no more";
  std::printf("  %s: %s\n", who, text.c_str());
}

void talk() {
  ByteChannel channel{16};
  const auto answer = [&] {
    receive("bob hears", channel);
    receive("bob hears", channel);
    static_cast<void>(channel.send("hi", 3s));
    channel.close();
  };
  Scope scope;
  scope.spawn(answer).value();
  std::printf("  much at once: %s\n", channel.send("as long as a letter", 3s).message().c_str());
  static_cast<void>(channel.send("hello", 3s));
  static_cast<void>(channel.send("how do you do?", 3s));
  receive("ann hears", channel);  // on the same channel: it's bob's turn
  receive("ann hears", channel);
}
// [/talk]

}  // namespace

// [main]
int main() try {
  Loop loop{{.capacity = 10}};
  const auto all = [] {
    std::puts("a kitchen:");
    order();
    std::printf("the sum of the squares to 100: %d\n", add_squares(100));
    std::puts("a restaurant:");
    open_restaurant();
    std::puts("a conversation:");
    talk();
  };
  loop.spawn({.name = "all"}, all).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "29_channels_and_select: %s\n", error.what());
  return 1;
}
// [/main]
