#include <string>

#include <evcoro/net/resolver.hpp>

namespace evcoro {
namespace {

class ResolveCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "evcoro.resolve"; }

  std::string message(int error) const override {
    switch (static_cast<ResolveErrc>(error)) {
      case ResolveErrc::not_found:
        return "there is no host of this name";
      case ResolveErrc::no_data:
        return "the host has no address of this family";
      case ResolveErrc::server_failure:
        return "the name servers failed to find out; try again later";
      case ResolveErrc::refused:
        return "the name servers refuse to answer; see whether they serve this machine";
      case ResolveErrc::timed_out:
        return "no name server has answered in time";
      case ResolveErrc::malformed:
        return "the answer of the name server makes no sense";
      case ResolveErrc::not_implemented:
        return "the name server doesn't know this kind of question";
      case ResolveErrc::no_server:
        return "no name server can be reached; see /etc/resolv.conf";
      case ResolveErrc::bad_name:
        return "this can't be the name of a host: it is empty, too long, or has characters that "
               "names don't have";
      case ResolveErrc::bad_service:
        return "no port number, and no TCP service that /etc/services knows";
    }
    return "unknown error";
  }

  std::error_condition default_error_condition(int error) const noexcept override {
    switch (static_cast<ResolveErrc>(error)) {
      case ResolveErrc::not_found:
        return std::errc::no_such_device_or_address;
      case ResolveErrc::no_data:
        return std::errc::no_message_available;
      case ResolveErrc::server_failure:
        return std::errc::resource_unavailable_try_again;
      case ResolveErrc::refused:
        return std::errc::permission_denied;
      case ResolveErrc::timed_out:
        return std::errc::timed_out;
      case ResolveErrc::malformed:
        return std::errc::bad_message;
      case ResolveErrc::not_implemented:
        return std::errc::not_supported;
      case ResolveErrc::no_server:
        return std::errc::host_unreachable;
      case ResolveErrc::bad_service:
        return std::errc::protocol_not_supported;
      case ResolveErrc::bad_name:
        break;
    }
    return std::errc::invalid_argument;
  }
};

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const ResolveCategory category;
  return category;
}

}  // namespace evcoro
