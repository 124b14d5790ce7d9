#include <evcoro/libevent/evdns.hpp>

#include <event2/dns.h>
#include <event2/util.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/waiter.hpp>

namespace evcoro {
namespace {

class GaiCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "getaddrinfo"; }
  std::string message(int error) const override { return evutil_gai_strerror(error); }

  std::error_condition default_error_condition(int error) const noexcept override {
    switch (error) {
      case EVUTIL_EAI_AGAIN:
        return std::errc::resource_unavailable_try_again;
      case EVUTIL_EAI_MEMORY:
        return std::errc::not_enough_memory;
      case EVUTIL_EAI_FAMILY:
        return std::errc::address_family_not_supported;
      case EVUTIL_EAI_NONAME:
      case EVUTIL_EAI_NODATA:
        return std::errc::no_such_device_or_address;
      default:
        return std::errc::io_error;
    }
  }
};

// Lookup is shared by the thread that waits and by evdns, which calls back also, and later, when it
// is told to cancel.
class Lookup {
 public:
  static void on_answer(int error, evutil_addrinfo* result, void* self) noexcept {
    auto& lookup = *static_cast<Lookup*>(self);
    lookup.is_answered_ = true;
    lookup.error_ = error;
    lookup.result_ = result;
    lookup.waiter_.wake();
    lookup.drop();
  }

  void start(evdns_base* dns, const char* name, const char* service,
             const addrinfo* hints) noexcept {
    ++references_;
    request_ = evdns_getaddrinfo(dns, name, service, hints, on_answer, this);
  }

  std::error_code wait(detail::Patience& patience) noexcept {
    while (!is_answered_) {
      if (const auto error = waiter_.wait(patience, "evdns")) return error;
    }
    return error_ == 0 ? std::error_code{} : std::error_code{error_, gai_category()};
  }

  evutil_addrinfo* take_result() noexcept { return std::exchange(result_, nullptr); }

  // leave() is the thread's last word. evdns answers to a cancellation in the loop's next pass, and
  // reads its base once more.
  void leave() noexcept {
    if (!is_answered_) {
      evdns_getaddrinfo_cancel(request_);
      detail::Patience patience{never};
      while (!is_answered_ && !waiter_.wait(patience, "evdns cancel")) {
      }
    }
    drop();
  }

 private:
  ~Lookup() {
    if (result_ != nullptr) evutil_freeaddrinfo(result_);
  }
  void drop() noexcept {
    if (--references_ == 0) delete this;
  }

  int references_ = 1;
  bool is_answered_ = false;
  int error_ = 0;
  evutil_addrinfo* result_ = nullptr;
  evdns_getaddrinfo_request* request_ = nullptr;
  detail::Waiter waiter_;
};

}  // namespace

const std::error_category& gai_category() noexcept {
  static const GaiCategory category;
  return category;
}

std::error_code detail::evdns_lookup(evdns_base* dns, const char* name, const char* service,
                                     const addrinfo* hints, addrinfo*& result,
                                     Timeout timeout) noexcept {
  const ThreadTask* const thread = current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (const auto error = admit(&thread->core())) return error;
  if (dns == nullptr) return system_error(EINVAL);
  auto* const lookup = new (std::nothrow) Lookup;
  if (lookup == nullptr) return system_error(ENOMEM);
  Patience patience{timeout};
  lookup->start(dns, name, service, hints);
  const std::error_code error = lookup->wait(patience);
  if (!error) result = lookup->take_result();
  lookup->leave();
  return error;
}

Result<std::vector<Address>> evdns_resolve(evdns_base* dns, const std::string& name,
                                           std::uint16_t port, Timeout timeout, int family) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_protocol = IPPROTO_TCP;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (const auto error =
          detail::evdns_lookup(dns, name.c_str(), service.c_str(), &hints, found, timeout)) {
    return error;
  }
  const std::unique_ptr<addrinfo, decltype(&evutil_freeaddrinfo)> owned{found, evutil_freeaddrinfo};
  std::vector<Address> addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    addresses.emplace_back(each->ai_addr, each->ai_addrlen);
  }
  return addresses;
}

}  // namespace evcoro
