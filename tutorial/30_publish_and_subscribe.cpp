// Chapter 30: one publishes, and all who have subscribed get it.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/result.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/sync/broadcast.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/thread.hpp>

using evcoro::Broadcast;
using evcoro::Event;
using evcoro::Loop;
using evcoro::Result;
using evcoro::Scope;
using evcoro::Slow;
using evcoro::Subscription;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// [publish]
using News = Broadcast<std::string>;

void publish(News& news, const char* text) {
  const std::size_t readers = news.publish(text, 3s).value();
  std::printf("  %s: to %zu\n", text, readers);
}

void read_news(const char* who, Subscription<std::string>& mine) {
  for (const std::string& text : mine) std::printf("  %s reads: %s\n", who, text.c_str());
}

void publish_news() {
  News news;
  Scope scope;
  const auto subscribe = [&](const char* who) {
    auto mine = news.subscribe();
    scope.spawn([who, mine = std::move(mine)]() mutable { read_news(who, mine); }).value();
  };
  publish(news, "it rains");
  subscribe("ann");
  publish(news, "it snows");
  subscribe("bob");
  publish(news, "the sun shines");
  news.close();
}
// [/publish]

// [slow]
// Publishes four messages to who has room for two, and takes none meanwhile.
void be_slow(const char* how, Slow slow) {
  Broadcast<int> numbers;
  Subscription<int> mine = numbers.subscribe({.capacity = 2, .slow = slow});
  int published = 0;
  while (published < 4 && numbers.try_publish(published + 1)) ++published;
  numbers.close();

  std::printf("  %s: published %d, got", how, published);
  Result<int> number = mine.receive();
  for (; number; number = mine.receive()) std::printf(" %d", *number);
  const bool is_late = number.error() == evcoro::Errc::subscriber_too_slow;
  std::printf(", missed %d; %s\n", static_cast<int>(mine.missed()),
              is_late ? "too slow" : "closed");
}
// [/slow]

// [os_thread]
void add_what_is_published() {
  Broadcast<int> numbers;
  std::array<int, 3> sums{};
  Scope scope;
  for (int& sum : sums) {
    auto add = [&sum, mine = numbers.subscribe({.capacity = 1})]() mutable {
      for (const int number : mine) sum += number;
    };
    scope.spawn(std::move(add)).value();
  }
  std::thread publisher{[&] {
    for (int i = 1; i <= 100; ++i) static_cast<void>(numbers.publish(i));
    numbers.close();
  }};
  scope.wait();
  publisher.join();
  std::printf("sums: %d, %d, %d\n", sums[0], sums[1], sums[2]);
}
// [/os_thread]

// [select]
void read_until(Event& bedtime, Subscription<std::string>& mine) {
  bool is_late = false;
  const auto read = [](const Result<std::string>& text) {
    std::printf("  ann reads: %s\n", text ? text->c_str() : "no more news");
  };
  const auto go_to_bed = [&] { is_late = true; };
  while (!is_late && select(on_receive(mine, read), on_event(bedtime, go_to_bed))) continue;
  std::puts("  ann goes to bed");
}

void read_in_bed() {
  News news;
  Event bedtime;
  auto mine = news.subscribe();
  Scope scope;
  scope.spawn([&] { read_until(bedtime, mine); }).value();
  publish(news, "a storm comes");
  this_thread::yield();  // she reads it, and waits for more
  bedtime.set();
}
// [/select]

}  // namespace

// [main]
int main() try {
  Loop loop{{.capacity = 10}};
  const auto all = [] {
    std::puts("news:");
    publish_news();
    std::puts("slow readers:");
    be_slow("block", Slow::block);
    be_slow("drop the oldest", Slow::drop_oldest);
    be_slow("disconnect", Slow::disconnect);
    add_what_is_published();
    std::puts("in bed:");
    read_in_bed();
  };
  loop.spawn({.name = "all"}, all).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "30_publish_and_subscribe: %s\n", error.what());
  return 1;
}
// [/main]
