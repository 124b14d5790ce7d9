#include <evcoro/detail/dns_channel_libevent.hpp>

#include <ares.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <mutex>
#include <new>
#include <system_error>

namespace evcoro::detail {
namespace {

[[noreturn]] void refuse(int status) {
  const int error = status == ARES_ENOMEM ? ENOMEM : EINVAL;
  throw std::system_error(system_error(error), std::string{"Resolver: "} + ::ares_strerror(status));
}

void require(int status) {
  if (status != ARES_SUCCESS) refuse(status);
}

// A query keeps no application's base alive: who waits for it does.
void make_internal(struct event& event) noexcept {
  event.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;
}

}  // namespace

// c-ares's sockets: no command that is started meanwhile inherits them, and replies are looked at.
struct DnsChannel::Sockets {
  static int open(int family, int type, int protocol, void*) noexcept {
    return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  }
  static int close(int descriptor, void*) noexcept { return ::close(descriptor); }
  static int connect(int descriptor, const sockaddr* address, socklen_t size, void*) noexcept {
    return ::connect(descriptor, address, size);
  }
  static ares_ssize_t send(int descriptor, const iovec* parts, int count, void*) noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(descriptor, &message, MSG_NOSIGNAL);
  }
  static ares_ssize_t receive(int descriptor, void* buffer, std::size_t size, int flags,
                              sockaddr* from, socklen_t* from_size, void* self) noexcept {
    constexpr ares_ssize_t header_size = 12;
    const ares_ssize_t count = ::recvfrom(descriptor, buffer, size, flags, from, from_size);
    if (count >= header_size) {
      static_cast<DnsChannel*>(self)->reply_code_ = static_cast<unsigned char*>(buffer)[3] & 15;
    }
    return count;
  }

  static constexpr ares_socket_functions functions{open, close, connect, receive, send};
};

DnsChannel::DnsChannel(LoopCore& core, const ResolverOptions& options) : core_(core) {
  static std::once_flag initialised;
  std::call_once(initialised, [] { require(::ares_library_init(ARES_LIB_INIT_ALL)); });
  core.assign(timer_, -1, 0, on_timer, this);
  make_internal(timer_);

  ares_options given{};
  int mask = ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
  char dns_alone[] = "b";
  std::string resolv_conf = options.resolv_conf;
  given.lookups = dns_alone;
  given.sock_state_cb = on_socket_state;
  given.sock_state_cb_data = this;
  given.resolvconf_path = resolv_conf.data();
  if (options.server_timeout.count() > 0) {
    constexpr std::chrono::milliseconds most{std::numeric_limits<int>::max()};
    given.timeout = static_cast<int>(std::min(options.server_timeout, most).count());
    mask |= ARES_OPT_TIMEOUTMS;
  }
  if (options.tries > 0) {
    given.tries = options.tries;
    mask |= ARES_OPT_TRIES;
  }
  require(::ares_init_options(&channel_, &given, mask));
  ::ares_set_socket_functions(channel_, &Sockets::functions, this);
  if (options.servers.empty()) return;
  if (const int status = ::ares_set_servers_ports_csv(channel_, options.servers.c_str());
      status != ARES_SUCCESS) {
    ::ares_destroy(channel_);
    refuse(status);
  }
}

DnsChannel::~DnsChannel() {
  ::ares_destroy(channel_);
  event_del(&timer_);
}

void DnsChannel::ask(const char* name, int family, OnAnswer on_answer, void* argument) noexcept {
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  reply_code_ = 0;
  ::ares_getaddrinfo(channel_, name, nullptr, &hints, on_answer, argument);
  set_timer();
}

void DnsChannel::on_socket_state(void* self, int descriptor, int readable, int writable) noexcept {
  auto& channel = *static_cast<DnsChannel*>(self);
  channel.unwatch(descriptor);
  const auto what =
      static_cast<short>((readable != 0 ? EV_READ : 0) | (writable != 0 ? EV_WRITE : 0));
  if (what == 0 || descriptor >= channel.core_.descriptor_limit()) return;
  try {
    channel.watch(descriptor, what);
  } catch (const std::bad_alloc&) {  // the question times out
  }
}

void DnsChannel::watch(int descriptor, short what) {
  watches_.push_back(std::make_unique<Watch>(*this, descriptor));
  Watch& added = *watches_.back();
  core_.assign(added.event, descriptor, static_cast<short>(what | EV_PERSIST), on_event, &added);
  make_internal(added.event);
  event_add(&added.event, nullptr);
}

void DnsChannel::unwatch(int descriptor) noexcept {
  std::erase_if(watches_, [&](const std::unique_ptr<Watch>& each) {
    if (each->descriptor != descriptor) return false;
    event_del(&each->event);
    return true;
  });
}

void DnsChannel::on_event(evutil_socket_t, short what, void* watch) noexcept {
  auto& self = *static_cast<Watch*>(watch);
  if (self.channel.core_.is_foreign()) {
    event_del(&self.event);
    return;
  }
  const int descriptor = self.descriptor;
  self.channel.process((what & EV_READ) != 0 ? descriptor : ARES_SOCKET_BAD,
                       (what & EV_WRITE) != 0 ? descriptor : ARES_SOCKET_BAD);
}

void DnsChannel::on_timer(evutil_socket_t, short, void* self) noexcept {
  auto& channel = *static_cast<DnsChannel*>(self);
  if (!channel.core_.is_foreign()) channel.process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void DnsChannel::process(int readable, int writable) noexcept {
  reply_code_ = 0;
  ::ares_process_fd(channel_, readable, writable);
  set_timer();
}

// libevent's clock may stand up to a pass behind c-ares's: a timer that comes early is set again.
void DnsChannel::set_timer() noexcept {
  timeval time{};
  if (timeval* const next = ::ares_timeout(channel_, nullptr, &time)) {
    event_add(&timer_, next);
  } else {
    event_del(&timer_);
  }
}

}  // namespace evcoro::detail
