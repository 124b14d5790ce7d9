// DnsChannel: c-ares, whose sockets and timeouts are events of a loop.
//
//   c-ares --on_socket_state--> an event for each of its sockets --on_event--> ares_process_fd
//          --ares_timeout-----> timer_                           --on_timer--> ares_process_fd
#pragma once

#include <event2/event_struct.h>

#include <memory>
#include <vector>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/net/resolver.hpp>

struct ares_addrinfo;
struct ares_channeldata;

namespace evcoro::detail {

class DnsChannel {
 public:
  // on_answer() gets an ARES_... status, and what is freed by ares_freeaddrinfo(). Called by ask(),
  // by the loop, or by the destructor.
  using OnAnswer = void (*)(void* argument, int status, int timeouts, ares_addrinfo* found);

  DnsChannel(LoopCore& core, const ResolverOptions& options);  // throws std::system_error

  ~DnsChannel();  // not in a child process
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  // ask() asks for the addresses of one family. There always is an answer, perhaps right away.
  void ask(const char* name, int family, OnAnswer on_answer, void* argument) noexcept;

  // reply_code() is the RCODE (RFC 1035, 4.1.1) of the reply that on_answer() was called for, 0 if
  // it is for want of one: c-ares calls it ARES_ECONNREFUSED if the last server fails or refuses.
  int reply_code() const noexcept { return reply_code_; }

 private:
  struct Watch {
    Watch(DnsChannel& its_channel, int number) noexcept
        : channel(its_channel), descriptor(number) {}
    DnsChannel& channel;
    const int descriptor;
    struct event event;
  };

  struct Sockets;

  static void on_socket_state(void* self, int descriptor, int readable, int writable) noexcept;
  static void on_event(evutil_socket_t, short what, void* watch) noexcept;
  static void on_timer(evutil_socket_t, short, void* self) noexcept;
  void watch(int descriptor, short what);
  void unwatch(int descriptor) noexcept;
  void process(int readable, int writable) noexcept;
  void set_timer() noexcept;

  LoopCore& core_;
  ares_channeldata* channel_ = nullptr;
  int reply_code_ = 0;
  std::vector<std::unique_ptr<Watch>> watches_;
  struct event timer_;
};

}  // namespace evcoro::detail
