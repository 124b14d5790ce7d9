#include <stacks/report.hpp>

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>

namespace evcoro::stacks {
namespace {

void write_to_standard_error(const char* text, std::size_t size) noexcept {
  const int saved_errno = errno;
  while (size > 0) {
    const ssize_t written = ::write(STDERR_FILENO, text, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;  // nowhere left to complain
    text += written;
    size -= static_cast<std::size_t>(written);
  }
  errno = saved_errno;
}

std::atomic<ReportSink> current_sink{write_to_standard_error};

}  // namespace

ReportSink set_report_sink(ReportSink sink) noexcept {
  return current_sink.exchange(sink != nullptr ? sink : write_to_standard_error);
}

void report(std::string_view text) noexcept { current_sink.load()(text.data(), text.size()); }

ReportLine& ReportLine::operator<<(std::string_view text) noexcept {
  size_ += text.copy(text_ + size_, sizeof text_ - size_);
  return *this;
}

ReportLine& ReportLine::operator<<(unsigned long long number) noexcept {
  const auto end = std::to_chars(text_ + size_, text_ + sizeof text_, number);
  if (end.ec == std::errc{}) size_ = static_cast<std::size_t>(end.ptr - text_);
  return *this;
}

void ReportLine::operator<<(Send) noexcept {
  if (size_ == sizeof text_) text_[size_ - 1] = '\n';  // it may have been cut
  report({text_, size_});
}

}  // namespace evcoro::stacks
