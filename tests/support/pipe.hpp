// Descriptors for tests: OwnedNumber, of any kind, and RawPipe, a pipe(2) with both ends
// non-blocking.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

#include <support/network.hpp>

namespace support {

class OwnedNumber {
 public:
  explicit OwnedNumber(int number) : number_(number) {
    if (number < 0) throw_errno("descriptor");
  }
  ~OwnedNumber() { ::close(number_); }
  OwnedNumber(const OwnedNumber&) = delete;
  OwnedNumber& operator=(const OwnedNumber&) = delete;

  int get() const noexcept { return number_; }

 private:
  int number_;
};

class RawPipe {
 public:
  RawPipe() {
    if (::pipe2(ends_, O_CLOEXEC | O_NONBLOCK) != 0) throw_errno("pipe2");
  }
  ~RawPipe() {
    close_reader();
    close_writer();
  }
  RawPipe(const RawPipe&) = delete;
  RawPipe& operator=(const RawPipe&) = delete;

  int reader() const noexcept { return ends_[0]; }
  int writer() const noexcept { return ends_[1]; }
  void close_reader() noexcept { close(ends_[0]); }
  void close_writer() noexcept { close(ends_[1]); }

  // write() returns how much there was room for.
  std::size_t write(std::string_view text) const {
    const ssize_t count = ::write(ends_[1], text.data(), text.size());
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  std::string read(std::size_t most = 65536) const {
    std::string text(most, '\0');
    const ssize_t count = ::read(ends_[0], text.data(), text.size());
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
  }
  void fill() const {
    while (write(std::string(4096, 'x')) != 0) {
    }
  }
  void empty() const {
    while (!read().empty()) {
    }
  }

 private:
  static void close(int& end) noexcept {
    if (end >= 0) ::close(std::exchange(end, -1));
  }

  int ends_[2];
};

}  // namespace support
