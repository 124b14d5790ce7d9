// What a Resolver takes for a name that it knows, of one family and of both, and what getaddrinfo()
// takes for one of /etc/hosts, which it reads each time. One item is one call; 10,000 are one
// iteration.
#include <benchmark/benchmark.h>
#include <netdb.h>
#include <sys/socket.h>

#include <string>

#include <evcoro/loop.hpp>
#include <evcoro/net/resolver.hpp>
#include <evcoro/thread.hpp>
#include <stacks/stack_pool.hpp>

namespace {

constexpr int calls = 10'000;

void cached(benchmark::State& state, int family) {
  evcoro::stacks::StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
  evcoro::Loop loop{pool};
  evcoro::Resolver resolver{loop};
  const std::string name = "localhost";
  bool works = false;
  const auto body = [&] {
    for (auto _ : state) {
      for (int i = 0; i < calls; ++i) {
        auto found = resolver.resolve(name, 80, family);
        works = found.has_value();
        benchmark::DoNotOptimize(found);
      }
    }
  };
  loop.spawn({.name = "caller"}, body).value().detach();
  loop.run();
  if (!works) state.SkipWithError("localhost is not in /etc/hosts");
  state.SetItemsProcessed(state.iterations() * calls);
}

void one_family(benchmark::State& state) { cached(state, AF_INET); }
BENCHMARK(one_family)->Name("resolver/one_family");

void both_families(benchmark::State& state) { cached(state, AF_UNSPEC); }
BENCHMARK(both_families)->Name("resolver/both_families");

void by_getaddrinfo(benchmark::State& state) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  constexpr int fewer = calls / 100;
  for (auto _ : state) {
    for (int i = 0; i < fewer; ++i) {
      addrinfo* found = nullptr;
      if (::getaddrinfo("localhost", "80", &hints, &found) != 0) {
        state.SkipWithError("localhost is not in /etc/hosts");
        return;
      }
      ::freeaddrinfo(found);
    }
  }
  state.SetItemsProcessed(state.iterations() * fewer);
}
BENCHMARK(by_getaddrinfo)->Name("resolver/getaddrinfo");

}  // namespace
