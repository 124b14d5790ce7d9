// run(): a command, from its start to its end.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <evcoro/child.hpp>
#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace {

using detail::OwnedDescriptor;

// A file in memory: so nobody has to write while the command reads.
Result<OwnedDescriptor> input_file(std::string_view input) noexcept {
  OwnedDescriptor file{::memfd_create("input", MFD_CLOEXEC)};
  if (!file) return detail::system_error();
  while (!input.empty()) {
    const ssize_t count = ::write(file.get(), input.data(), input.size());
    if (count < 0 && errno != EINTR) return detail::system_error();
    input.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::error_code read_to_end(Socket& from, std::string& text, std::size_t limit,
                            TimePoint deadline) {
  constexpr std::size_t piece = 16 * 1024;
  while (true) {
    const std::size_t before = text.size();
    text.resize(before + piece);
    const IoResult in =
        from.recv(std::as_writable_bytes(std::span{text}.subspan(before)), deadline);
    text.resize(before + in.count);
    if (in.error || in.count == 0) return in.error;
    if (text.size() > limit) {
      text.resize(limit);
      return std::make_error_code(std::errc::message_size);
    }
  }
}

std::error_code take_output(Loop& loop, Child& child, CommandResult& result, std::size_t limit,
                            TimePoint deadline) {
  const auto take_errors = [&] {
    const auto error = read_to_end(child.errors(), result.errors, limit, deadline);
    if (error) child.kill_group(SIGKILL);  // which ends the output, too
    return error;
  };
  Thread<std::error_code> errors;
  if (child.errors()) {
    auto thread = loop.spawn({.name = "errors"}, take_errors);
    if (!thread) return thread.error();
    errors = std::move(*thread);
  }
  if (const auto error = read_to_end(child.out(), result.output, limit, deadline)) return error;
  if (!errors.joinable()) return {};
  const auto error = errors.join();
  return error ? *error : error.error();
}

}  // namespace

CommandResult run(Command command, RunOptions options, Timeout timeout) {
  CommandResult result;
  Loop* const loop = Loop::current();
  if (loop == nullptr) {
    result.error = Errc::not_in_a_thread;
    return result;
  }
  if (!options.input.empty() && command.in.kind() != Redirect::Kind::null) {
    result.error = detail::system_error(EINVAL);
    return result;
  }
  const TimePoint deadline = timeout.deadline();
  command.out = Redirect::socket();
  command.own_group = command.kill_on_destruction = true;
  OwnedDescriptor input;
  if (!options.input.empty()) {
    auto file = input_file(options.input);
    result.error = file.error();
    if (!file) return result;
    input = std::move(*file);
    command.in = Redirect::to(input.get());
  }
  auto child = Child::start(*loop, command);
  result.error = child.error();
  if (!child) return result;
  child->in().close();  // nobody writes to it
  result.error = take_output(*loop, *child, result, options.output_limit, deadline);
  if (result.error) return result;
  const auto status = child->wait(deadline);
  result.error = status.error();
  if (status) result.status = *status;
  return result;
}

}  // namespace evcoro
