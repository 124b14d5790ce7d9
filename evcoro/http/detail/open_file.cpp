#include <evcoro/http/detail/open_file.hpp>

#include <iterator>

namespace evcoro::http::detail {

bool OpenFile::is_as_it_was() const noexcept {
  struct stat now {};
  return ::fstat(descriptor.get(), &now) == 0 && now.st_nlink > 0 &&
         static_cast<std::uint64_t>(now.st_size) == size && now.st_mtim.tv_sec == changed.tv_sec &&
         now.st_mtim.tv_nsec == changed.tv_nsec;
}

SharedFile FileCache::find(std::string_view path) {
  const auto found = index_.find(path);
  if (found == index_.end()) return nullptr;
  const Entries::iterator entry = found->second;
  SharedFile file = entry->second;
  if (corothread::read_clock() - file->opened > time_ || !file->is_as_it_was()) {
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
