#include <evcoro/file.h>

#include <climits>
#include <new>
#include <span>
#include <string>

#include <evcoro/capi/bytes.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/capi/text.hpp>
#include <evcoro/file.hpp>

using namespace evcoro::capi;
using evcoro::File;

struct tagEVFILE final : Object {
  explicit tagEVFILE(File its_file) noexcept : file(std::move(its_file)) {}
  File file;
};

namespace {

EVFILE* make(EVTHREAD* thread, evcoro::Result<File> file) noexcept {
  if (!file) return refuse(file.error());
  return give_to(*thread, new (std::nothrow) EVFILE(std::move(*file)));
}

}  // namespace

EVFILE* EVFILE_open(EVTHREAD* thread, const char* path, int flags, mode_t mode,
                    struct timeval timeout) noexcept try {
  if (thread == nullptr || path == nullptr) return refuse(EINVAL);
  return make(thread, File::open(path, flags, mode, to_timeout(timeout)));
} catch (...) {
  fail_as_caught();
  return nullptr;
}

EVFILE* EVFILE_adopt(EVTHREAD* thread, int fd) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  auto* const result = give_to(*thread, new (std::nothrow) EVFILE(File{}));
  if (result == nullptr) return nullptr;
  auto file = evcoro::detail::take_file(fd);
  if (!file) {
    result->dispose();
    return refuse(file.error());
  }
  result->file = std::move(*file);
  return result;
}

int EVFILE_close(EVFILE* file, struct timeval timeout) noexcept {
  if (file == nullptr) return fail(EINVAL);
  const auto error = file->file.close(to_timeout(timeout));
  file->dispose();
  return finish(error);
}

int EVFILE_fd(EVFILE* file) noexcept {
  return file == nullptr ? fail(EINVAL) : file->file.native_handle();
}

int EVFILE_read(EVFILE* file, void* buf, size_t size, struct timeval timeout) noexcept {
  if (!is_usable(file, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(file->file.read(bytes(buf, size), to_timeout(timeout)));
}

int EVFILE_pread(EVFILE* file, void* buf, size_t size, uint64_t offset,
                 struct timeval timeout) noexcept {
  if (!is_usable(file, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(file->file.pread(bytes(buf, size), offset, to_timeout(timeout)));
}

int EVFILE_write(EVFILE* file, const void* buf, size_t size, struct timeval timeout) noexcept {
  if (!is_usable(file, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(file->file.write(bytes(buf, size), to_timeout(timeout)));
}

int EVFILE_pwrite(EVFILE* file, const void* buf, size_t size, uint64_t offset,
                  struct timeval timeout) noexcept {
  if (!is_usable(file, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(file->file.pwrite(bytes(buf, size), offset, to_timeout(timeout)));
}

int64_t EVFILE_size(EVFILE* file, struct timeval timeout) noexcept {
  if (file == nullptr) return fail(EINVAL);
  const auto size = file->file.size(to_timeout(timeout));
  return size ? static_cast<int64_t>(*size) : fail(size.error());
}

int EVFILE_truncate(EVFILE* file, uint64_t size, struct timeval timeout) noexcept {
  if (file == nullptr) return fail(EINVAL);
  return finish(file->file.truncate(size, to_timeout(timeout)));
}

int EVFILE_sync(EVFILE* file, struct timeval timeout) noexcept {
  if (file == nullptr) return fail(EINVAL);
  return finish(file->file.sync(to_timeout(timeout)));
}

int EVFILE_read_all(const char* path, size_t limit, char** data, size_t* size,
                    struct timeval timeout) noexcept try {
  if (path == nullptr || data == nullptr || size == nullptr) return fail(EINVAL);
  const auto text = evcoro::read_file(path, limit, to_timeout(timeout));
  if (!text) return fail(text.error());
  *data = copy_for_c(*text);
  *size = text->size();
  return *data != nullptr ? 0 : fail(ENOMEM);
} catch (...) {
  return fail_as_caught();
}

int EVFILE_write_all(const char* path, const void* data, size_t size,
                     struct timeval timeout) noexcept try {
  if (path == nullptr || (data == nullptr && size != 0)) return fail(EINVAL);
  std::string text{static_cast<const char*>(data), size};
  return finish(evcoro::write_file(path, std::move(text), to_timeout(timeout)));
} catch (...) {
  return fail_as_caught();
}
