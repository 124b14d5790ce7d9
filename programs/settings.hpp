// Settings: what the command line says.
//
//   programs::Settings settings;
//   if (const auto status = programs::read_settings(argc, argv, settings)) return *status;
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace programs {

struct Settings {
  using Port = std::optional<std::uint16_t>;  // none: the service is off; 0: the system chooses

  Port echo_port = 9999;
  Port http_port = 8080;
  Port https_port = 8443;
  std::string address = "0.0.0.0";
  std::string certificate;  // "": one is made
  std::string key;          // "": in the certificate's file
  std::string root;         // "": no files
  std::string access_log;   // "": none, "-": standard output

  std::size_t loops = 1;
  std::size_t stacks = 100;       // connections at once of the echo server
  std::size_t http_stacks = 100;  // of HTTP, and as many of HTTPS
  std::size_t pages = 4;
  double timeout = 3;  // seconds
  double drain = 10;
  bool reject = false;

  bool has_web() const noexcept { return http_port || https_port; }
  // has_files_to_reopen() says whether SIGHUP is for us.
  bool has_files_to_reopen() const noexcept {
    return !certificate.empty() || (!access_log.empty() && access_log != "-");
  }
  std::chrono::nanoseconds timeout_duration() const { return to_duration(timeout); }
  std::chrono::nanoseconds drain_duration() const { return to_duration(drain); }
  std::size_t stack_size() const;

  // stacks_per_loop() is how many each loop has: a share of each service's, so that none takes
  // another's.
  std::size_t stacks_per_loop() const noexcept;
  std::size_t connections() const noexcept;  // of all services

 private:
  static std::chrono::nanoseconds to_duration(double seconds);
};

// read_settings() returns the exit status if the program is to end: --help, or a mistake, which it
// has told. Throws std::invalid_argument if options don't go together.
std::optional<int> read_settings(int argc, const char* const* argv, Settings& settings);

}  // namespace programs
