// A throttled echo server: one coroutine thread per connection, as many connections as stacks.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>

#include <evcoro/loop.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/thread.hpp>
#include <programs/signal_watcher.hpp>
#include <stacks/overflow.hpp>
#include <stacks/stack_pool.hpp>

namespace {

using evcoro::IoResult;
using evcoro::Socket;
using evcoro::TcpAcceptor;
using evcoro::stacks::StackPool;
using namespace std::chrono_literals;

struct Settings {
  std::uint16_t port = 9999;
  std::string address = "0.0.0.0";
  std::size_t stacks = 100;
  std::size_t pages = 4;
  double timeout = 3;
  double drain = 10;
  bool reject = false;

  std::chrono::nanoseconds timeout_duration() const { return to_duration(timeout); }
  std::chrono::nanoseconds drain_duration() const { return to_duration(drain); }
  std::size_t stack_size() const {
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }

 private:
  static std::chrono::nanoseconds to_duration(double seconds) {
    return std::chrono::nanoseconds{std::llround(seconds * 1e9)};
  }
};

// seconds_between() is CLI::Range for durations: that lets "nan" pass.
CLI::Validator seconds_between(double least, double most) {
  const auto is_number = [](std::string& text) {
    return std::isnan(std::strtod(text.c_str(), nullptr)) ? text + " is no number" : std::string{};
  };
  return CLI::Range(least, most) & CLI::Validator(is_number, "");
}

void declare_options(CLI::App& app, Settings& settings) {
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string{"evcoro_echo_server: "} + error.what() + " (--help lists the options)\n";
  });
  app.add_option("--echo-port", settings.port, "TCP port to listen on; 0 lets the system choose")
      ->capture_default_str();
  app.add_option("--address", settings.address, "IPv4 or IPv6 address to listen on")
      ->capture_default_str();
  app.add_option("--stacks", settings.stacks,
                 "number of stacks: the most connections served at once")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--pages", settings.pages, "usable pages of each stack")
      ->check(CLI::Range(2, 65'536))
      ->capture_default_str();
  app.add_option("--timeout", settings.timeout, "seconds that a read or write may take")
      ->check(seconds_between(0.001, 1e6))
      ->capture_default_str();
  app.add_option("--drain", settings.drain,
                 "seconds that open connections get after SIGINT or SIGTERM")
      ->check(seconds_between(0.0, 1e6))
      ->capture_default_str();
  app.add_flag("--reject", settings.reject,
               "turn clients away when all stacks are in use; "
               "without it they wait in the backlog");
}

// Each connection takes a descriptor: raises this process's limit as far as it may be, and says so
// if that is not enough.
void make_room_for(std::size_t connections) {
  constexpr rlim_t others = 32;  // standard streams, listener, the loop's own
  const rlim_t wanted = connections + others;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    std::fprintf(stderr,
                 "evcoro_echo_server: only %llu descriptors are allowed (ulimit -Hn): fewer "
                 "connections than --stacks\n",
                 static_cast<unsigned long long>(limit.rlim_cur));
  }
}

void echo(Socket& socket, std::chrono::nanoseconds timeout) {
  std::array<std::byte, 2048> buffer;
  while (const IoResult in = socket.recv(buffer, timeout)) {
    if (in.count == 0 || !socket.send(std::span{buffer}.first(in.count), timeout)) break;
  }
}

class EchoServer {
 public:
  explicit EchoServer(const Settings& settings)
      : settings_(settings),
        connections_({.capacity = settings.stacks,
                      .stack_size = settings.stack_size(),
                      .size_setting = "--pages"}),
        acceptor_(
            loop_, listening_address(settings),
            [timeout = settings.timeout_duration()](Socket& socket) { echo(socket, timeout); },
            acceptor_options(settings)) {}

  evcoro::Loop& loop() { return loop_; }

  void announce() const {
    const auto address = acceptor_.local_address();
    std::printf(
        "listening on %s; at most %zu connections at once, %zu pages of stack each, timeout %g s\n",
        address.to_string().c_str(), settings_.stacks, settings_.pages, settings_.timeout);
    std::printf("try it:  nc %s %u     Ctrl-C drains and ends\n", host_to_try(address).c_str(),
                address.port());
    std::fflush(stdout);
  }

  // Shows the counters on a terminal, once a second.
  void show_status() {
    spawn_service("status", [this] {
      while (!evcoro::this_thread::sleep_for(1s)) print_status("");
    });
  }

  // Ends service: open connections may finish, and are cancelled after the drain time, or at once
  // when this is called again.
  void end() {
    if (ending_.joinable()) return ending_.request_stop();
    std::printf("\ndraining: open connections have %g s (again to cancel them now)\n",
                settings_.drain);
    std::fflush(stdout);
    ending_ = loop_
                  .spawn({.name = "end", .stacks = &service_},
                         [this] {
                           acceptor_.drain(settings_.drain_duration());
                           cancelled_ = acceptor_.counters().active;
                           loop_.shutdown(1s);
                         })
                  .value();
  }

  void run() {
    loop_.run();
    print_status("ended: ");
    std::printf(", cancelled %zu\n", cancelled_);
  }

 private:
  static evcoro::Address listening_address(const Settings& settings) {
    auto address = evcoro::Address::parse(settings.address, settings.port);
    if (!address || address->port() != settings.port) {
      throw std::invalid_argument("--address: '" + settings.address +
                                  "' is no IP address; the port is for --echo-port");
    }
    return *address;
  }

  static TcpAcceptor::Options acceptor_options(const Settings& settings) {
    TcpAcceptor::Options options{.name = "echo"};
    if (settings.reject) {
      options.when_full = TcpAcceptor::WhenFull::reject;
      options.refuse = [](evcoro::Refusal& refusal) { refusal.write("busy, try again later\n"); };
    }
    return options;
  }

  // The address without its port and brackets, as nc wants it.
  static std::string host_to_try(const evcoro::Address& address) {
    const int family = address.family();
    const auto any = evcoro::Address::any(family, address.port());
    std::string host =
        (address == any ? evcoro::Address::loopback(family, address.port()) : address).to_string();
    host.resize(host.rfind(':'));
    return host.front() == '[' ? host.substr(1, host.size() - 2) : host;
  }

  template <class F>
  void spawn_service(std::string_view name, F&& function) {
    loop_.spawn({.name = name, .stacks = &service_}, std::forward<F>(function)).value().detach();
  }

  void print_status(const char* prefix) const {
    const bool terminal = ::isatty(STDOUT_FILENO) != 0;
    const TcpAcceptor::Counters counters = acceptor_.counters();
    std::printf("%s%sactive %zu of %zu, accepted %llu, refused %llu, waiting %zu%s",
                terminal ? "\r" : "", prefix, counters.active, settings_.stacks,
                static_cast<unsigned long long>(counters.accepted),
                static_cast<unsigned long long>(counters.refused), counters.waiting,
                terminal ? "\033[K" : "");
    std::fflush(stdout);
  }

  const Settings& settings_;
  StackPool connections_;
  StackPool service_{{.capacity = 4, .stack_size = 64 * 1024}};  // not counted as connections
  evcoro::Loop loop_{connections_};
  TcpAcceptor acceptor_;
  evcoro::Thread<> ending_;
  std::size_t cancelled_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  Settings settings;
  CLI::App app{"A throttled TCP echo server: one coroutine thread per connection."};
  declare_options(app, settings);
  CLI11_PARSE(app, argc, argv);

  std::signal(SIGPIPE, SIG_IGN);  // who reads our output may go before us
  evcoro::stacks::install_overflow_handler();
  EchoServer server{settings};
  make_room_for(settings.stacks);
  const programs::SignalWatcher signals{{SIGINT, SIGTERM},
                                        [&](int) { server.loop().post([&] { server.end(); }); }};
  server.announce();
  if (::isatty(STDOUT_FILENO) != 0) server.show_status();
  server.run();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "evcoro_echo_server: %s\n", error.what());
  return 1;
}
