// What mutexcheck is tried on: subject wait | yield | meet | well. It prints what is reported, and
// ends with the first report.
#include <unistd.h>

#include <cstddef>
#include <mutex>
#include <string_view>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <stacks/report.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

std::mutex mutex;

void wait_with_mutex() {
  const std::scoped_lock lock{mutex};
  static_cast<void>(this_thread::sleep_for(1ms));
}

void yield_with_mutex() {
  const std::scoped_lock lock{mutex};
  static_cast<void>(this_thread::yield());
}

void wait_without_mutex() {
  { const std::scoped_lock lock{mutex}; }
  static_cast<void>(this_thread::sleep_for(1ms));
  const std::scoped_lock lock{mutex};
}

// Its frames follow its first line: the process ends a moment later.
void print_and_end(const char* text, std::size_t size) noexcept {
  const ssize_t written = ::write(STDOUT_FILENO, text, size);
  if (written < 0 || std::string_view{text, size}.find("#0") != std::string_view::npos) ::_exit(0);
}

}  // namespace

int main(int, char** arguments) {
  const std::string_view wanted{arguments[1]};
  stacks::set_report_sink(print_and_end);
  Loop loop{{.capacity = 4, .stack_size = 64 * 1024}};
  const auto function = wanted == "yield"  ? yield_with_mutex
                        : wanted == "well" ? wait_without_mutex
                                           : wait_with_mutex;
  loop.spawn({.name = "session"}, function).value().detach();
  if (wanted != "wait") loop.spawn({.name = "other"}, wait_without_mutex).value().detach();
  loop.run();
}
