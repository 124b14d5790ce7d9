#include <programs/server.hpp>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/tls/socket.hpp>
#include <programs/echo_service.hpp>
#include <programs/site.hpp>

namespace programs {
namespace {

using evcoro::stacks::StackPool;
using namespace std::chrono_literals;

StackPool::Options stacks_of_a_loop(const Settings& settings) {
  return {.capacity = settings.stacks_per_loop(),
          .stack_size = settings.stack_size(),
          .size_setting = "--pages"};
}

bool is_terminal() noexcept { return ::isatty(STDOUT_FILENO) != 0; }

// --- TLS ---

bool is_host_name(std::string_view text) noexcept {
  constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos &&
         text.front() != '-' && text.front() != '.';
}

// Whom clients may take this machine for.
std::vector<std::string> own_names(const Settings& settings) {
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0 && is_host_name(name.data())) {
    names.emplace_back(name.data());
  }
  const bool is_known = settings.address == "127.0.0.1" || settings.address == "::1";
  const bool is_any = settings.address == "0.0.0.0" || settings.address == "::";
  const std::size_t zone = settings.address.find('%');  // is this machine's own affair
  if (!is_known && !is_any) names.push_back(settings.address.substr(0, zone));
  return names;
}

evcoro::TlsContext make_tls(const Settings& settings) {
  constexpr int days = 365;
  evcoro::TlsServerOptions options;
  options.protocols = {"http/1.1"};
  if (settings.certificate.empty()) {
    options.certificates = {evcoro::make_self_signed(own_names(settings), days)};
    return evcoro::TlsContext{std::move(options)};
  }
  const std::string& key = settings.key.empty() ? settings.certificate : settings.key;
  options.certificates = {{settings.certificate, key}};
  try {
    return evcoro::TlsContext{std::move(options)};
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string{"--certificate, --key: "} + error.what());
  }
}

// --- the access log ---

void write_to_standard_output(std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, lines.data(), lines.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;  // nobody reads it any more
    lines.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

Server::Server(const Settings& settings)
    : settings_(settings),
      loop_(stacks_of_a_loop(settings)),
      group_({.loops = settings.loops, .stacks = stacks_of_a_loop(settings), .own = &loop_}) {
  if (settings.echo_port) add_echo();
  if (settings.has_web()) add_web();
  for (const auto& each : services_) status_.watch(*each);
  watches_.push_back(metrics_.watch(group_));
  cancelled_.resize(services_.size());
}

// --- services ---

evcoro::Address Server::address_of(const Settings::Port& port) const {
  auto address = evcoro::Address::parse(settings_.address, *port);
  if (!address || address->port() != *port) {
    throw std::invalid_argument("--address: '" + settings_.address +
                                "' is no IP address; the ports are for --echo-port, --http-port "
                                "and --https-port");
  }
  return *address;
}

template <class S, class... Arguments>
S& Server::add(const char* option, const Settings::Port& port, Arguments&&... arguments) try {
  auto service = std::make_unique<S>(group_, std::forward<Arguments>(arguments)...);
  S& added = *service;
  services_.push_back(std::move(service));
  return added;
} catch (const std::system_error& error) {
  const bool is_about_port =
      error.code() == std::errc::address_in_use || error.code() == std::errc::permission_denied;
  if (!is_about_port || *port == 0) throw;
  throw std::runtime_error(std::string{error.what()} + "; choose another port by " + option +
                           ", or leave it out by " + option + " off");
}

void Server::add_echo() {
  const EchoService& echo = add<EchoService>("--echo-port", settings_.echo_port,
                                             address_of(settings_.echo_port), settings_);
  const auto add_gauge = [&](const char* name, const char* help, auto read) {
    metrics_.gauge(name, help, [&echo, read] { return static_cast<double>(read(echo)); });
  };
  add_gauge("echo_connections", "Connections that are open.",
            [](const Service& it) { return it.counters().active; });
  add_gauge("echo_connections_peak", "Most connections at once.",
            [](const Service& it) { return it.counters().peak; });
  add_gauge("echo_connections_waiting", "Connections that wait in the kernel's backlog.",
            [](const Service& it) { return it.counters().waiting; });
  add_gauge("echo_connections_accepted", "Connections that got a thread, since the start.",
            [](const Service& it) { return it.counters().accepted; });
  add_gauge("echo_connections_refused", "Connections that were turned away, since the start.",
            [](const Service& it) { return it.counters().refused; });
  add_gauge("echo_requests", "Pieces that were sent back, since the start.",
            [](const Service& it) { return it.traffic().total(); });
}

void Server::add_web() {
  WebService::Site site{.handler = make_site(settings_, status_, metrics_, health_),
                        .observers = {metrics_.observer()}};
  open_log(site);
  const auto add_one = [&](const char* option, const std::string& name, const Settings::Port& port,
                           evcoro::http::Secure secure) {
    const WebService& web =
        add<WebService>(option, port, name, address_of(port), settings_, site, std::move(secure));
    watches_.push_back(metrics_.watch(web.server(), name));
  };
  if (settings_.http_port) add_one("--http-port", "http", settings_.http_port, {});
  if (!settings_.https_port) return;
  tls_ = make_tls(settings_);
  add_one("--https-port", "https", settings_.https_port, evcoro::secure_by(tls_));
}

void Server::open_log(WebService::Site& site) {
  if (settings_.access_log.empty()) return;
  if (settings_.access_log == "-") {
    log_.emplace(write_to_standard_output);
  } else {
    try {
      log_file_.emplace(settings_.access_log);
    } catch (const std::system_error& error) {
      throw std::system_error(error.code(), "--access-log: '" + settings_.access_log + "'");
    }
    log_.emplace(*log_file_);
  }
  site.observers.push_back(log_->observer());
}

// --- while it runs ---

// Samples once a second, and shows the counters on a terminal.
void Server::keep_time() {
  const bool shows_status = is_terminal() && settings_.access_log != "-";
  do {
    status_.sample();
    if (shows_status) print_status();
  } while (!evcoro::this_thread::sleep_for(1s));
}

void Server::print_status() const {
  std::printf("\r%s\033[K", status_.line().c_str());
  std::fflush(stdout);
}

void Server::reopen() noexcept {
  if (log_file_) log_file_->reopen();
  if (settings_.certificate.empty()) return;
  try {
    tls_.reload();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "evcoro_server: the certificate stays as it was: %s\n", error.what());
  }
}

void Server::run() {
  loop_.spawn({.name = "clock", .stacks = &service_}, [this] { keep_time(); }).value().detach();
  loop_.run();
  loop_.run_once(evcoro::no_wait);  // other loops may have told of the ends of connections just now
  if (log_) log_->flush();
  for (std::size_t i = 0; i < services_.size(); ++i) {
    const Service::Counters counters = services_[i]->counters();
    std::printf(
        "%s%s ended: active %zu of %zu, accepted %llu, refused %llu, waiting %zu, "
        "cancelled %zu\n",
        i == 0 && is_terminal() ? "\r\033[K" : "", services_[i]->name().c_str(), counters.active,
        services_[i]->capacity(), static_cast<unsigned long long>(counters.accepted),
        static_cast<unsigned long long>(counters.refused), counters.waiting, cancelled_[i]);
  }
  std::fflush(stdout);
}

// --- the end ---

void Server::end() {
  if (ending_.joinable()) return ending_.request_stop();
  std::printf("\ndraining: open connections have %g s (again to cancel them now)\n",
              settings_.drain);
  std::fflush(stdout);
  health_.start_draining();
  status_.set_draining();
  ending_ = loop_.spawn({.name = "end", .stacks = &service_}, [this] { drain_all(); }).value();
}

// All at once, for they have the same time. Cancelled, it doesn't wait.
void Server::drain_all() {
  const evcoro::TimePoint deadline = evcoro::Timeout{settings_.drain_duration()}.deadline();
  std::vector<evcoro::Thread<>> drains;
  for (const auto& each : services_) {
    const auto drain = [&service = *each] { static_cast<void>(service.drain()); };
    drains.push_back(loop_.spawn({.name = "drain", .stacks = &service_}, drain).value());
  }
  for (auto& each : drains) static_cast<void>(each.join(deadline));
  for (std::size_t i = 0; i < services_.size(); ++i) {
    cancelled_[i] = services_[i]->counters().active;
  }
  group_.shutdown(1s);
}

}  // namespace programs
