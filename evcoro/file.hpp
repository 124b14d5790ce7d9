// File: a file that is read and written in worker threads (offload.hpp), so that a slow disk blocks
// the calling thread and nobody else.
//
//   Result<File> file = File::open("data", O_RDWR | O_CREAT, 3s);
//   if (!file) return file.error();
//   const IoResult out = file->pwrite("hello", 0, 3s);
//   const IoResult in = file->read(buffer, 3s);               // in.count == 0: the end of the file
//
//   const Result<std::string> text = read_file("/etc/hosts", 1 << 20, 3s);    // all at once
//   const std::error_code error = write_file("out", *text, 3s);
//
// A call that is left at its deadline, or by cancellation, may go on in its worker. It has buffers
// of its own, 1 MiB at most, from which and to which is copied by the caller: so the caller's
// buffer is never touched afterwards, and it costs a copy. The descriptor stays open until such a
// call is over. What it does to the file is done: of a write that was left up to 1 MiB more than it
// counts may get there, and the position that read() and write() share is unknown then.
//
// A File belongs to no loop: threads of any may use it, one OS thread at a time. It uses
// WorkerPool::shared(). Blocking calls fail with what the system call says, and the errors of
// offload(). They are for regular files: what a worker waits for without end (a pipe, a terminal)
// takes that worker from the others; for those there is Socket::adopt().
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/net/socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class File;

namespace detail {

class FileHandle;

// take_file() is File::adopt(), but leaves the descriptor to the caller if it fails: for the C
// face.
Result<File> take_file(int descriptor) noexcept;

}  // namespace detail

class EVCORO_API File {
 public:
  // An empty handle: every call fails with bad_file_descriptor.
  File() noexcept = default;

  // open() is open(2), with O_CLOEXEC; a file that it creates gets mode 0666, or the one given,
  // less the umask.
  static Result<File> open(std::string path, int flags, Timeout timeout = {}) noexcept {
    return open(std::move(path), flags, 0666, timeout);
  }
  static Result<File> open(std::string path, int flags, mode_t mode, Timeout timeout = {}) noexcept;

  // adopt() takes over a descriptor. It is the File's then, also if adopt() fails (it is closed).
  static Result<File> adopt(int descriptor) noexcept;

  File(File&&) noexcept = default;
  File& operator=(File&&) noexcept = default;

  // The destructor closes the file, in the calling OS thread, and says nothing of errors; close()
  // waits for it in a worker, and does. While an earlier call that was left is still under way, the
  // file is closed when that is over.
  ~File() = default;
  std::error_code close(Timeout timeout = {}) noexcept;

  // read() reads from the file's position, pread() from offset, until buffer is full or there is no
  // more: at the end of the file the count is 0.
  IoResult read(std::span<std::byte> buffer, Timeout timeout = {}) noexcept;
  IoResult pread(std::span<std::byte> buffer, std::uint64_t offset, Timeout timeout = {}) noexcept;

  // write() writes all of data to the file's position, pwrite() to offset. The count is smaller
  // only if there is an error.
  IoResult write(std::span<const std::byte> data, Timeout timeout = {}) noexcept;
  IoResult pwrite(std::span<const std::byte> data, std::uint64_t offset,
                  Timeout timeout = {}) noexcept;
  IoResult write(std::string_view text, Timeout timeout = {}) noexcept {
    return write(std::as_bytes(std::span{text}), timeout);
  }
  IoResult pwrite(std::string_view text, std::uint64_t offset, Timeout timeout = {}) noexcept {
    return pwrite(std::as_bytes(std::span{text}), offset, timeout);
  }

  // size() is fstat(2)'s; truncate() is ftruncate(2), sync() fsync(2).
  Result<std::uint64_t> size(Timeout timeout = {}) const noexcept;
  std::error_code truncate(std::uint64_t size, Timeout timeout = {}) noexcept;
  std::error_code sync(Timeout timeout = {}) noexcept;

  // native_handle() is the descriptor, or -1. Do not close it.
  int native_handle() const noexcept;
  explicit operator bool() const noexcept { return handle_ != nullptr; }

 private:
  friend Result<File> detail::take_file(int descriptor) noexcept;
  explicit File(std::shared_ptr<detail::FileHandle> handle) noexcept : handle_(std::move(handle)) {}

  std::shared_ptr<detail::FileHandle> handle_;  // shared with the calls that are under way
};

// read_file() is what is in a file; message_size if that is more than limit bytes.
EVCORO_API Result<std::string> read_file(std::string path, std::size_t limit,
                                         Timeout timeout = {}) noexcept;

// write_file() makes data all that is in a file, which it creates (mode 0666, less the umask) if
// there is none. Others may see the file empty, or a part of data, meanwhile; so it may remain
// after an error.
EVCORO_API std::error_code write_file(std::string path, std::string data,
                                      Timeout timeout = {}) noexcept;

}  // namespace evcoro
