#include <stacks/overflow.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <exception>
#include <mutex>
#include <system_error>

#include <stacks/report.hpp>

namespace evcoro::stacks {
namespace {

std::atomic<bool> installed{false};
std::atomic<StackUserLookup> find_user{nullptr};
struct sigaction previous_action;  // written before installed is set, and then only read

// SignalStack is the alternate stack of one OS thread, released when that ends. An alternate stack
// that the application has set up is left alone.
class SignalStack {
 public:
  ~SignalStack() {
    if (memory_ == MAP_FAILED) return;
    stack_t current{};
    if (::sigaltstack(nullptr, &current) == 0 && current.ss_sp == memory_) {
      stack_t disable{};
      disable.ss_flags = SS_DISABLE;
      ::sigaltstack(&disable, nullptr);
    }
    ::munmap(memory_, size_);
  }

  void set_up() noexcept {
    if (done_) return;
    done_ = true;
    stack_t current{};
    if (::sigaltstack(nullptr, &current) != 0 || (current.ss_flags & SS_DISABLE) == 0) return;
    size_ = std::max<std::size_t>(64 * 1024, static_cast<std::size_t>(::sysconf(_SC_SIGSTKSZ)));
    memory_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) return;
    stack_t own{};
    own.ss_sp = memory_;
    own.ss_size = size_;
    ::sigaltstack(&own, nullptr);
  }

 private:
  bool done_ = false;
  void* memory_ = MAP_FAILED;
  std::size_t size_ = 0;
};

thread_local SignalStack signal_stack;

ReportLine& operator<<(ReportLine& line, const StackUser& user) noexcept {
  line << "coroutine thread ";
  if (!user.name.empty()) line << "'" << user.name << "' ";
  return line << "(id " << user.id << "), spawned at " << user.file << ":" << user.line;
}

void report_overflow(const StackUser& user, const std::byte* address) noexcept {
  const Stack& stack = *user.stack;
  ReportLine line;
  line << "evcoro: stack overflow in " << user << "\nevcoro:   stack size " << stack.size()
       << " bytes, used " << static_cast<unsigned long long>(stack.start - address) << "; raise "
       << stack.pool->size_setting() << "\n"
       << ReportLine::send;
}

bool is_sent_by_process(const siginfo_t* info) noexcept { return info->si_code <= 0; }

// Puts the action that was there before in our place, for good. The faulting instruction, run again
// on return, then meets it, with all its flags.
void step_aside(int signal, const siginfo_t* info) noexcept {
  struct sigaction previous = previous_action;
  previous.sa_flags |= SA_ONSTACK;  // where the fault happened there may be no stack left
  ::sigaction(signal, &previous, nullptr);
  if (is_sent_by_process(info)) ::raise(signal);  // kill(2) does not come again by itself
}

// Hands a fault on to whoever handled SIGSEGV before.
void pass_on(int signal, siginfo_t* info, void* context) noexcept {
  const bool has_function =
      previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN;
  if (previous_action.sa_handler == SIG_IGN && is_sent_by_process(info)) return;
  if (!has_function || (previous_action.sa_flags & SA_RESETHAND) != 0) {
    step_aside(signal, info);
  } else if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal, info, context);
  } else {
    previous_action.sa_handler(signal);
  }
}

bool reports_overflow(const siginfo_t* info) noexcept {
  const StackUserLookup lookup = find_user.load();
  StackUser user;
  if (is_sent_by_process(info) || lookup == nullptr || !lookup(user)) return false;
  const auto* const address = static_cast<const std::byte*>(info->si_addr);
  if (address < user.stack->guard() || address >= user.stack->limit) return false;
  report_overflow(user, address);
  return true;
}

void on_fault(int signal, siginfo_t* info, void* context) noexcept {
  const int saved_errno = errno;
  const bool reported = reports_overflow(info);
  errno = saved_errno;
  if (reported) {
    step_aside(signal, info);
  } else {
    pass_on(signal, info, context);
  }
}

}  // namespace

void install_overflow_handler() {
  static std::mutex mutex;
  const std::lock_guard lock{mutex};
  if (!installed) {
    const bool known = ::sigaction(SIGSEGV, nullptr, &previous_action) == 0;
    struct sigaction action = previous_action;  // the mask, and whether faults may nest
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous_action.sa_flags & SA_NODEFER);
    if (!known || ::sigaction(SIGSEGV, &action, nullptr) != 0) {
      throw std::system_error(errno, std::generic_category(), "install_overflow_handler");
    }
    installed = true;
  }
  prepare_os_thread();
}

void prepare_os_thread() noexcept {
  if (installed.load(std::memory_order_relaxed)) signal_stack.set_up();
}

void set_up_signal_stack() noexcept { signal_stack.set_up(); }

void set_stack_user_lookup(StackUserLookup lookup) noexcept { find_user = lookup; }

// Here, since it names the coroutine that runs, as an overflow's report does.
void misuse(std::string_view what) noexcept {
  ReportLine line;
  line << "evcoro: misuse: " << what << "\n";
  const StackUserLookup lookup = find_user.load();
  StackUser user;
  if (lookup != nullptr && lookup(user)) line << "evcoro:   in " << user << "\n";
  line << ReportLine::send;
  std::terminate();
}

}  // namespace evcoro::stacks
