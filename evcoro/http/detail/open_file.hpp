// OpenFile: a file that is served, with all that its responses say of it; and FileCache, those that
// a loop keeps.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/http/detail/conditions.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::http::detail {

struct OpenFile {
  evcoro::detail::OwnedDescriptor descriptor;
  std::uint64_t size = 0;
  timespec changed{};  // st_mtim
  Timestamp modified;  // what is told of that: not in the future
  std::string etag;
  std::string modified_text;
  std::string type;     // Content-Type
  std::string content;  // of a small file, all of it
  bool is_small = false;
  TimePoint opened;                      // when
  std::shared_ptr<const OpenFile> gzip;  // the same, compressed, if there is that

  Validators validators() const noexcept { return {etag, modified}; }

  // is_as_it_was() asks the kernel: false of one that has been written to, or has no name any more,
  // and if gzip has.
  bool is_as_it_was() const noexcept;
};

using SharedFile = std::shared_ptr<const OpenFile>;

// FileCache keeps those that were asked for last.
class FileCache {
 public:
  FileCache(std::size_t capacity, std::chrono::milliseconds time) noexcept;
  FileCache(const FileCache&) = delete;
  FileCache& operator=(const FileCache&) = delete;

  // find() is nullptr if there is none, or if it has been there for too long, or has changed.
  // Others that have been there for too long go, too.
  SharedFile find(std::string_view path);

  // put() throws std::bad_alloc.
  void put(std::string path, SharedFile file);

 private:
  using Entries = std::list<std::pair<const std::string, SharedFile>>;

  bool is_old(const OpenFile& file, TimePoint now) const noexcept {
    return now - file.opened > time_;
  }
  void drop_old(TimePoint now) noexcept;
  void erase(Entries::iterator entry) noexcept;

  const std::size_t capacity_;
  const std::chrono::milliseconds time_;
  Entries entries_;  // the last one first
  std::unordered_map<std::string_view, Entries::iterator> index_;
};

}  // namespace evcoro::http::detail
