// The embedding example of README.md: coroutine threads in an application's own event_base.
#include <event2/event.h>

#include <chrono>
#include <cstdio>
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>

using namespace std::chrono_literals;

int main() {
  // [embedding]
  event_base* base = event_base_new();  // the application's, with events of its own
  {
    evcoro::Loop loop{{.capacity = 10}, base};
    loop.spawn({.name = "hello"},
               [] {
                 evcoro::this_thread::sleep_for(10ms);
                 std::puts("hello from a coroutine thread");
               })
        .value()
        .detach();
    event_base_dispatch(base);  // as ever: it runs the threads, too
  }
  event_base_free(base);
  // [/embedding]
}
