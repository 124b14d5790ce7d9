#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <new>
#include <vector>

#include <evcoro/detail/child_libevent.hpp>

namespace evcoro::detail {
namespace {

// SpawnActions is what the new process does before it becomes the program.
class SpawnActions {
 public:
  SpawnActions() { check(::posix_spawn_file_actions_init(&actions_)); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  void duplicate(int from, int to) {
    check(::posix_spawn_file_actions_adddup2(&actions_, from, to));
  }
  void close_from(int first) {
    check(::posix_spawn_file_actions_addclosefrom_np(&actions_, first));
  }
  void change_directory(const char* to) {
    check(::posix_spawn_file_actions_addchdir_np(&actions_, to));
  }
  const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  static void check(int error) {
    if (error != 0) throw std::bad_alloc();  // they do nothing but allocate
  }
  posix_spawn_file_actions_t actions_;
};

class SpawnAttributes {
 public:
  explicit SpawnAttributes(bool own_group) noexcept {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);  // a server ignores it; a command shall not
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    const int group = own_group ? POSIX_SPAWN_SETPGROUP : 0;
    ::posix_spawnattr_setflags(
        &attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group));
  }
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const noexcept { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

// What exec takes: it doesn't write there.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& each : texts) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<pid_t> start_process(const Command& command, const int (&streams)[3]) {
  SpawnActions actions;
  for (int number = 0; number < 3; ++number) {
    if (streams[number] >= 0) actions.duplicate(streams[number], number);
  }
  if (command.errors.kind() == Redirect::Kind::output)
    actions.duplicate(STDOUT_FILENO, STDERR_FILENO);
  actions.close_from(3);
  if (!command.directory.empty()) actions.change_directory(command.directory.c_str());
  const SpawnAttributes attributes{command.own_group};
  const auto arguments = pointers_to(command.arguments);
  std::vector<char*> variables;
  if (command.environment) variables = pointers_to(*command.environment);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, arguments[0], actions.get(), attributes.get(), arguments.data(),
                     command.environment ? variables.data() : environ);
  if (error != 0) return system_error(error);
  return pid;
}

}  // namespace evcoro::detail
