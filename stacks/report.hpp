// Reports: the one way in which the library tells a person about something that no return value can
// carry (a stack overflow, a misuse that ends the process, an exception that nobody joins for).
//
//   evcoro::stacks::set_report_sink([](const char* text, std::size_t size) noexcept {
//     syslog(LOG_ERR, "%.*s", static_cast<int>(size), text);
//   });
//
// Standard error is the default sink.
#pragma once

#include <cstddef>
#include <string_view>

#include <stacks/export.hpp>

namespace evcoro::stacks {

// ReportSink receives one whole report, which ends in a newline. Any OS thread may call it, and a
// stack overflow calls it from a signal handler: restrict it to what signal-safety(7) allows if
// overflow reports are to reach it.
using ReportSink = void (*)(const char* text, std::size_t size) noexcept;

// set_report_sink() replaces the sink and returns the one before; nullptr restores standard error.
// Any OS thread may call it.
EVCORO_API ReportSink set_report_sink(ReportSink sink) noexcept;

// report() hands text to the sink. Async-signal-safe with the default sink.
EVCORO_API void report(std::string_view text) noexcept;

// ReportLine builds a report without allocating, so that it can be used in a signal handler; what
// does not fit in its 512 bytes is cut, but for the newline.
//
//   ReportLine{} << "evcoro: stack " << size << " bytes\n" << ReportLine::send;
class EVCORO_API ReportLine {
 public:
  enum Send { send };

  ReportLine& operator<<(std::string_view text) noexcept;
  ReportLine& operator<<(unsigned long long number) noexcept;
  void operator<<(Send) noexcept;  // hands the line to the sink

 private:
  char text_[512];
  std::size_t size_ = 0;
};

// misuse() reports a broken rule of the library ("what" names the rule and what to do instead) and
// the coroutine thread that broke it, if it was one, and terminates: going on would be undefined
// behaviour.
[[noreturn]] EVCORO_API void misuse(std::string_view what) noexcept;

}  // namespace evcoro::stacks
