// Metrics: counts what a server does, and tells it in Prometheus' text format (0.0.4).
//
//   Metrics metrics;
//   ServerOptions options;
//   options.observers.push_back(metrics.observer());
//   router.get("/metrics", metrics);
//   Server server{group, address, router, options};
//   const Metrics::Watch connections = metrics.watch(server);
//   const Metrics::Watch loops = metrics.watch(group);
//
//   Counter jobs = metrics.counter("jobs_total", "Jobs that were done.", {{"kind", "mail"}});
//   jobs.add();
//
// What there is:
//
//   http_requests_total{class,code}           answered, by status
//   http_request_duration_seconds             a histogram, from the whole head to the end
//   http_response_body_bytes_total            that have been sent
//   http_responses_incomplete_total           that the connection's end has cut short
//   http_connections{server}                  active now; ..._peak: most at once;
//                                             ..._waiting: in the backlog
//   http_connections_accepted_total{server}
//   http_connections_refused_total{server,reason}
//   evcoro_stacks{loop}                       taken now; ..._peak, ..._capacity
//   evcoro_threads{loop}
//   evcoro_loop_lag_seconds{loop}             that a function has waited to be run, just now
//
// Requests are counted by each loop for itself, and summed when somebody asks. It is a handler, and
// a handle: copies are the same. Any OS threads may use it at once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <evcoro/http/serve.hpp>
#include <stacks/export.hpp>

namespace evcoro {
class Loop;
class LoopGroup;
}  // namespace evcoro

namespace evcoro::http {

class Server;

namespace detail {
class MetricsState;
}

// Labels are names and values that tell a metric's samples apart.
using Labels = std::vector<std::pair<std::string, std::string>>;

// Counter is a number that grows. A handle: copies are the same.
class Counter {
 public:
  void add(std::uint64_t count = 1) noexcept {
    value_->fetch_add(count, std::memory_order_relaxed);
  }

 private:
  friend class Metrics;
  explicit Counter(std::shared_ptr<std::atomic<std::uint64_t>> value) noexcept
      : value_(std::move(value)) {}

  std::shared_ptr<std::atomic<std::uint64_t>> value_;
};

// MetricsOptions are those of Metrics.
struct MetricsOptions {
  // The upper bounds of the histogram's buckets, in seconds, growing; the last one is added.
  std::vector<double> buckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                 0.1,    0.25,  0.5,    1,     2.5,  5,     10};

  // How long write() waits for the loops that are watched, all in all.
  std::chrono::milliseconds longest_lag{5'000};
};

class EVCORO_API Metrics {
 public:
  using Options = MetricsOptions;

  // Throws std::invalid_argument if the buckets don't grow.
  explicit Metrics(const Options& options = {});

  // observer() is for ServeOptions::observers.
  ExchangeObserver observer() const;

  // counter() makes a counter; by the same name and labels it is the same. gauge() lets read() be
  // asked for a number whenever somebody asks for all, in the thread that does. Throw
  // std::invalid_argument if the name, or that of a label, isn't made of letters, digits, "_" (and
  // ":"), or begins with "http_" or "evcoro_", or is that of another kind.
  Counter counter(std::string_view name, std::string_view help, Labels labels = {});
  void gauge(std::string_view name, std::string_view help, std::function<double()> read,
             Labels labels = {});

  // Watch ends what watch() has begun. It goes before what is watched; its end waits for nobody.
  class EVCORO_API Watch {
   public:
    Watch() noexcept = default;
    Watch(Watch&& other) noexcept;
    Watch& operator=(Watch&& other) noexcept;
    ~Watch();

   private:
    friend class Metrics;
    Watch(std::shared_ptr<detail::MetricsState> state, std::uint64_t key) noexcept
        : state_(std::move(state)), key_(key) {}

    std::shared_ptr<detail::MetricsState> state_;
    std::uint64_t key_ = 0;
  };

  // watch() lets the server's connections be told, under a name, or stacks and lag of a loop, or of
  // all loops of a group. A server on one loop is watched from that loop's OS thread, and left out
  // where somebody asks in another. A loop that doesn't answer in time is left out, and with it a
  // server on its group.
  [[nodiscard]] Watch watch(const Server& server, std::string name = "http");
  [[nodiscard]] Watch watch(Loop& loop, std::string name = "0");
  [[nodiscard]] Watch watch(LoopGroup& group);

  // write() is all of it, as of now. To be called in a thread, if something is watched.
  std::string write() const;

  void operator()(Request& request, Response& response) const;

 private:
  std::shared_ptr<detail::MetricsState> state_;
};

}  // namespace evcoro::http
