// evcoro_server: an echo server and a web server, throttled: one coroutine thread per connection,
// as many connections as stacks.
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include <programs/server.hpp>
#include <programs/settings.hpp>
#include <programs/signal_watcher.hpp>
#include <stacks/overflow.hpp>

namespace {

using programs::Settings;

// Each connection takes a descriptor, and files that are served, too: raises this process's limit
// as far as it may be, and says so if that is not enough.
void make_room_for(const Settings& settings) {
  constexpr rlim_t others = 48;          // standard streams, listeners
  constexpr rlim_t of_loop = 8;          // its own
  constexpr rlim_t files_of_loop = 160;  // that are open, by --root
  const rlim_t each = of_loop + (settings.root.empty() ? 0 : files_of_loop);
  const rlim_t wanted = settings.connections() + others + settings.loops * each;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    std::fprintf(stderr,
                 "evcoro_server: only %llu descriptors are allowed (ulimit -Hn): fewer "
                 "connections than --stacks and --http-stacks\n",
                 static_cast<unsigned long long>(limit.rlim_cur));
  }
}

// Who was told twice to end, and is there some seconds later, hangs: as when nobody reads what it
// writes.
class Insistence {
 public:
  // At each signal that asks the server to end: whether it hangs.
  bool is_in_vain() noexcept {
    const auto now = std::chrono::steady_clock::now();
    if (++signals_ == 2) end_ = now + std::chrono::seconds{3};
    return signals_ > 2 && now >= end_;
  }

 private:
  int signals_ = 0;
  std::chrono::steady_clock::time_point end_;
};

// As programs do that have no other use for the signal.
[[noreturn]] void die_of(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  std::raise(signal);
  std::_Exit(1);
}

}  // namespace

int main(int argc, char** argv) try {
  Settings settings;
  if (const auto status = programs::read_settings(argc, argv, settings)) return *status;

  std::signal(SIGPIPE, SIG_IGN);  // who reads our output may go before us
  evcoro::stacks::install_overflow_handler();
  std::vector<int> signals{SIGINT, SIGTERM};
  if (settings.has_files_to_reopen()) signals.push_back(SIGHUP);
  programs::SignalWatcher::block(signals);  // before there are the loops' OS threads
  programs::Server server{settings};
  make_room_for(settings);
  const programs::SignalWatcher watcher{
      signals, [&, insistence = Insistence{}](int signal) mutable {
        if (signal != SIGHUP && insistence.is_in_vain()) die_of(signal);
        server.loop().post([&, signal] { signal == SIGHUP ? server.reopen() : server.end(); });
      }};
  server.announce();
  server.run();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "evcoro_server: %s\n", error.what());
  return 1;
}
