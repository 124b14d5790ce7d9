// BuffereventState: a bufferevent that a BuffereventStream has adopted, and the threads that wait
// for it: one to read, one to write.
//
// The reader is told by the read callback; the writer by a callback of the output buffer, which it
// has while it waits: so the write watermark is not needed, and the buffers of bufferevents below
// (filters, OpenSSL) can be waited for as well.
#pragma once

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/time.h>

#include <cstddef>
#include <span>
#include <system_error>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/waiter.hpp>
#include <evcoro/libevent/bufferevent.hpp>

struct evbuffer;
struct evbuffer_cb_info;

namespace evcoro::detail {

class BuffereventState final : public LoopClient {
 public:
  BuffereventState(LoopCore& core, bufferevent* bev, BuffereventOptions options) noexcept;
  BuffereventState(const BuffereventState&) = delete;
  BuffereventState& operator=(const BuffereventState&) = delete;

  bufferevent* get() const noexcept { return bev_; }

  std::error_code connect(const Address& address, Timeout timeout) noexcept;
  std::error_code connect(evdns_base* dns, const char* host, std::uint16_t port, int family,
                          Timeout timeout) noexcept;
  std::error_code wait_until_connected(Timeout timeout) noexcept;
  IoResult receive(std::span<std::byte> buffer, Timeout timeout) noexcept;
  Result<std::size_t> wait_for_input(std::size_t size, Timeout timeout) noexcept;
  IoResult send(std::span<const std::byte> data, Timeout timeout) noexcept;
  std::error_code drain(Timeout timeout) noexcept;

  bufferevent* release() noexcept;
  void close() noexcept;

  // drop() gives up the handle's reference; the object stays while an operation is under way.
  void drop() noexcept {
    if (--references_ == 0) delete this;
  }

 private:
  struct Hold;
  class OutputWatch;

  // Side is what is known of one direction.
  struct Side {
    Waiter waiter;
    std::error_code error;    // the connection's, which stays
    bool timed_out = false;   // a timeout that the application has set meanwhile
    bool is_enabled = false;  // libevent has been told so, and has not disabled it since
  };

  ~BuffereventState() = default;

  static void on_read(bufferevent*, void* self) noexcept;
  static void on_event(bufferevent*, short what, void* self) noexcept;
  void on_loop_gone() noexcept override;

  static void on_output(evbuffer*, const evbuffer_cb_info* change, void* self) noexcept;

  std::error_code admit_to(const Side& side, Errc busy) const noexcept;
  std::error_code still_there() const noexcept;
  bool is_ours() const noexcept;
  bool has_ended() const noexcept { return has_closed_ || reading_.error; }
  std::size_t input_length() const noexcept;
  std::size_t output_length() const noexcept;
  void enable(Side& side, short direction) noexcept;
  std::error_code wait_for_bytes(std::size_t size, Patience& patience) noexcept;
  std::error_code wait_for_output(std::size_t most, Patience& patience) noexcept;
  std::error_code wait_for_connection(Patience& patience) noexcept;
  void note_error(short what) noexcept;
  void limit_input(std::size_t limit) noexcept;
  void restore() noexcept;
  void tell() noexcept;
  void wake_both() noexcept;

  // What the application had set.
  struct Before {
    bufferevent_data_cb read = nullptr;
    bufferevent_data_cb write = nullptr;
    bufferevent_event_cb event = nullptr;
    void* argument = nullptr;
    short enabled = 0;
    std::size_t low = 0;
    std::size_t high = 0;
    timeval read_timeout{};
    timeval write_timeout{};
  };

  LoopCore* core_;    // nullptr: the loop is gone
  bufferevent* bev_;  // nullptr: released or closed
  const BuffereventOptions options_;
  int references_ = 1;
  bool is_connected_ = false;
  bool has_closed_ = false;  // the peer, its side
  short ends_ = 0;           // BEV_EVENT_... that the application would have been told
  Side reading_;
  Side writing_;
  Before before_;
};

}  // namespace evcoro::detail
