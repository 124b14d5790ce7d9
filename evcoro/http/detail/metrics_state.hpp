// MetricsState: what the copies of Metrics share.
//
//   observers, in each loop -> RequestCounts --+
//   Counter, gauge() -------------------------+--> write() -> MetricsText
//   watch(): sources that are asked ----------+
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <evcoro/http/detail/metrics_text.hpp>
#include <evcoro/http/detail/request_counts.hpp>
#include <evcoro/local.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::http::detail {

class MetricsState {
 public:
  // A Source asks for what is watched, and doesn't wait. Its Answer adds what there is, and waits
  // for it until deadline; it may come when what was watched is gone.
  using Answer = std::function<void(MetricsText& text, TimePoint deadline)>;
  using Source = std::function<Answer()>;
  using CounterValue = std::shared_ptr<std::atomic<std::uint64_t>>;

  explicit MetricsState(const MetricsOptions& options);

  void record(const Exchange& exchange) noexcept;

  CounterValue counter(std::string_view name, std::string_view help, Labels labels);
  void gauge(std::string_view name, std::string_view help, std::function<double()> read,
             Labels labels);

  std::uint64_t add_source(Source source);
  void remove_source(std::uint64_t key) noexcept;

  std::string write();

 private:
  // Own is a metric of the application's.
  struct Own {
    std::string help;
    bool is_counter;
    std::vector<std::pair<Labels, CounterValue>> counters;
    std::vector<std::pair<Labels, std::function<double()>>> gauges;
  };
  struct CountsOfLoop {
    std::shared_ptr<RequestCounts> counts;
  };

  std::shared_ptr<RequestCounts> add_counts(bool is_shared);
  RequestCounts& counts_of(Loop& loop);
  Own& own(std::string_view name, std::string_view help, bool is_counter, const Labels& labels);
  void write_requests(MetricsText& text);
  void write_durations(MetricsText& text, const RequestTotals& totals) const;
  void write_own(MetricsText& text);
  std::vector<Answer> ask_sources();

  std::vector<std::chrono::nanoseconds> bounds_;
  const std::chrono::milliseconds longest_lag_;
  LoopLocal<CountsOfLoop> of_loops_;

  std::mutex mutex_;  // of what follows; nobody blocks while holding it
  std::vector<std::shared_ptr<RequestCounts>> counts_;
  std::map<std::string, Own, std::less<>> own_;
  const std::shared_ptr<RequestCounts> outside_;  // of who is on no loop

  std::mutex sources_mutex_;  // of what follows; held while sources are asked, which don't wait
  std::map<std::uint64_t, Source> sources_;
  std::uint64_t last_key_ = 0;
};

}  // namespace evcoro::http::detail
