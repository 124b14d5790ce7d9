// Programs of others, for tests: run, or kept running, and files for them.
//
//   support::Folder folder;
//   const std::string output = support::run_command({"curl", "-sS", url});
//   const std::string port = support::free_port();
//   const support::RunningCommand node{{"node", folder.add("server.js", text), port}};
//   support::wait_for_port(port);
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <evcoro/child.hpp>
#include <support/catch.hpp>
#include <support/network.hpp>
#include <support/process.hpp>

namespace support {

// Folder is a temporary one, with all that is in it.
class Folder {
 public:
  Folder() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  // add() makes a file, and returns its path.
  std::string add(const std::string& name, std::string_view text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream{path, std::ios::binary} << text;
    return path;
  }
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_ = std::filesystem::temp_directory_path() / "evcoro-test.XXXXXX";
};

// run_command() is what a command has written, errors too, when it has ended. To be called in a
// thread. status, if not nullptr, gets its end.
inline std::string run_command(std::vector<std::string> arguments, std::string_view input = {},
                               evcoro::ExitStatus* status = nullptr) {
  skip_without_pidfd();
  const evcoro::CommandResult result =
      evcoro::run({.arguments = std::move(arguments), .errors = evcoro::Redirect::output()},
                  {.input = input, .output_limit = 64 << 20}, 5 * long_time);
  INFO(result.output);
  REQUIRE(!result.error);
  if (status != nullptr) *status = result.status;
  return result.output;
}

// RunningCommand runs for as long as a test, such as nginx: it is killed in the end. In a thread.
class RunningCommand {
 public:
  explicit RunningCommand(std::vector<std::string> arguments)
      : child_(evcoro::Child::start({.arguments = std::move(arguments),
                                     .out = evcoro::Redirect::null(),
                                     .errors = evcoro::Redirect::null(),
                                     .kill_on_destruction = true})
                   .value()) {}
  ~RunningCommand() {
    child_.kill();
    static_cast<void>(child_.wait(long_time));
  }
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;

 private:
  evcoro::Child child_;
};

// free_port() is a port of 127.0.0.1 that nobody has now.
inline std::string free_port() {
  const Listener listener;
  return std::to_string(listener.address().port());
}

inline evcoro::Address address_of(const std::string& port) {
  return evcoro::Address::loopback(AF_INET, static_cast<std::uint16_t>(std::stoi(port)));
}

// wait_for_port() waits until somebody listens there. In a thread.
inline void wait_for_port(const std::string& port) {
  REQUIRE(eventually(
      [&] { return evcoro::connect(address_of(port), std::chrono::seconds{1}).has_value(); }));
}

}  // namespace support
