// Output: what is to be sent, gathered, and the deadline for that: a peer that takes nothing for as
// long loses its connection; how long all takes is no matter.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/io/io_result.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::http::detail {

class Output {
 public:
  Output(AnyStream stream, std::chrono::milliseconds idle) noexcept
      : stream_(stream), idle_(idle) {}

  // use() begins with a buffer, empty.
  void use(std::string& buffer) noexcept {
    buffer_ = &buffer;
    buffer.clear();
  }

  // buffer() is what goes before all that is sent; who appends to it sees to it that it is flushed.
  std::string& buffer() noexcept { return *buffer_; }

  // flush() sends the buffer. send() flushes, and sends data from where it is. send_file() is as of
  // a stream. Once one has failed, all do.
  std::error_code flush();
  IoResult send(std::string_view data);
  IoResult send_file(int file, std::uint64_t offset, std::size_t count);

  // position() is how many bytes there have been so far: those that the stream has taken, and those
  // that wait in the buffer.
  std::uint64_t position() const noexcept { return taken_ + buffer_->size(); }

  // cut() lets all that follows fail.
  void cut(std::error_code error) noexcept {
    if (!error_) error_ = error;
  }
  std::error_code error() const noexcept { return error_; }

  // grant_last_word() lets what is sent from now on be sent until deadline, though the thread is
  // cancelled.
  void grant_last_word(TimePoint deadline) noexcept { last_word_ = deadline; }

  // break_off() does so, behind what is in the buffer: earlier responses may be there, too.
  void break_off(std::error_code error) {
    flush();
    cut(error);
  }

 private:
  template <class Attempt>
  IoResult try_once(Attempt attempt, std::size_t sent);
  template <class Attempt>
  IoResult send_all(std::size_t size, Attempt attempt);
  Timeout patience() const noexcept {
    if (last_word_ == never) return idle_;
    return std::min(Timeout{idle_}.deadline(), last_word_);
  }

  AnyStream stream_;
  const std::chrono::milliseconds idle_;
  std::string* buffer_ = nullptr;
  std::error_code error_;
  std::uint64_t taken_ = 0;  // by the stream
  TimePoint last_word_ = never;
};

}  // namespace evcoro::http::detail
