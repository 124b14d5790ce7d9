// FileStore: the files of a folder, as Files serves them.
//
//   const Result<SharedFile> file = store.find("css/site.css");
//
// Any OS threads may use it at once.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/http/detail/open_file.hpp>
#include <evcoro/http/files.hpp>
#include <evcoro/object_pool.hpp>
#include <evcoro/result.hpp>

namespace evcoro::http::detail {

class FileStore {
 public:
  // Throws std::system_error if folder can't be opened.
  FileStore(const std::string& folder, const FilesOptions& options);

  // find() finds what to_file_path() has made of a path; of a folder with its slash, the index.
  // Errors: is_a_directory for a folder without it, no_such_file_or_directory for what is no file,
  // and those of open_beneath(). Throws std::bad_alloc.
  Result<SharedFile> find(std::string path) const;

 private:
  std::error_code open(const std::string& path, std::string_view name, OpenFile& made) const;
  Result<SharedFile> open_with_gzip(const std::string& path) const;
  std::string type_of(std::string_view name) const;

  const FilesOptions& options_;
  const evcoro::detail::OwnedDescriptor folder_;
  // Each loop's is taken for no longer than a look; outside of loops it is always a new one.
  mutable ObjectPool<FileCache> caches_;
};

}  // namespace evcoro::http::detail
