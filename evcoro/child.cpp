#include <evcoro/child.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {  // which glibc 2.36 leaves out
#include <sys/pidfd.h>
}

#include <cerrno>
#include <new>

#include <evcoro/detail/child_libevent.hpp>
#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace detail {
namespace {

ExitStatus to_status(const siginfo_t& info) noexcept {
  if (info.si_code == CLD_EXITED) return {.code = info.si_status};
  return {.signal = info.si_status, .core_dumped = info.si_code == CLD_DUMPED};
}

// Takes the status of a child that has ended. False if it hasn't, or with an error.
bool take_status(int descriptor, ExitStatus& status, std::error_code& error) noexcept {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(descriptor), &info, WEXITED | WNOHANG) != 0) {
    error = system_error();
    return false;
  }
  if (info.si_pid == 0) return false;
  status = to_status(info);
  return true;
}

// Ends and reaps a process that has just been started, and can't be waited for.
void undo_start(pid_t pid) noexcept {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool is_over(int descriptor) noexcept {
  ExitStatus status;
  std::error_code error;
  return take_status(descriptor, status, error) || error;
}

// Reaper takes the status of a child that nobody waits for.
class Reaper final : public LoopClient {
 public:
  // adopt() takes the pidfd over.
  static void adopt(LoopCore* core, OwnedDescriptor pidfd) noexcept {
    if (is_over(pidfd.get()) || core == nullptr || pidfd.get() >= core->descriptor_limit()) return;
    auto* const reaper = new (std::nothrow) Reaper(*core, std::move(pidfd));
    if (reaper != nullptr && event_add(&reaper->event_, nullptr) != 0) delete reaper;
  }

 private:
  Reaper(LoopCore& core, OwnedDescriptor pidfd) noexcept : core_(core), pidfd_(std::move(pidfd)) {
    core.add_client(*this);
    event_assign(&event_, core.base(), pidfd_.get(), EV_READ | EV_PERSIST, on_event, this);
    event_.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;  // it doesn't keep the base alive
  }

  static void on_event(evutil_socket_t, short, void* self) noexcept {
    auto* const reaper = static_cast<Reaper*>(self);
    if (reaper->core_.is_foreign() || is_over(reaper->pidfd_.get())) reaper->end();
  }
  void on_loop_gone() noexcept override {
    is_over(pidfd_.get());
    end();
  }
  void end() noexcept {
    event_del(&event_);
    delete this;
  }

  LoopCore& core_;
  OwnedDescriptor pidfd_;
  struct event event_;
};

}  // namespace

Result<ChildState*> ChildState::open(LoopCore& core, pid_t pid) noexcept {
  OwnedDescriptor pidfd{::pidfd_open(pid, 0)};
  if (!pidfd) return system_error(errno == ESRCH ? ECHILD : errno);
  auto* const state = new (std::nothrow) ChildState(core, pidfd.get());
  if (state == nullptr) return system_error(ENOMEM);
  static_cast<void>(pidfd.release());
  return state;
}

Result<ChildState*> ChildState::start(LoopCore& core, const std::function<Result<pid_t>()>& start) {
  // Keeps room for the child's pidfd, and says whether there is such a thing.
  OwnedDescriptor room{::pidfd_open(::getpid(), 0)};
  if (!room) return system_error();
  const Result<pid_t> pid = start();
  if (!pid) return pid.error();
  room = {};
  const auto state = open(core, *pid);
  if (!state) undo_start(*pid);
  if (state) (*state)->id = *pid;
  return state;
}

Result<ExitStatus> ChildState::wait(Timeout timeout) noexcept {
  if (status_) return *status_;
  if (is_foreign()) return Errc::parents_loop;
  if (const auto error = admit(Direction::read)) return error;
  const Hold hold{*this};
  Patience patience{timeout};
  while (number() >= 0) {
    ExitStatus status;
    std::error_code error;
    if (take_status(number(), status, error)) return *(status_ = status);
    if (error) return error;
    if (!patience.may_wait()) return to_error(corothread::Wake::timed_out);
    error = Descriptor::wait(Direction::read, patience.deadline(), "child");
    if (error) return error;
  }
  return to_error(corothread::Wake::cancelled);  // given up while this thread was away
}

std::error_code ChildState::why_no_kill() const noexcept {
  if (is_foreign()) return Errc::parents_loop;
  return status_ ? system_error(ESRCH) : std::error_code{};
}

std::error_code ChildState::kill(int signal) noexcept {
  if (const auto error = why_no_kill()) return error;
  return ::pidfd_send_signal(number(), signal, nullptr, 0) == 0 ? std::error_code{}
                                                                : system_error();
}

// The group's number is not used again before the status of its leader has been taken.
std::error_code ChildState::kill_group(int signal) noexcept {
  if (!own_group) return system_error(EINVAL);
  if (const auto error = why_no_kill()) return error;
  return ::kill(-id, signal) == 0 ? std::error_code{} : system_error();
}

void ChildState::close() noexcept {
  const OwnedDescriptor pidfd{give_up()};
  drop();
}

void ChildState::abandon() noexcept {
  LoopCore* const loop = core();
  OwnedDescriptor pidfd{give_up()};
  if (!status_ && !is_foreign()) Reaper::adopt(loop, std::move(pidfd));
  drop();
}

}  // namespace detail

Result<ExitStatus> wait_child(pid_t pid, Timeout timeout) noexcept {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  if (loop->core().is_foreign()) return Errc::parents_loop;
  const auto state = detail::ChildState::open(loop->core(), pid);
  if (!state) return state.error();
  const auto status = (*state)->wait(timeout);
  (*state)->close();
  return status;
}

// --- starting ---

namespace {

using detail::OwnedDescriptor;

// StandardStream is one of a command.
struct StandardStream {
  OwnedDescriptor ours;    // of a socket
  OwnedDescriptor theirs;  // none: inherited
};

std::error_code open_pair(StandardStream& stream) noexcept {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return detail::system_error();
  stream.ours = OwnedDescriptor{ends[0]};
  stream.theirs = OwnedDescriptor{ends[1]};
  return {};
}

std::error_code open_stream(Redirect redirect, StandardStream& stream) noexcept {
  switch (redirect.kind()) {
    case Redirect::Kind::inherit:
    case Redirect::Kind::output:
      return {};
    case Redirect::Kind::null:
      stream.theirs = OwnedDescriptor{::open("/dev/null", O_RDWR | O_CLOEXEC)};
      break;
    case Redirect::Kind::socket:
      if (const auto error = open_pair(stream)) return error;
      break;
    case Redirect::Kind::descriptor:
      stream.theirs = OwnedDescriptor{::fcntl(redirect.descriptor(), F_DUPFD_CLOEXEC, 3)};
      break;
  }
  // Away from where the command's own will be.
  if (stream.theirs && stream.theirs.get() < 3) {
    stream.theirs = OwnedDescriptor{::fcntl(stream.theirs.get(), F_DUPFD_CLOEXEC, 3)};
  }
  return stream.theirs ? std::error_code{} : detail::system_error();
}

std::error_code open_streams(const Command& command, StandardStream (&streams)[3]) noexcept {
  const Redirect redirects[] = {command.in, command.out, command.errors};
  for (int number = 0; number < 3; ++number) {
    const bool is_errors = number == STDERR_FILENO;
    if (redirects[number].kind() == Redirect::Kind::output && !is_errors) {
      return detail::system_error(EINVAL);
    }
    if (const auto error = open_stream(redirects[number], streams[number])) return error;
  }
  return {};
}

}  // namespace

Result<Child> Child::start(const Command& command) {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  return start(*loop, command);
}

Result<Child> Child::start(Loop& loop, const Command& command) {
  if (loop.core().is_foreign()) return Errc::parents_loop;
  if (command.arguments.empty()) return detail::system_error(EINVAL);
  StandardStream streams[3];
  if (const auto error = open_streams(command, streams)) return error;
  const int theirs[] = {streams[0].theirs.get(), streams[1].theirs.get(), streams[2].theirs.get()};
  const auto state = detail::ChildState::start(
      loop.core(), [&] { return detail::start_process(command, theirs); });
  if (!state) return state.error();
  Child child = (*state)->handle();
  child.state_->own_group = command.own_group;
  child.state_->kill_on_destruction = true;  // until all is well
  Socket* const sockets[] = {&child.in_, &child.out_, &child.errors_};
  for (int number = 0; number < 3; ++number) {
    if (!streams[number].ours) continue;
    auto socket = Socket::adopt(loop, streams[number].ours.release());
    if (!socket) return socket.error();
    *sockets[number] = std::move(*socket);
  }
  child.state_->kill_on_destruction = command.kill_on_destruction;
  return child;
}

// --- the handle ---

Child::Child(Child&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)),
      in_(std::move(other.in_)),
      out_(std::move(other.out_)),
      errors_(std::move(other.errors_)) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  const Child doomed{std::move(*this)};
  state_ = std::exchange(other.state_, nullptr);
  in_ = std::move(other.in_);
  out_ = std::move(other.out_);
  errors_ = std::move(other.errors_);
  return *this;
}

Child::~Child() {
  if (state_ == nullptr) return;
  if (state_->kill_on_destruction) {
    state_->own_group ? kill_group(SIGKILL) : kill(SIGKILL);
  }
  state_->abandon();
}

pid_t Child::id() const noexcept { return state_ == nullptr ? -1 : state_->id; }

Result<ExitStatus> Child::wait(Timeout timeout) noexcept {
  if (state_ == nullptr) return detail::system_error(ECHILD);
  return state_->wait(timeout);
}

std::error_code Child::kill(int signal) noexcept {
  return state_ == nullptr ? detail::system_error(ESRCH) : state_->kill(signal);
}

std::error_code Child::kill_group(int signal) noexcept {
  return state_ == nullptr ? detail::system_error(ESRCH) : state_->kill_group(signal);
}

}  // namespace evcoro
