#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/http/access_log.hpp>

namespace evcoro::http {
namespace detail {

class LogFileState {
 public:
  explicit LogFileState(std::string path) : path_(std::move(path)), file_(open()) {
    if (!file_) throw std::system_error(errno, std::system_category(), path_);
  }

  void reopen() noexcept { is_moved_.store(true); }

  void write(std::string_view lines) {
    const std::lock_guard lock{mutex_};
    if (is_moved_.exchange(false)) {
      if (evcoro::detail::OwnedDescriptor opened = open()) file_ = std::move(opened);
    }
    while (!lines.empty()) {
      const ssize_t count = ::write(file_.get(), lines.data(), lines.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw std::system_error(errno, std::system_category(), path_);
      lines.remove_prefix(static_cast<std::size_t>(count));
    }
  }

 private:
  // A pipe that nobody reads is an error, not a wait.
  evcoro::detail::OwnedDescriptor open() const noexcept {
    constexpr mode_t mode = 0644;
    constexpr int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    evcoro::detail::OwnedDescriptor opened{::open(path_.c_str(), flags, mode)};
    if (opened) ::fcntl(opened.get(), F_SETFL, O_APPEND);  // writes wait
    return opened;
  }

  const std::string path_;
  std::mutex mutex_;
  evcoro::detail::OwnedDescriptor file_;
  std::atomic<bool> is_moved_{false};
};

}  // namespace detail

LogFile::LogFile(std::string path)
    : state_(std::make_shared<detail::LogFileState>(std::move(path))) {}

void LogFile::reopen() noexcept { state_->reopen(); }

void LogFile::operator()(std::string_view lines) const { state_->write(lines); }

}  // namespace evcoro::http
