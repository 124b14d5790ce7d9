// Listener: a descriptor that listens, and the file of a UNIX socket that goes with it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/net/tcp_acceptor.hpp>

namespace evcoro::detail {

class Listener {
 public:
  // open() listens on address. At a path, it first removes the file of a socket that nobody listens
  // on any more. Throws std::system_error whose what() names the address.
  static Listener open(const Address& address, const AcceptorOptions& options);

  // adopt() takes over a descriptor, which is closed also if this throws. A file that it may have
  // stays: it is that of whoever made it.
  static Listener adopt(int descriptor, const AcceptorOptions& options);

  Listener(Listener&& other) noexcept
      : descriptor_(std::move(other.descriptor_)),
        path_(std::exchange(other.path_, {})),
        device_(other.device_),
        inode_(other.inode_) {}
  Listener& operator=(Listener&&) = delete;
  ~Listener() { close(); }

  int number() const noexcept { return descriptor_.get(); }  // -1: closed

  // close() removes the file, if it is still that of this socket, and closes.
  void close() noexcept;

  // abandon() closes only: in a child process the file is the parent's.
  void abandon() noexcept {
    path_.clear();
    ::close(descriptor_.release());
  }

 private:
  explicit Listener(int descriptor) noexcept : descriptor_(descriptor) {}
  void bind(const Address& address, int backlog);
  void bind_to_path(const Address& address, int backlog);
  int try_to_bind(const Address& address, int backlog) noexcept;
  void note_file(std::string_view path);

  OwnedDescriptor descriptor_;
  std::string path_;  // absolute; of our own file only
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace evcoro::detail
