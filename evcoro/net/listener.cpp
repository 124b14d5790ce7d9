#include <evcoro/detail/listener.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include <evcoro/detail/socket_libevent.hpp>

namespace evcoro::detail {
namespace {

[[noreturn]] void fail(const std::string& what, int error = errno) {
  throw std::system_error(system_error(error), what);
}

void set(int descriptor, int level, int name, int value) {
  if (::setsockopt(descriptor, level, name, &value, sizeof value) != 0) fail("setsockopt");
}

// On Linux a connection inherits TCP_NODELAY and the buffer sizes from its listener.
void set_connection_options(int listener, const AcceptorOptions& options) {
  if (is_tcp_socket(listener)) set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.receive_buffer >= 0) set(listener, SOL_SOCKET, SO_RCVBUF, options.receive_buffer);
  if (options.send_buffer >= 0) set(listener, SOL_SOCKET, SO_SNDBUF, options.send_buffer);
}

bool is_socket_file(const std::string& path, struct stat& found) noexcept {
  return ::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
}

// Whether there is the file of a socket at path that refuses connections. (One that is full makes
// a client that doesn't wait see EAGAIN.)
bool is_stale(const Address& address, const std::string& path) noexcept {
  struct stat found {};
  if (!is_socket_file(path, found)) return false;
  const OwnedDescriptor probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  return probe && ::connect(probe.get(), address.data(), address.size()) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

int Listener::try_to_bind(const Address& address, int backlog) noexcept {
  const bool listens =
      ::bind(number(), address.data(), address.size()) == 0 && ::listen(number(), backlog) == 0;
  return listens ? 0 : errno;
}

void Listener::note_file(std::string_view path) {
  struct stat found {};
  path_ = std::filesystem::absolute(path).string();  // the working directory may change
  if (!is_socket_file(path_, found)) path_.clear();
  device_ = found.st_dev;
  inode_ = found.st_ino;
}

// Who removes a stale file might remove that of a socket which somebody has just put in its place,
// or is about to listen on: the directory is locked (flock(2)) meanwhile. Where it can't be,
// nothing is removed.
void Listener::bind_to_path(const Address& address, int backlog) {
  const std::filesystem::path path{address.path()};
  const std::string directory = path.has_parent_path() ? path.parent_path().string() : ".";
  const OwnedDescriptor lock{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  const bool locked = lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
  int error = try_to_bind(address, backlog);
  if (error == EADDRINUSE && locked && is_stale(address, path.string()) &&
      ::unlink(path.c_str()) == 0) {
    error = try_to_bind(address, backlog);
  }
  if (error != 0) fail("listen on " + address.to_string(), error);
  note_file(address.path());
}

void Listener::bind(const Address& address, int backlog) {
  if (!address.path().empty()) return bind_to_path(address, backlog);
  if (const int error = try_to_bind(address, backlog)) {
    fail("listen on " + address.to_string(), error);
  }
}

Listener Listener::open(const Address& address, const AcceptorOptions& options) {
  Listener listener{::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (listener.number() < 0) fail("listen on " + address.to_string());
  set(listener.number(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) set(listener.number(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.family() == AF_INET6 && options.v6_only != V6Only::system) {
    set(listener.number(), IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only == V6Only::on ? 1 : 0);
  }
  set_connection_options(listener.number(), options);
  listener.bind(address, options.backlog);
  return listener;
}

Listener Listener::adopt(int descriptor, const AcceptorOptions& options) {
  Listener listener{descriptor};
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) {
    fail("TcpAcceptor: the descriptor is no socket");
  }
  if (listening == 0) {
    fail("TcpAcceptor: the descriptor doesn't listen; call listen(2) first", EINVAL);
  }
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) fail("TcpAcceptor: fcntl");
  set_connection_options(descriptor, options);
  return listener;
}

void Listener::close() noexcept {
  struct stat found {};
  if (!path_.empty() && is_socket_file(path_, found) && found.st_dev == device_ &&
      found.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  path_.clear();
  descriptor_ = OwnedDescriptor{};
}

}  // namespace evcoro::detail
