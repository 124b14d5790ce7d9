#include <evcoro/child.h>
#include <evcoro/fork.h>

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include <evcoro/capi/objects.hpp>
#include <evcoro/capi/text.hpp>
#include <evcoro/child.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/fork.hpp>

using namespace evcoro::capi;
using evcoro::Child;
using evcoro::Command;
using evcoro::ExitStatus;
using evcoro::Redirect;
using evcoro::Result;

struct tagEVCHILD final : Object {
  tagEVCHILD(EVTHREAD& its_owner, Child its_child) noexcept
      : owner(its_owner), child(std::move(its_child)) {}
  EVTHREAD& owner;
  Child child;
};

namespace {

EVCHILD* make(EVTHREAD* thread, Result<Child> child) {
  if (!child) return refuse(child.error());
  return give_to(*thread, new (std::nothrow) EVCHILD(*thread, std::move(*child)));
}

Redirect to_redirect(EVREDIRECT redirect, Redirect by_default) noexcept {
  switch (redirect.kind) {
    case EVREDIRECT_INHERIT:
      return Redirect::inherit();
    case EVREDIRECT_NULL:
      return Redirect::null();
    case EVREDIRECT_SOCKET:
      return Redirect::socket();
    case EVREDIRECT_OUTPUT:
      return Redirect::output();
    case EVREDIRECT_FD:
      return Redirect::to(redirect.fd);
    case EVREDIRECT_DEFAULT:
      break;
  }
  return by_default;
}

std::vector<std::string> to_texts(const char* const* texts) {
  std::vector<std::string> result;
  for (; *texts != nullptr; ++texts) result.emplace_back(*texts);
  return result;
}

Command to_command(const EVCOMMAND& from) {
  Command command;
  command.arguments = to_texts(from.arguments);
  if (from.environment != nullptr) command.environment = to_texts(from.environment);
  if (from.directory != nullptr) command.directory = from.directory;
  command.in = to_redirect(from.in, command.in);
  command.out = to_redirect(from.out, command.out);
  command.errors = to_redirect(from.errors, command.errors);
  command.own_group = (from.flags & EVCHILD_OWN_GROUP) != 0;
  command.kill_on_destruction = (from.flags & EVCHILD_KILL) != 0;
  return command;
}

EVCHILD_STATUS to_c(const ExitStatus& status) noexcept {
  return {status.code, status.signal, status.core_dumped ? 1 : 0};
}

int store(const Result<ExitStatus>& from, EVCHILD_STATUS* status) noexcept {
  if (!from) return fail(from.error());
  if (status != nullptr) *status = to_c(*from);
  return 0;
}

evcoro::Socket* socket_of(Child& child, int stream) noexcept {
  switch (stream) {
    case 0:
      return &child.in();
    case 1:
      return &child.out();
    case 2:
      return &child.errors();
    default:
      return nullptr;
  }
}

}  // namespace

EVCHILD* EVCHILD_start(EVTHREAD* thread, const EVCOMMAND* command) noexcept try {
  if (thread == nullptr || command == nullptr || command->arguments == nullptr) {
    return refuse(EINVAL);
  }
  return make(thread, Child::start(thread->task.core().loop(), to_command(*command)));
} catch (...) {
  fail_as_caught();
  return nullptr;
}

pid_t EVCHILD_pid(EVCHILD* child) noexcept {
  return child == nullptr ? fail(EINVAL) : child->child.id();
}

EVSOCKET* EVCHILD_socket(EVCHILD* child, int stream) noexcept {
  evcoro::Socket* const socket = child == nullptr ? nullptr : socket_of(child->child, stream);
  if (socket == nullptr) return refuse(EINVAL);
  if (!*socket) return refuse(EBADF);
  auto* const result = give_to(child->owner, new (std::nothrow) EVSOCKET(evcoro::Socket{}));
  if (result != nullptr) result->socket = std::move(*socket);
  return result;
}

int EVCHILD_wait(EVCHILD* child, EVCHILD_STATUS* status, struct timeval timeout) noexcept {
  if (child == nullptr) return fail(EINVAL);
  return store(child->child.wait(to_timeout(timeout)), status);
}

int EVCHILD_wait_pid(pid_t pid, EVCHILD_STATUS* status, struct timeval timeout) noexcept {
  return store(evcoro::wait_child(pid, to_timeout(timeout)), status);
}

int EVCHILD_kill(EVCHILD* child, int signal) noexcept {
  return child == nullptr ? fail(EINVAL) : finish(child->child.kill(signal));
}

int EVCHILD_kill_group(EVCHILD* child, int signal) noexcept {
  return child == nullptr ? fail(EINVAL) : finish(child->child.kill_group(signal));
}

int EVCHILD_free(EVCHILD* child) noexcept {
  if (child == nullptr) return fail(EINVAL);
  child->dispose();
  return 0;
}

EVCHILD* EVFORK_process(EVTHREAD* thread, EVFORK_PROC proc, void* ctx, int flags) noexcept try {
  if (thread == nullptr || proc == nullptr) return refuse(EINVAL);
  const auto run = [proc, ctx] { return proc(ctx); };
  return make(thread, evcoro::fork_process(thread->task.core().loop(), run,
                                           {.own_group = (flags & EVCHILD_OWN_GROUP) != 0,
                                            .kill_on_destruction = (flags & EVCHILD_KILL) != 0}));
} catch (...) {
  fail_as_caught();
  return nullptr;
}

// --- commands ---

int EVCOMMAND_run(const EVCOMMAND* command, const void* input, size_t input_size, size_t limit,
                  EVCOMMAND_RESULT* result, struct timeval timeout) noexcept try {
  if (command == nullptr || command->arguments == nullptr || result == nullptr ||
      (input == nullptr && input_size != 0)) {
    return fail(EINVAL);
  }
  *result = {};
  const evcoro::CommandResult from =
      evcoro::run(to_command(*command),
                  {.input = {static_cast<const char*>(input), input_size}, .output_limit = limit},
                  to_timeout(timeout));
  *result = {.status = to_c(from.status),
             .output = copy_for_c(from.output),
             .output_size = from.output.size(),
             .errors = copy_for_c(from.errors),
             .errors_size = from.errors.size()};
  if (result->output == nullptr || result->errors == nullptr) {
    EVCOMMAND_RESULT_clear(result);
    return fail(ENOMEM);
  }
  return finish(from.error);
} catch (...) {
  return fail_as_caught();
}

void EVCOMMAND_RESULT_clear(EVCOMMAND_RESULT* result) noexcept {
  if (result == nullptr) return;
  std::free(result->output);
  std::free(result->errors);
  *result = {};
}
