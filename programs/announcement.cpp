#include <programs/announcement.hpp>

#include <cstdio>
#include <string>

#include <evcoro/net/address.hpp>

namespace programs {
namespace {

// The host for this machine's own clients, with its brackets if it has some.
std::string host_to_try(const evcoro::Address& address) {
  const int family = address.family();
  const auto any = evcoro::Address::any(family, address.port());
  std::string host =
      (address == any ? evcoro::Address::loopback(family, address.port()) : address).to_string();
  host.resize(host.rfind(':'));
  return host;
}

std::string without_brackets(const std::string& host) {
  return host.front() == '[' ? host.substr(1, host.size() - 2) : host;
}

std::string plural(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void say_where(const Settings& settings, const Service& service) {
  std::string more;
  if (service.name() == "https") {
    more = settings.certificate.empty() ? "; a certificate made for this run" : "";
  } else if (service.name() == "echo") {
    char timeout[32];
    std::snprintf(timeout, sizeof timeout, "; timeout %g s", settings.timeout);
    more = timeout;
  }
  std::printf("%-5s listening on %s; at most %s at once%s\n", service.name().c_str(),
              service.local_address().to_string().c_str(),
              plural(service.capacity(), "connection").c_str(), more.c_str());
}

// A browser, and curl, take an address of any length.
void say_what_to_type(const Settings& settings, const Service& service, const char* lead) {
  const evcoro::Address address = service.local_address();
  const std::string host = host_to_try(address);
  if (service.name() == "echo") {
    std::printf("%snc %s %u\n", lead, without_brackets(host).c_str(), address.port());
    return;
  }
  const bool is_secure = service.name() == "https";
  const std::string url =
      (is_secure ? "https://" : "http://") + host + ":" + std::to_string(address.port());
  const bool is_self_signed = is_secure && settings.certificate.empty();
  std::printf("%scurl %s%s/status.json   or %s/%s in a browser\n", lead,
              is_self_signed ? "-k " : "", url.c_str(), url.c_str(),
              settings.root.empty() ? "" : "status");
}

}  // namespace

void announce(const Settings& settings, const Services& services) {
  for (const auto& each : services) say_where(settings, *each);
  std::printf("%s, %s of stack for each connection\n", plural(settings.loops, "loop").c_str(),
              plural(settings.pages, "page").c_str());
  if (!settings.root.empty()) {
    std::printf("the files of %s are at /, the status page is at /status\n", settings.root.c_str());
  }
  const char* lead = "try it:  ";
  for (const auto& each : services) {
    say_what_to_type(settings, *each, lead);
    lead = "         ";
  }
  std::puts("Ctrl-C drains and ends");
  std::fflush(stdout);
}

}  // namespace programs
