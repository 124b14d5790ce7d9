// Broadcast: what becomes of the values.
#include <evcoro/sync/broadcast.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include <support/broadcast.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using support::Counted;
using support::is_closed;
using support::is_timed_out;
using support::would_block;

TEST_CASE_METHOD(support::LoopFixture, "a message is copied for all but the last, and then gone") {
  Counted::reset();
  in_thread([&] {
    Broadcast<Counted> broadcast;
    std::deque<Subscription<Counted>> all;
    for (int i = 0; i < 4; ++i) all.push_back(broadcast.subscribe({.capacity = 1}));
    REQUIRE(broadcast.publish(Counted{7}).value() == 4);
    REQUIRE(Counted::living == 1);
    REQUIRE(Counted::copies == 0);
    for (auto& each : all) REQUIRE(each.receive().value().number == 7);
    REQUIRE(Counted::copies == 3);
    REQUIRE(Counted::living == 0);
    // What is dropped, or that nobody receives, goes, too.
    Subscription lossy = broadcast.subscribe({.capacity = 1, .slow = Slow::drop_oldest});
    Subscription strict = broadcast.subscribe({.capacity = 1, .slow = Slow::disconnect});
    all.clear();
    for (int i = 0; i < 3; ++i) REQUIRE(broadcast.publish(Counted{i}));
    REQUIRE(Counted::living == 2);
    lossy = {};
    REQUIRE(Counted::living == 1);
    strict = {};
    REQUIRE(broadcast.publish(Counted{1}).value() == 0);
    REQUIRE(Counted::living == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a value that could not be published is as it was") {
  Broadcast<std::string> texts;
  Subscription subscription = texts.subscribe({.capacity = 1});
  const std::string constant = "a text that is longer than what a string has room for";
  in_thread([&] {
    REQUIRE(texts.publish(constant).value() == 1);
    std::string text = constant;
    REQUIRE(is_timed_out(texts.publish(std::move(text), no_wait).error()));
    REQUIRE(text == constant);  // NOLINT(bugprone-use-after-move)
    REQUIRE(would_block(texts.try_publish(std::move(text)).error()));
    REQUIRE(text == constant);
    texts.close();
    REQUIRE(is_closed(texts.publish(std::move(text)).error()));
    REQUIRE(text == constant);
    REQUIRE(subscription.receive().value() == constant);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "what copying a message throws comes out of receive") {
  Counted::reset();
  in_thread([&] {
    Broadcast<Counted> broadcast;
    Subscription first = broadcast.subscribe();
    Subscription second = broadcast.subscribe();
    REQUIRE(broadcast.publish(Counted{-1}).value() == 2);
    REQUIRE(broadcast.publish(Counted{2}).value() == 2);
    REQUIRE_THROWS_AS(first.receive(), std::runtime_error);
    REQUIRE(first.receive().value().number == 2);
    REQUIRE(second.receive().value().number == -1);  // the original
  });
  REQUIRE(Counted::living == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "messages may use the broadcast while they are destroyed") {
  struct Reentrant {
    std::shared_ptr<std::function<void()>> on_end;
  };
  Broadcast<Reentrant> broadcast;
  Subscription lossy = broadcast.subscribe({.capacity = 1, .slow = Slow::drop_oldest});
  std::size_t seen = 0;
  const auto message = [&] {
    return Reentrant{{new std::function<void()>{[&] { seen += broadcast.subscribers(); }},
                      [](std::function<void()>* function) {
                        (*function)();
                        delete function;
                      }}};
  };
  in_thread([&] {
    REQUIRE(broadcast.publish(message()).value() == 1);
    REQUIRE(broadcast.publish(message()).value() == 1);
    REQUIRE(seen == 1);
    lossy = {};
    REQUIRE(seen == 1);  // when there was no subscriber left
    REQUIRE(broadcast.publish(message()).value() == 0);
  });
}
