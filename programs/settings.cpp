#include <programs/settings.hpp>

#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <stacks/version.h>

namespace programs {
namespace {

// Twice as much as requests take, see the README.
constexpr std::size_t least_pages_for_web = 4;

std::size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::size_t>(CPU_COUNT(&set));
}

// share_of() is the part of a service's stacks that each loop has.
std::size_t share_of(std::size_t stacks, std::size_t loops) noexcept {
  return (stacks + loops - 1) / loops;
}

// --- values ---

// seconds_between() is CLI::Range for durations: that lets "nan" pass.
CLI::Validator seconds_between(double least, double most) {
  const auto is_number = [](std::string& text) {
    return std::isnan(std::strtod(text.c_str(), nullptr)) ? text + " is no number" : std::string{};
  };
  return CLI::Range(least, most) & CLI::Validator(is_number, "");
}

bool read_port(std::string_view text, Settings::Port& port) {
  if (text == "off") {
    port.reset();
    return true;
  }
  std::uint16_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || rest != end) return false;
  port = number;
  return true;
}

void add_port(CLI::App& app, const std::string& name, Settings::Port& port, const char* what) {
  const auto read = [name, &port](const std::string& text) {
    if (read_port(text, port)) return;
    throw CLI::ValidationError(name, "'" + text + "' is no port: 0 to 65535, or off");
  };
  app.add_option_function<std::string>(name, read, what)
      ->type_name("PORT")
      ->default_str(std::to_string(port.value()));
}

// --- options ---

void add_services(CLI::App& app, Settings& settings) {
  add_port(app, "--echo-port", settings.echo_port,
           "TCP port of the echo server; 0 lets the system choose, off leaves it out");
  add_port(app, "--http-port", settings.http_port, "TCP port for HTTP; 0 and off likewise");
  add_port(app, "--https-port", settings.https_port, "TCP port for HTTPS; 0 and off likewise");
  app.add_option("--address", settings.address, "IPv4 or IPv6 address to listen on")
      ->type_name("IP")
      ->capture_default_str();
  auto* const certificate =
      app.add_option(
             "--certificate", settings.certificate,
             "certificate for HTTPS, behind it those of its issuers (PEM); without it one is "
             "made that nobody vouches for")
          ->type_name("FILE");
  app.add_option("--key", settings.key, "its key (PEM), if that is not in the same file")
      ->type_name("FILE")
      ->needs(certificate);
  app.add_option("--root", settings.root,
                 "folder whose files are served at /; the status page is then at /status only")
      ->type_name("DIR");
  app.add_option("--access-log", settings.access_log,
                 "file to which a line is appended for each HTTP request; - is standard output")
      ->type_name("FILE");
}

void add_limits(CLI::App& app, Settings& settings) {
  app.add_option("--loops", settings.loops,
                 "number of loops, each on an OS thread; 0 makes one per core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--stacks", settings.stacks,
                 "number of the echo server's stacks: the most connections served at once")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--http-stacks", settings.http_stacks, "the same for HTTP, and again for HTTPS")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--pages", settings.pages, "usable pages of each stack")
      ->check(CLI::Range(2, 65'536))
      ->capture_default_str();
  app.add_option("--timeout", settings.timeout,
                 "seconds that a read or write of the echo server may take")
      ->check(seconds_between(0.001, 1e6))
      ->capture_default_str();
  app.add_option("--drain", settings.drain,
                 "seconds that open connections get after SIGINT or SIGTERM")
      ->check(seconds_between(0.0, 1e6))
      ->capture_default_str();
  app.add_flag("--reject", settings.reject,
               "turn clients away when all stacks of a service are in use; "
               "without it they wait in the backlog");
}

void declare_options(CLI::App& app, Settings& settings) {
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string{"evcoro_server: "} + error.what() + " (--help lists the options)\n";
  });
  app.set_version_flag("--version", "evcoro_server " EVCORO_VERSION_STRING);
  add_services(app, settings);
  add_limits(app, settings);
  app.footer(
      "The status page is at /status, and at / without --root; beside it /status.json, /metrics\n"
      "(for Prometheus) and /healthz. SIGINT and SIGTERM drain, a second one ends at once. SIGHUP\n"
      "opens the file of --access-log again, and reads --certificate and --key again.");
}

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument(why); }

void check_together(const Settings& settings) {
  if (!settings.echo_port && !settings.has_web()) refuse("nothing to serve: all ports are off");
  if (!settings.has_web() && !settings.root.empty()) refuse("--root: HTTP and HTTPS are off");
  if (!settings.has_web() && !settings.access_log.empty()) {
    refuse("--access-log: HTTP and HTTPS are off");
  }
  if (!settings.https_port && !settings.certificate.empty()) refuse("--certificate: HTTPS is off");
  if (settings.has_web() && settings.pages < least_pages_for_web) {
    refuse("--pages: HTTP takes at least " + std::to_string(least_pages_for_web) +
           "; or leave it out by --http-port off --https-port off");
  }
}

}  // namespace

std::chrono::nanoseconds Settings::to_duration(double seconds) {
  return std::chrono::nanoseconds{std::llround(seconds * 1e9)};
}

std::size_t Settings::stack_size() const {
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t Settings::stacks_per_loop() const noexcept {
  const std::size_t web = share_of(http_stacks, loops);
  return (echo_port ? share_of(stacks, loops) : 0) + (http_port ? web : 0) + (https_port ? web : 0);
}

std::size_t Settings::connections() const noexcept {
  return (echo_port ? stacks : 0) + (http_port ? http_stacks : 0) + (https_port ? http_stacks : 0);
}

std::optional<int> read_settings(int argc, const char* const* argv, Settings& settings) {
  CLI::App app{"An echo server and a web server, throttled: one coroutine thread per connection."};
  declare_options(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (settings.loops == 0) settings.loops = usable_cores();
  check_together(settings);
  return std::nullopt;
}

}  // namespace programs
