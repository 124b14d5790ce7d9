// Descriptors that are sent and received over UNIX sockets; see SCM_RIGHTS in unix(7).
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <evcoro/detail/socket_libevent.hpp>

namespace evcoro {
namespace {

using detail::system_error;

constexpr std::size_t most_descriptors = 253;  // SCM_MAX_FD

// Room for all that the kernel may have to say, credentials beside: so none is lost in the dark.
struct Control {
  alignas(
      cmsghdr) char bytes[CMSG_SPACE(most_descriptors * sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
};

bool is_unix_socket(int descriptor) noexcept {
  int family = 0;
  socklen_t size = sizeof family;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX;
}

void put(std::span<const int> descriptors, Control& control, msghdr& message) noexcept {
  message.msg_control = &control;
  message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
}

// Calls take(descriptor) for each that message has brought.
template <class Take>
void for_each_descriptor(msghdr& message, Take take) noexcept {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(each) + i * sizeof descriptor, sizeof descriptor);
      take(descriptor);
    }
  }
}

// Hands the descriptors of message over, or closes them all. Returns how many; -1: they were too
// many for descriptors, or for the process.
int hand_over(msghdr& message, std::span<int> descriptors) noexcept {
  std::size_t count = 0;
  for_each_descriptor(message, [&](int descriptor) {
    if (count < descriptors.size()) descriptors[count] = descriptor;
    ++count;
  });
  if (count <= descriptors.size() && (message.msg_flags & MSG_CTRUNC) == 0) {
    return static_cast<int>(count);
  }
  for_each_descriptor(message, [](int descriptor) { ::close(descriptor); });
  return -1;
}

}  // namespace

IoResult Socket::send_descriptors(std::span<const std::byte> data, std::span<const int> descriptors,
                                  Timeout timeout) noexcept {
  if (state_ == nullptr) return {0, system_error(EBADF)};
  if (data.empty() || descriptors.size() > most_descriptors) return {0, system_error(EINVAL)};
  if (!is_unix_socket(native_handle())) return {0, system_error(EOPNOTSUPP)};
  Control control{};
  const auto attempt = [&, state = state_](std::size_t sent, std::size_t most) {
    const auto rest = data.subspan(sent, most);
    iovec vector{const_cast<std::byte*>(rest.data()), rest.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (sent == 0 && !descriptors.empty()) put(descriptors, control, message);
    return ::sendmsg(state->number(), &message, MSG_NOSIGNAL);
  };
  return state_->send_by(data.size(), attempt, timeout);
}

Socket::WithDescriptors Socket::recv_descriptors(std::span<std::byte> buffer,
                                                 std::span<int> descriptors,
                                                 Timeout timeout) noexcept {
  if (state_ == nullptr) return {0, 0, system_error(EBADF)};
  if (buffer.empty()) return {0, 0, system_error(EINVAL)};
  Control control;
  msghdr message{};
  const auto attempt = [&](int descriptor, std::size_t most) {
    iovec vector{buffer.data(), most};
    message = {};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    return ::recvmsg(descriptor, &message, MSG_CMSG_CLOEXEC);
  };
  const IoResult in = state_->receive_by(buffer.size(), attempt, timeout);
  if (in.error) return {0, 0, in.error};
  const int count = hand_over(message, descriptors);
  if (count < 0) return {in.count, 0, Errc::descriptors_lost};
  return {in.count, static_cast<std::size_t>(count), {}};
}

}  // namespace evcoro
