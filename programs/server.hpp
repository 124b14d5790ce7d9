// Server: the loops, the services on them, and their end.
//
//   Server server{settings};
//   server.announce();
//   server.run();                          // until end()
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <evcoro/http/access_log.hpp>
#include <evcoro/http/health.hpp>
#include <evcoro/http/metrics.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/loop_group.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/tls/context.hpp>
#include <programs/announcement.hpp>
#include <programs/settings.hpp>
#include <programs/status.hpp>
#include <programs/web_service.hpp>
#include <stacks/stack_pool.hpp>

namespace programs {

class Server {
 public:
  // Listens. The settings outlive it. Throws std::exception, whose what() says what to do.
  explicit Server(const Settings& settings);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() = default;

  void announce() const { programs::announce(settings_, services_); }

  // run() serves until end(), and says in the end what has been.
  void run();

  // These are for the first loop's OS thread; post() gets there from any other.
  evcoro::Loop& loop() noexcept { return loop_; }

  // end() ends service: open connections may finish, and are cancelled after the drain time, or at
  // once when this is called again.
  void end();

  // reopen() opens the access log again, and reads the certificate again.
  void reopen() noexcept;

 private:
  evcoro::Address address_of(const Settings::Port& port) const;
  template <class S, class... Arguments>
  S& add(const char* option, const Settings::Port& port, Arguments&&... arguments);
  void add_echo();
  void add_web();
  void open_log(WebService::Site& site);
  void keep_time();
  void print_status() const;
  void drain_all();

  const Settings& settings_;
  evcoro::stacks::StackPool service_{{.capacity = 8, .stack_size = 64 * 1024}};  // our own threads
  evcoro::Loop loop_;
  evcoro::LoopGroup group_;
  Status status_{group_};
  evcoro::http::Metrics metrics_;
  evcoro::http::Health health_;
  evcoro::TlsContext tls_;
  std::optional<evcoro::http::LogFile> log_file_;
  std::optional<evcoro::http::AccessLog> log_;
  Services services_;
  std::vector<evcoro::http::Metrics::Watch> watches_;
  evcoro::Thread<> ending_;
  std::vector<std::size_t> cancelled_;  // of each service
};

}  // namespace programs
