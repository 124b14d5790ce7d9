#include <evcoro/file.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/offload.hpp>

namespace evcoro {
namespace detail {

class FileHandle {
 public:
  explicit FileHandle(OwnedDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

  int number() const noexcept { return descriptor_.get(); }
  std::error_code close() noexcept {
    return ::close(descriptor_.release()) == 0 ? std::error_code{} : system_error();
  }

 private:
  OwnedDescriptor descriptor_;
};

namespace {

using Handle = std::shared_ptr<FileHandle>;
using Offset = std::optional<std::uint64_t>;  // none: the file's position

constexpr std::size_t longest_piece = 1 << 20;

// work() is a function to offload that returns a Result, and what that comes to.
template <class F>
std::invoke_result_t<F> work(F function, Timeout timeout) noexcept try {
  auto result = offload(std::move(function), timeout);
  if (!result) return result.error();
  return std::move(*result);
} catch (const std::bad_alloc&) {
  return system_error(ENOMEM);
}

// repeat() is a system call, again if a signal interrupts it.
template <class Call>
auto repeat(Call call) noexcept {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

std::error_code outcome(int result) noexcept {
  return result == 0 ? std::error_code{} : system_error();
}

Result<OwnedDescriptor> open_now(const std::string& path, int flags, mode_t mode) noexcept {
  const int number = repeat([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (number < 0) return system_error();
  return OwnedDescriptor{number};
}

IoResult write_now(int descriptor, const char* data, std::size_t size, Offset offset) noexcept {
  IoResult all;
  while (all.count < size) {
    const char* const from = data + all.count;
    const std::size_t left = size - all.count;
    const ssize_t count = repeat([&] {
      return offset ? ::pwrite(descriptor, from, left, static_cast<off_t>(*offset + all.count))
                    : ::write(descriptor, from, left);
    });
    if (count < 0) return {all.count, system_error()};
    all.count += static_cast<std::size_t>(count);
  }
  return all;
}

// Piece is what a worker has read.
struct Piece {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t size;
};

Result<Piece> read_now(int descriptor, std::size_t size, Offset offset) {
  Piece piece{std::make_unique_for_overwrite<std::byte[]>(size), 0};
  const ssize_t count = repeat([&] {
    return offset ? ::pread(descriptor, piece.bytes.get(), size, static_cast<off_t>(*offset))
                  : ::read(descriptor, piece.bytes.get(), size);
  });
  if (count < 0) return system_error();
  piece.size = static_cast<std::size_t>(count);
  return piece;
}

// Moves size bytes in pieces: move_piece(done, length, timeout) moves one, and the first that comes
// short is the last.
template <class MovePiece>
IoResult in_pieces(std::size_t size, Timeout timeout, MovePiece move_piece) {
  if (timeout.may_wait()) timeout = timeout.deadline();
  IoResult all;
  while (all.count < size) {
    const std::size_t length = std::min(size - all.count, longest_piece);
    const IoResult piece = move_piece(all.count, length, timeout);
    all.count += piece.count;
    all.error = piece.error;
    if (piece.error || piece.count < length) break;
  }
  return all;
}

Offset plus(Offset offset, std::size_t done) noexcept {
  return offset ? Offset{*offset + done} : offset;
}

// The handle is a copy: the File may be closed, or go, between two pieces.
IoResult read_all(Handle handle, std::span<std::byte> buffer, Offset offset,
                  Timeout timeout) noexcept {
  if (handle == nullptr) return {0, system_error(EBADF)};
  return in_pieces(
      buffer.size(), timeout, [&](std::size_t done, std::size_t length, Timeout rest) -> IoResult {
        const auto piece =
            work([handle, length,
                  from = plus(offset, done)] { return read_now(handle->number(), length, from); },
                 rest);
        if (!piece) return {0, piece.error()};
        if (piece->size != 0) std::memcpy(&buffer[done], piece->bytes.get(), piece->size);
        return {piece->size};
      });
}

IoResult write_all(Handle handle, std::span<const std::byte> data, Offset offset,
                   Timeout timeout) noexcept try {
  if (handle == nullptr) return {0, system_error(EBADF)};
  return in_pieces(
      data.size(), timeout, [&](std::size_t done, std::size_t length, Timeout rest) -> IoResult {
        std::string piece{reinterpret_cast<const char*>(&data[done]), length};
        const auto out = work(
            [handle, bytes = std::move(piece), to = plus(offset, done)]() -> Result<IoResult> {
              return write_now(handle->number(), bytes.data(), bytes.size(), to);
            },
            rest);
        return out ? *out : IoResult{0, out.error()};
      });
} catch (const std::bad_alloc&) {
  return {0, system_error(ENOMEM)};
}

Result<std::string> read_file_now(const std::string& path, std::size_t limit) {
  const auto file = open_now(path, O_RDONLY, 0);
  if (!file) return file.error();
  std::string text;
  while (true) {
    const std::size_t room = limit - text.size();
    const auto piece = read_now(file->get(), room < longest_piece ? room + 1 : longest_piece, {});
    if (!piece) return piece.error();
    if (piece->size > room) return std::make_error_code(std::errc::message_size);
    if (piece->size == 0) return text;
    text.append(reinterpret_cast<const char*>(piece->bytes.get()), piece->size);
  }
}

Result<void> write_file_now(const std::string& path, const std::string& data) noexcept {
  auto file = open_now(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (!file) return file.error();
  if (const auto out = write_now(file->get(), data.data(), data.size(), {}); !out) return out.error;
  return outcome(::close(file->release()));
}

}  // namespace
}  // namespace detail

using detail::work;

Result<File> File::open(std::string path, int flags, mode_t mode, Timeout timeout) noexcept {
  auto handle = work(
      [path = std::move(path), flags, mode]() -> Result<detail::Handle> {
        auto file = detail::open_now(path, flags, mode);
        if (!file) return file.error();
        return std::make_shared<detail::FileHandle>(std::move(*file));
      },
      timeout);
  if (!handle) return handle.error();
  return File{std::move(*handle)};
}

Result<File> detail::take_file(int descriptor) noexcept {
  if (descriptor < 0) return system_error(EBADF);
  OwnedDescriptor owned{descriptor};
  try {
    return File{std::make_shared<FileHandle>(std::move(owned))};
  } catch (const std::bad_alloc&) {
    static_cast<void>(owned.release());
    return system_error(ENOMEM);
  }
}

Result<File> File::adopt(int descriptor) noexcept {
  auto file = detail::take_file(descriptor);
  if (!file && descriptor >= 0) ::close(descriptor);
  return file;
}

std::error_code File::close(Timeout timeout) noexcept {
  if (handle_ == nullptr) return detail::system_error(EBADF);
  return work(
             [handle = std::move(handle_)]() mutable -> Result<void> {
               if (handle.use_count() == 1) return handle->close();
               handle.reset();
               return {};
             },
             timeout)
      .error();
}

IoResult File::read(std::span<std::byte> buffer, Timeout timeout) noexcept {
  return detail::read_all(handle_, buffer, {}, timeout);
}
IoResult File::pread(std::span<std::byte> buffer, std::uint64_t offset, Timeout timeout) noexcept {
  return detail::read_all(handle_, buffer, offset, timeout);
}
IoResult File::write(std::span<const std::byte> data, Timeout timeout) noexcept {
  return detail::write_all(handle_, data, {}, timeout);
}
IoResult File::pwrite(std::span<const std::byte> data, std::uint64_t offset,
                      Timeout timeout) noexcept {
  return detail::write_all(handle_, data, offset, timeout);
}

Result<std::uint64_t> File::size(Timeout timeout) const noexcept {
  if (handle_ == nullptr) return detail::system_error(EBADF);
  return work(
      [handle = handle_]() -> Result<std::uint64_t> {
        struct stat status;
        if (::fstat(handle->number(), &status) != 0) return detail::system_error();
        return static_cast<std::uint64_t>(status.st_size);
      },
      timeout);
}

std::error_code File::truncate(std::uint64_t size, Timeout timeout) noexcept {
  if (handle_ == nullptr) return detail::system_error(EBADF);
  const auto call = [handle = handle_, size] {
    return ::ftruncate(handle->number(), static_cast<off_t>(size));
  };
  return work([call]() -> Result<void> { return detail::outcome(detail::repeat(call)); }, timeout)
      .error();
}

std::error_code File::sync(Timeout timeout) noexcept {
  if (handle_ == nullptr) return detail::system_error(EBADF);
  const auto call = [handle = handle_] { return ::fsync(handle->number()); };
  return work([call]() -> Result<void> { return detail::outcome(detail::repeat(call)); }, timeout)
      .error();
}

int File::native_handle() const noexcept { return handle_ == nullptr ? -1 : handle_->number(); }

Result<std::string> read_file(std::string path, std::size_t limit, Timeout timeout) noexcept {
  return work([path = std::move(path), limit] { return detail::read_file_now(path, limit); },
              timeout);
}

std::error_code write_file(std::string path, std::string data, Timeout timeout) noexcept {
  return work([path = std::move(path),
               data = std::move(data)] { return detail::write_file_now(path, data); },
              timeout)
      .error();
}

}  // namespace evcoro
