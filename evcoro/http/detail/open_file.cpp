#include <evcoro/http/detail/open_file.hpp>

#include <algorithm>
#include <iterator>

namespace evcoro::http::detail {
namespace {

constexpr std::chrono::hours longest_time{24 * 365};  // as nanoseconds it doesn't overflow

}  // namespace

bool OpenFile::is_as_it_was() const noexcept {
  struct stat now {};
  return ::fstat(descriptor.get(), &now) == 0 && now.st_nlink > 0 &&
         static_cast<std::uint64_t>(now.st_size) == size && now.st_mtim.tv_sec == changed.tv_sec &&
         now.st_mtim.tv_nsec == changed.tv_nsec && (gzip == nullptr || gzip->is_as_it_was());
}

FileCache::FileCache(std::size_t capacity, std::chrono::milliseconds time) noexcept
    : capacity_(capacity), time_(std::min<std::chrono::milliseconds>(time, longest_time)) {}

// Those that nobody asks for any more are at the end.
void FileCache::drop_old(TimePoint now) noexcept {
  while (!entries_.empty() && is_old(*entries_.back().second, now))
    erase(std::prev(entries_.end()));
}

SharedFile FileCache::find(std::string_view path) {
  const TimePoint now = corothread::read_clock();
  drop_old(now);
  const auto found = index_.find(path);
  if (found == index_.end()) return nullptr;
  const Entries::iterator entry = found->second;
  SharedFile file = entry->second;
  if (is_old(*file, now) || !file->is_as_it_was()) {
    erase(entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return file;
}

void FileCache::erase(Entries::iterator entry) noexcept {
  index_.erase(entry->first);
  entries_.erase(entry);
}

void FileCache::put(std::string path, SharedFile file) {
  if (capacity_ == 0) return;
  if (const auto found = index_.find(path); found != index_.end()) erase(found->second);
  if (entries_.size() == capacity_) erase(std::prev(entries_.end()));
  entries_.emplace_front(std::move(path), std::move(file));
  try {
    index_.emplace(entries_.front().first, entries_.begin());
  } catch (...) {
    entries_.pop_front();
    throw;
  }
}

}  // namespace evcoro::http::detail
