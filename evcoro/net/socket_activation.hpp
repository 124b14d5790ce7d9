// take_activated_sockets(): what a service manager has opened for this process, by systemd's
// protocol: sd_listen_fds(3), LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES in the environment.
//
//   std::vector<ActivatedSocket> all = take_activated_sockets().value();
//   for (ActivatedSocket& each : all) {
//     if (each.name == "http") acceptors.emplace_back(loop, each.release(), serve);
//   }
//   if (acceptors.empty()) acceptors.emplace_back(loop, Address::any(AF_INET6, 80), serve);
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <evcoro/result.hpp>
#include <stacks/export.hpp>

namespace evcoro {

// ActivatedSocket is a descriptor with its name (FileDescriptorName= of the unit). It closes the
// descriptor unless that is released.
class EVCORO_API ActivatedSocket {
 public:
  ActivatedSocket(int descriptor, std::string its_name) noexcept
      : name(std::move(its_name)), descriptor_(descriptor) {}
  ActivatedSocket(ActivatedSocket&& other) noexcept
      : name(std::move(other.name)), descriptor_(other.release()) {}
  ActivatedSocket& operator=(ActivatedSocket&& other) noexcept {
    std::swap(name, other.name);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~ActivatedSocket();

  int native_handle() const noexcept { return descriptor_; }
  int release() noexcept { return std::exchange(descriptor_, -1); }

  std::string name;  // "unknown" where the manager gives none

 private:
  int descriptor_;
};

// take_activated_sockets() returns the descriptors that were passed to this process, in order, and
// makes them close on exec; none, if none were, or if they were meant for another process. It then
// removes all three variables from the environment, so that neither a second call nor a child takes
// them again; that makes it a call for the beginning of main(), before there are OS threads.
// Errors: invalid_argument for variables that make no sense, bad_file_descriptor if one isn't open;
// they are removed all the same, and no descriptor is touched.
EVCORO_API Result<std::vector<ActivatedSocket>> take_activated_sockets() noexcept;

}  // namespace evcoro
