// Chapter 24: threads that end together, and a deadline for all that they do.
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

#include <evcoro/local.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/thread.hpp>

using evcoro::Loop;
using evcoro::Scope;
using evcoro::Thread;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// [work]
// Takes a while, as a request to another server would.
std::error_code fetch(const std::string& what, std::chrono::milliseconds duration) {
  const std::error_code error = this_thread::sleep_for(duration);
  std::printf("  %s: %s\n", what.c_str(), error ? "given up" : "done");
  return error;
}
// [/work]

// [together]
void build_page() {
  Scope scope;
  scope.spawn([] { return fetch("text", 20ms); }).value();
  scope.spawn([] { return fetch("image", 10ms); }).value();
  std::printf("page: %s\n", scope.wait() ? "incomplete" : "complete");
}
// [/together]

// [failure]
void build_page_badly() try {
  Scope scope;
  scope.spawn([] { return fetch("text", 1h); }).value();
  scope
      .spawn([] {
        this_thread::sleep_for(10ms);
        throw std::runtime_error("no such image");
      })
      .value();
  scope.wait();
} catch (const std::exception& error) {
  std::printf("page: %s\n", error.what());
}
// [/failure]

// [deadline]
void build_page_in_time() {
  Scope scope{30ms};
  fetch("text", 10ms);
  scope.spawn([] { return fetch("image", 1h); }).value();
  fetch("advertisement", 1h);
  const bool in_time = !scope.wait();
  std::printf("page: %s\n", in_time ? "in time" : "too late");

  Scope cleaning_up{1s, Scope::Shielded{}};
  fetch("goodbye", 10ms);
}
// [/deadline]

// [first]
void ask_two_servers() {
  Loop& loop = *Loop::current();
  const Thread far = loop.spawn([] { return fetch("far", 1h); }).value();
  const Thread near = loop.spawn([] { return fetch("near", 10ms); }).value();
  const std::size_t first = evcoro::wait_any({far, near}, 10s).value();
  std::printf("first: %s\n", first == 0 ? "far" : "near");
}
// [/first]

// [local]
const evcoro::ThreadLocal<std::string> user;

void greet() {
  this_thread::sleep_for(1ms);  // others run, and have their own
  std::printf("  hello %s\n", user->c_str());
}

void greet_all() {
  Scope scope;
  for (const char* name : {"ann", "bob"}) {
    scope
        .spawn([name] {
          user.get() = name;
          greet();
        })
        .value();
  }
}
// [/local]

}  // namespace

// [main]
int main() try {
  Loop loop{{.capacity = 10}};
  const auto all = [] {
    build_page();
    build_page_badly();
    build_page_in_time();
    ask_two_servers();
    greet_all();
  };
  loop.spawn({.name = "all"}, all).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "24_scopes: %s\n", error.what());
  return 1;
}
// [/main]
