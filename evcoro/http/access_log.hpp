// AccessLog: a line for each response, in the format that tools for logs know.
//
//   AccessLog log{LogFile{"/var/log/site/access.log"}};
//   ServerOptions options;
//   options.observers.push_back(log.observer());
//
//   10.0.0.1 - - [06/Nov/1994:08:49:37 +0000] "GET /a HTTP/1.1" 200 2326 "-" "curl/7.88.1"
//
// A line is written when its response is over, with how many bytes of the body have been sent, and
// the time, in UTC, when that was. A request that was refused before it could be read has "-" in
// its place. What a client says can't break out of its place, nor into the terminal of who reads
// the log: control characters, quotes, backslashes and what isn't ASCII are written as \xHH.
//
// Lines are gathered in the loop that they come from, and written by an OS thread of the log's own
// once in an interval, or when they are many; so no loop waits for a disk. If the sink can't keep
// up, lines beyond the limit are dropped, and counted. The log wakes nobody while nothing happens.
//
// Its members may be called in any OS thread. Observers may outlive it, and then do nothing. Nor
// does a copy in a child process (fork()): the OS thread is the parent's, as what it hasn't
// written.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <evcoro/http/serve.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {
class AccessLogState;
class LogFileState;
}  // namespace detail

// LogSink takes whole lines, one or more, in the log's OS thread. It may block; what it throws
// loses the lines.
using LogSink = std::function<void(std::string_view lines)>;

// LogFile is a sink that appends to a file, which it makes if there is none (mode 0644, less the
// umask). Copies are the same file.
class EVCORO_API LogFile {
 public:
  // Throws std::system_error if the file can't be opened, or is a pipe that nobody reads.
  explicit LogFile(std::string path);

  // reopen() lets what is written next go to the file that has the name then: for who renames it
  // (logrotate). If that can't be opened, the one before is kept. Any OS thread may call it.
  void reopen() noexcept;

  void operator()(std::string_view lines) const;

 private:
  std::shared_ptr<detail::LogFileState> state_;
};

enum class LogFormat : std::uint8_t {
  common,    // host - - [time] "request" status bytes
  combined,  // and "referer" "user-agent"
};

// AccessLogOptions are those of AccessLog.
struct AccessLogOptions {
  LogFormat format = LogFormat::combined;
  bool duration = false;  // a last column: the seconds that it took, with six digits
  std::chrono::milliseconds interval{1'000};
  std::size_t most_buffered = 1024 * 1024;  // bytes of a loop's that wait for the sink
};

class EVCORO_API AccessLog {
 public:
  using Options = AccessLogOptions;

  // Starts the OS thread. Throws std::system_error.
  explicit AccessLog(LogSink sink, Options options = {});

  // Writes what there is, and ends the OS thread.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // observer() is for ServeOptions::observers.
  ExchangeObserver observer() const;

  // flush() returns when all lines that there are by now have been written. It blocks the OS
  // thread.
  void flush() noexcept;

  // dropped() is how many lines were lost, since the sink was too slow or has thrown, or there was
  // no memory.
  std::uint64_t dropped() const noexcept;

 private:
  std::shared_ptr<detail::AccessLogState> state_;
};

}  // namespace evcoro::http
