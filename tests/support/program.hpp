// Program: one of our programs, or of others, running in a child process of the test.
//
//   support::Program server{EVCORO_SERVER, {"--echo-port", "0"}};
//   REQUIRE(server.read_until("listening on"));
//   server.signal(SIGTERM);
//   REQUIRE(server.wait().status == 0);
//
// It is killed when the test ends, whatever happens. Its reads block, with a limit that only a
// broken test reaches.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <support/process.hpp>

namespace support {

struct ProgramOptions {
  bool terminal = false;           // its standard output is a terminal
  bool is_ours = true;             // it runs under EVCORO_TEST_LAUNCHER, if that is set
  std::function<void()> set_up{};  // runs in the child before the program
};

// has_terminals() is false in containers without pseudo-terminals.
inline bool has_terminals() {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return false;
  ::close(terminal);
  return true;
}

class Program {
 public:
  using Options = ProgramOptions;
  using Arguments = std::vector<std::string>;

  Program(const char* file, const Arguments& arguments, const Options& options = {}) {
    int out[2];
    int diagnostics[2];
    const int made = options.terminal ? ::openpty(&out[0], &out[1], nullptr, nullptr, nullptr)
                                      : ::pipe2(out, O_CLOEXEC);
    if (made != 0 || ::pipe2(diagnostics, O_CLOEXEC) != 0) {
      throw std::system_error(errno, std::generic_category(), "Program");
    }
    for (const int each : out) ::fcntl(each, F_SETFD, FD_CLOEXEC);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(diagnostics[1], STDERR_FILENO);
      if (options.set_up) options.set_up();
      execute(file, arguments, options.is_ours);
    }
    ::close(out[1]);
    ::close(diagnostics[1]);
    out_ = out[0];
    errors_ = diagnostics[0];
  }

  ~Program() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::close(out_);
    ::close(errors_);
  }

  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const { ::kill(child_, number); }
  pid_t id() const { return child_; }

  // read_until() reads standard output until it contains text; false if it ends before, or nothing
  // comes for too long.
  bool read_until(std::string_view text) {
    while (output.find(text) == std::string::npos) {
      if (!read_some(out_, output)) return false;
    }
    return true;
  }

  // close_output() goes away as the reader of its standard output.
  void close_output() { ::close(std::exchange(out_, -1)); }

  // has_more() says whether more output comes within limit.
  bool has_more(std::chrono::milliseconds limit) { return is_readable(out_, limit); }

  // wait() reads all output to its end, and returns how the program ended.
  Ended wait() {
    while (read_some(out_, output)) continue;
    while (read_some(errors_, errors)) continue;
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    Ended ended;
    if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
    if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
    ended.output = output + errors;
    return ended;
  }

  std::string output;  // what has been read of its standard output
  std::string errors;  // and of its standard error, after wait()

 private:
  [[noreturn]] static void execute(const char* file, const Arguments& arguments, bool is_ours) {
    Arguments words = is_ours ? launcher() : Arguments{};
    words.emplace_back(file);
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& each : words) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    ::execvp(pointers[0], pointers.data());
    ::_exit(126);
  }

  // The command that programs run under, like the tests.
  static Arguments launcher() {
    Arguments words;
    const char* const command = std::getenv("EVCORO_TEST_LAUNCHER");
    std::istringstream list{command == nullptr ? "" : command};
    for (std::string word; list >> word;) words.push_back(word);
    return words;
  }

  static bool is_readable(int descriptor, std::chrono::milliseconds limit) {
    pollfd event{.fd = descriptor, .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, static_cast<int>(limit.count())) > 0;
  }

  static bool read_some(int descriptor, std::string& text) {
    if (descriptor < 0) return false;
    char buffer[4096];
    if (!is_readable(descriptor, std::chrono::seconds{60})) return false;
    const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
    if (count <= 0) return false;  // EIO is a terminal's end of file
    text.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  pid_t child_ = -1;
  int out_ = -1;
  int errors_ = -1;
};

}  // namespace support
