// What it costs to wait for foreign descriptors: bytes that go to and fro over pairs of pipes. Each
// end waits until its pipe is readable, reads the byte and writes it to the other: threads with an
// IoEvent, against a loop around epoll_wait(2), and libevent's callbacks, which are below the
// former; level-triggered all. One item is one hop.
#include <benchmark/benchmark.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <deque>

#include <evcoro/io_event.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <stacks/stack_pool.hpp>

namespace {

constexpr std::size_t stack_size = 16 * 1024;
constexpr int hops = 2'000;  // of each end in an iteration
constexpr std::size_t most_events = 64;

// End is one of the two of a pair.
struct End {
  int from = -1;
  int to = -1;
  bool keeps_last = false;  // of a pair, one does: nothing is left in the pipes
  int left = 0;             // hops

  // A hop: false if it was the last.
  bool pass_on() {
    char byte;
    if (::read(from, &byte, 1) != 1) return false;
    if (--left == 0 && keeps_last) return false;
    return ::write(to, &byte, 1) == 1 && left > 0;
  }
};

class Pairs {
 public:
  explicit Pairs(int count) {
    for (int i = 0; i < count; ++i) {
      std::array<int, 2> there;
      std::array<int, 2> back;
      if (::pipe2(there.data(), O_NONBLOCK) != 0 || ::pipe2(back.data(), O_NONBLOCK) != 0) return;
      ends.push_back({.from = there[0], .to = back[1], .keeps_last = true});
      ends.push_back({.from = back[0], .to = there[1]});
    }
    are_open = true;
  }
  ~Pairs() {
    for (const End& end : ends) {
      ::close(end.from);
      ::close(end.to);
    }
  }
  Pairs(const Pairs&) = delete;
  Pairs& operator=(const Pairs&) = delete;

  // start() gives each pair its byte.
  void start() {
    for (End& end : ends) end.left = hops;
    for (std::size_t i = 0; i < ends.size(); i += 2) {
      if (::write(ends[i].to, "", 1) != 1) are_open = false;
    }
  }

  std::deque<End> ends;
  bool are_open = false;
};

void report(benchmark::State& state, const Pairs& pairs) {
  for (const End& end : pairs.ends) {
    if (end.left > 0) return state.SkipWithError("an end did not get its byte");
  }
  if (!pairs.are_open) state.SkipWithError("no pipes");
  state.SetItemsProcessed(state.iterations() * hops * static_cast<int>(pairs.ends.size()));
}

void epoll_loop(int epoll, Pairs& pairs) {
  std::size_t busy = pairs.ends.size();
  std::array<epoll_event, most_events> events;
  while (busy > 0) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      if (!static_cast<End*>(events[static_cast<std::size_t>(i)].data.ptr)->pass_on()) --busy;
    }
  }
}

void epoll_pipes(benchmark::State& state) {
  Pairs pairs{static_cast<int>(state.range(0))};
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (End& end : pairs.ends) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &end}};
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, end.from, &event);
  }
  for (auto _ : state) {
    pairs.start();
    epoll_loop(epoll, pairs);
  }
  ::close(epoll);
  report(state, pairs);
}
BENCHMARK(epoll_pipes)->Name("pipe/epoll")->Arg(1)->Arg(50);

struct Callbacks {
  event_base* base = event_base_new();
  std::size_t busy = 0;
};

void libevent_pipes(benchmark::State& state) {
  Pairs pairs{static_cast<int>(state.range(0))};
  Callbacks callbacks;
  struct Watched {
    End* end;
    Callbacks* all;
    event* registration;
  };
  std::deque<Watched> watched;
  const auto on_readable = [](evutil_socket_t, short, void* it) {
    const auto& self = *static_cast<Watched*>(it);
    if (self.end->pass_on() || --self.all->busy > 0) return;
    event_base_loopbreak(self.all->base);
  };
  for (End& end : pairs.ends) {
    Watched& added = watched.emplace_back(Watched{&end, &callbacks, nullptr});
    added.registration =
        event_new(callbacks.base, end.from, EV_READ | EV_PERSIST, on_readable, &added);
    event_add(added.registration, nullptr);
  }
  for (auto _ : state) {
    pairs.start();
    callbacks.busy = pairs.ends.size();
    event_base_dispatch(callbacks.base);
  }
  for (const Watched& each : watched) event_free(each.registration);
  event_base_free(callbacks.base);
  report(state, pairs);
}
BENCHMARK(libevent_pipes)->Name("pipe/libevent")->Arg(1)->Arg(50);

void evcoro_pipes(benchmark::State& state) {
  Pairs pairs{static_cast<int>(state.range(0))};
  evcoro::Loop loop{{.capacity = pairs.ends.size(), .stack_size = stack_size}};
  std::deque<evcoro::IoEvent> events;
  for (const End& end : pairs.ends) events.emplace_back(loop, end.from);
  for (auto _ : state) {
    pairs.start();
    for (std::size_t i = 0; i < events.size(); ++i) {
      const auto bounce = [&event = events[i], &end = pairs.ends[i]] {
        while (!event.wait_readable() && end.pass_on()) {
        }
      };
      loop.spawn({.name = "end"}, bounce).value().detach();
    }
    loop.run();
  }
  events.clear();
  report(state, pairs);
}
BENCHMARK(evcoro_pipes)->Name("pipe/evcoro")->Arg(1)->Arg(50);

}  // namespace
