#include <evcoro/http/detail/file_store.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include <evcoro/http/detail/beneath.hpp>
#include <evcoro/http/detail/text.hpp>

namespace evcoro::http::detail {
namespace {

// What is sent together with the head of a response is kept in memory.
constexpr std::uint64_t small_file = 16 * 1024;

OwnedDescriptor open_folder(const std::string& folder) {
  OwnedDescriptor opened{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!opened) throw std::system_error(errno, std::system_category(), folder);
  return opened;
}

void append_hex(std::string& out, std::uint64_t number) {
  char digits[16];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number, 16).ptr);
}

std::string make_etag(const struct stat& status) {
  constexpr std::uint64_t second = 1'000'000'000;
  std::string made{"\""};
  append_hex(made, status.st_ino);
  made += '-';
  append_hex(made, static_cast<std::uint64_t>(status.st_size));
  made += '-';
  append_hex(made, static_cast<std::uint64_t>(status.st_mtim.tv_sec) * second +
                       static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
  return made += '"';
}

// If it can't be read, or not all of it, it is as a large one, and fails when it is sent.
void read_content(OpenFile& file) {
  file.content.resize(file.size);
  std::size_t size = 0;
  while (size < file.size) {
    const ssize_t count = ::pread(file.descriptor.get(), file.content.data() + size,
                                  file.size - size, static_cast<off_t>(size));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    size += static_cast<std::size_t>(count);
  }
  file.is_small = true;
}

void describe(const struct stat& status, OpenFile& file) {
  file.size = static_cast<std::uint64_t>(status.st_size);
  file.changed = status.st_mtim;
  file.modified =
      std::min(Timestamp{std::chrono::seconds{status.st_mtim.tv_sec}}, current_second());
  file.etag = make_etag(status);
  file.modified_text = format_timestamp(file.modified);
}

}  // namespace

FileStore::FileStore(const std::string& folder, const FilesOptions& options)
    : options_(options),
      folder_(open_folder(folder)),
      caches_(
          [this] { return std::make_unique<FileCache>(options_.cache_files, options_.cache_time); },
          {.capacity_per_loop = 1}) {}

std::string FileStore::type_of(std::string_view name) const {
  std::string extension{name.substr(std::min(name.find_last_of("./") + 1, name.size()))};
  std::ranges::transform(extension, extension.begin(), to_lower);
  if (const auto found = options_.types.find(extension); found != options_.types.end()) {
    return found->second;
  }
  const std::string_view known = content_type(name);
  return known.empty() ? options_.default_type : std::string{known};
}

// name is whose type it has.
std::error_code FileStore::open(const std::string& path, std::string_view name,
                                OpenFile& made) const {
  const Symlinks symlinks = options_.symlinks ? Symlinks::inside : Symlinks::none;
  if (const auto error = open_beneath(folder_.get(), path, symlinks, made.descriptor)) return error;
  struct stat status {};
  if (::fstat(made.descriptor.get(), &status) != 0) return {errno, std::system_category()};
  if (S_ISDIR(status.st_mode)) return std::make_error_code(std::errc::is_a_directory);
  if (!S_ISREG(status.st_mode)) return std::make_error_code(std::errc::no_such_file_or_directory);
  describe(status, made);
  made.type = type_of(name);
  made.opened = corothread::read_clock();
  if (made.size <= small_file) read_content(made);
  return {};
}

Result<SharedFile> FileStore::open_with_gzip(const std::string& path) const {
  const auto made = std::make_shared<OpenFile>();
  if (const auto error = open(path, path, *made)) return error;
  if (!options_.precompressed || path.ends_with(".gz")) return SharedFile{made};
  const auto gzip = std::make_shared<OpenFile>();
  if (!open(path + ".gz", path, *gzip) && gzip->modified >= made->modified) made->gzip = gzip;
  return SharedFile{made};
}

Result<SharedFile> FileStore::find(std::string path) const {
  const bool is_folder = path.empty() || path.ends_with('/');
  if (is_folder && options_.index.empty()) {
    return std::make_error_code(std::errc::no_such_file_or_directory);
  }
  if (is_folder) path += options_.index;
  const Pooled<FileCache> cache = caches_.take();
  if (SharedFile known = cache->find(path)) return known;
  Result<SharedFile> found = open_with_gzip(path);
  if (found) cache->put(std::move(path), *found);
  if (is_folder && found.error() == std::errc::is_a_directory) {
    return std::make_error_code(std::errc::no_such_file_or_directory);
  }
  return found;
}

}  // namespace evcoro::http::detail
