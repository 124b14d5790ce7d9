// Chapter 32: a loop on each of several cores, and threads that work together across them.
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string_view>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/loop_group.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/group_acceptor.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/remote_thread.hpp>
#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/watchdog.hpp>

using evcoro::Address;
using evcoro::GroupAcceptor;
using evcoro::IoResult;
using evcoro::Loop;
using evcoro::LoopGroup;
using evcoro::RemoteThread;
using evcoro::Socket;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t loops = 3;

// [go]
void add() {
  std::atomic<int> sum{0};
  evcoro::WaitGroup adding;
  const auto add_one = [&](int number) {
    sum += number;
    adding.done();
  };
  for (int i = 1; i <= 100; ++i) {
    adding.add();
    evcoro::go(add_one, i);
  }
  if (!adding.wait()) std::printf("sum: %d\n", sum.load());
}
// [/go]

// [results]
// The number of primes below 30,000, a part of which each loop looks for.
int count_primes(std::size_t part) {
  int count = 0;
  for (std::size_t n = part; n < 30'000; n += loops) {
    bool is_prime = n > 1;
    for (std::size_t i = 2; is_prime && i * i <= n; ++i) is_prime = n % i != 0;
    count += is_prime ? 1 : 0;
  }
  return count;
}

void count_on_all(LoopGroup& group) {
  std::vector<RemoteThread<int>> parts;
  for (std::size_t i = 0; i < group.size(); ++i) {
    parts.push_back(group.spawn_on(i, [i] { return count_primes(i); }));
  }
  int sum = 0;
  for (RemoteThread<int>& part : parts) sum += part.join().value();
  std::printf("primes: %d\n", sum);
}
// [/results]

// [server]
// How many connections each loop has had.
std::array<std::atomic<int>, loops> served;

void echo(Socket& socket) {
  ++served.at(LoopGroup::current().index_of_caller().value());
  std::array<std::byte, 64> buffer;
  IoResult in;
  while ((in = socket.recv(buffer, 10s)) && in.count > 0) {
    if (!socket.send(std::span{buffer}.first(in.count), 10s)) return;
  }
}
// [/server]

// [clients]
constexpr std::size_t clients = 6;

// Stays connected until all have been answered.
bool is_answered(const Address& server, evcoro::Barrier<>& all_answered) {
  Socket socket = evcoro::connect(server, 10s).value();
  const std::string_view question = "hello";
  std::array<char, 5> answer;
  const bool is_asked{socket.send(question, 10s)};
  const IoResult in = socket.recv_all(std::as_writable_bytes(std::span{answer}), 10s);
  return !all_answered.arrive_and_wait(10s) && is_asked &&
         std::string_view(answer.data(), in.count) == question;
}

void serve_on_all(LoopGroup& group) {
  GroupAcceptor acceptor{group, Address::loopback(AF_INET, 0), echo};
  evcoro::Barrier<> all_answered{clients};
  std::vector<RemoteThread<bool>> asking;
  for (std::size_t i = 0; i < clients; ++i) {
    asking.push_back(
        group.spawn([&] { return is_answered(acceptor.local_address(), all_answered); }));
  }
  int answered = 0;
  for (RemoteThread<bool>& each : asking) answered += each.join().value() ? 1 : 0;
  acceptor.drain(10s);
  std::printf("answered: %d\n", answered);
  for (std::size_t i = 0; i < loops; ++i) std::printf("  by loop %zu: %d\n", i, served[i].load());
}
// [/clients]

// [watchdog]
void watch(LoopGroup& group) {
  std::atomic<bool> is_reported{false};
  const auto report = [&](const evcoro::Stall& stall) {
    if (stall.name == "hog") is_reported = true;
  };
  const evcoro::Watchdog watchdog{{.limit = 20ms, .on_stall = report}};
  const auto hold = [&] {
    while (!is_reported) continue;  // never waits
  };
  group.spawn_on(1, {.name = "hog"}, hold).join().value();
  std::puts("a thread has held its loop");
}
// [/watchdog]

}  // namespace

// [main]
int main() try {
  Loop loop{{.capacity = 20}};
  LoopGroup group{{.loops = loops, .stacks = {.capacity = 20}, .own = &loop}};
  const auto all = [&] {
    add();
    count_on_all(group);
    serve_on_all(group);
    watch(group);
  };
  loop.spawn({.name = "all"}, all).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "32_loops_on_every_core: %s\n", error.what());
  return 1;
}
// [/main]
