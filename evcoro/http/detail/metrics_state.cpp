#include <evcoro/http/detail/metrics_state.hpp>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

namespace evcoro::http::detail {
namespace {

using Family = MetricsText::Family;

constexpr Family requests{"http_requests_total", "counter", "Requests that were answered."};
constexpr Family body_bytes{"http_response_body_bytes_total", "counter",
                            "Bytes of responses' bodies that were sent."};
constexpr Family incomplete{"http_responses_incomplete_total", "counter",
                            "Responses that the end of their connection has cut short."};
constexpr Family durations{"http_request_duration_seconds", "histogram",
                           "From the whole head of a request to the end of its response."};

std::vector<std::chrono::nanoseconds> to_bounds(const std::vector<double>& buckets) {
  std::vector<std::chrono::nanoseconds> bounds;
  for (const double each : buckets) {
    const std::chrono::duration<double> seconds{each};
    bounds.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(seconds));
  }
  const bool grow =
      std::ranges::adjacent_find(bounds, std::ranges::greater_equal{}) == bounds.end();
  if (!grow) throw std::invalid_argument("the buckets of Metrics don't grow");
  return bounds;
}

double to_seconds(std::chrono::nanoseconds time) noexcept {
  return std::chrono::duration<double>(time).count();
}

bool is_reserved(std::string_view name) noexcept {
  return name.starts_with("http_") || name.starts_with("evcoro_");
}

void check_names(std::string_view name, const Labels& labels) {
  if (!is_metric_name(name, false) || is_reserved(name)) {
    throw std::invalid_argument("no name for a metric: " + std::string{name});
  }
  for (const auto& [label, value] : labels) {
    if (!is_metric_name(label, true) || label.starts_with("__")) {
      throw std::invalid_argument("no name for a label: " + label);
    }
  }
}

}  // namespace

MetricsState::MetricsState(const MetricsOptions& options)
    : bounds_(to_bounds(options.buckets)),
      longest_lag_(options.longest_lag),
      outside_(add_counts(true)) {}

std::shared_ptr<RequestCounts> MetricsState::add_counts(bool is_shared) {
  auto made = std::make_shared<RequestCounts>(bounds_, is_shared);
  const std::lock_guard lock{mutex_};
  counts_.push_back(made);
  return made;
}

// Without memory for its own it is counted where all may.
void MetricsState::record(const Exchange& exchange) noexcept {
  RequestCounts* counts = outside_.get();
  if (Loop* const loop = Loop::current()) {
    try {
      counts = &counts_of(*loop);
    } catch (const std::bad_alloc&) {
    }
  }
  counts->record(exchange);
}

RequestCounts& MetricsState::counts_of(Loop& loop) {
  CountsOfLoop& here = of_loops_.get(loop);
  if (here.counts == nullptr) here.counts = add_counts(false);
  return *here.counts;
}

// --- the application's own ---

MetricsState::Own& MetricsState::own(std::string_view name, std::string_view help, bool is_counter,
                                     const Labels& labels) {
  check_names(name, labels);
  const auto [found, is_new] = own_.try_emplace(std::string{name});
  Own& own = found->second;
  if (is_new) {
    own.help = help;
    own.is_counter = is_counter;
  }
  if (own.is_counter != is_counter) {
    throw std::invalid_argument("a counter and a gauge of the same name: " + std::string{name});
  }
  return own;
}

MetricsState::CounterValue MetricsState::counter(std::string_view name, std::string_view help,
                                                 Labels labels) {
  const std::lock_guard lock{mutex_};
  Own& its = own(name, help, true, labels);
  for (const auto& [known, value] : its.counters) {
    if (known == labels) return value;
  }
  auto value = std::make_shared<std::atomic<std::uint64_t>>(0);
  its.counters.emplace_back(std::move(labels), value);
  return value;
}

void MetricsState::gauge(std::string_view name, std::string_view help, std::function<double()> read,
                         Labels labels) {
  const std::lock_guard lock{mutex_};
  Own& its = own(name, help, false, labels);
  std::erase_if(its.gauges, [&](const auto& known) { return known.first == labels; });
  its.gauges.emplace_back(std::move(labels), std::move(read));
}

// --- sources ---

std::uint64_t MetricsState::add_source(Source source) {
  const std::lock_guard lock{sources_mutex_};
  sources_.emplace(++last_key_, std::move(source));
  return last_key_;
}

void MetricsState::remove_source(std::uint64_t key) noexcept {
  const std::lock_guard lock{sources_mutex_};
  sources_.erase(key);
}

std::vector<MetricsState::Answer> MetricsState::ask_sources() {
  std::vector<Answer> answers;
  const std::lock_guard lock{sources_mutex_};
  for (const auto& [key, source] : sources_) answers.push_back(source());
  return answers;
}

// --- writing ---

void MetricsState::write_durations(MetricsText& text, const RequestTotals& totals) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < totals.in_bucket.size(); ++i) {
    sum += totals.in_bucket[i];
    const double bound =
        i < bounds_.size() ? to_seconds(bounds_[i]) : std::numeric_limits<double>::infinity();
    text.add(durations, {{"le", to_metric_number(bound)}}, static_cast<double>(sum), "_bucket");
  }
  const std::chrono::nanoseconds time{totals.nanoseconds};
  text.add(durations, {}, to_seconds(time), "_sum");
  text.add(durations, {}, static_cast<double>(sum), "_count");
}

void MetricsState::write_requests(MetricsText& text) {
  RequestTotals totals{bounds_.size() + 1};
  {
    const std::lock_guard lock{mutex_};
    for (const auto& each : counts_) each->add_to(totals);
  }
  for (std::size_t i = 0; i < code_count; ++i) {
    if (totals.by_code[i] == 0) continue;
    const std::string code = std::to_string(i + first_code);
    text.add(requests, {{"class", code.substr(0, 1) + "xx"}, {"code", code}},
             static_cast<double>(totals.by_code[i]));
  }
  text.add(body_bytes, {}, static_cast<double>(totals.bytes));
  text.add(incomplete, {}, static_cast<double>(totals.incomplete));
  write_durations(text, totals);
}

// A gauge is read outside of the lock: it may ask for another.
void MetricsState::write_own(MetricsText& text) {
  std::unique_lock lock{mutex_};
  const std::map<std::string, Own, std::less<>> all = own_;
  lock.unlock();
  for (const auto& [name, own] : all) {
    const Family family{name, own.is_counter ? "counter" : "gauge", own.help};
    for (const auto& [labels, value] : own.counters) {
      text.add(family, labels, static_cast<double>(value->load(std::memory_order_relaxed)));
    }
    for (const auto& [labels, read] : own.gauges) text.add(family, labels, read());
  }
}

std::string MetricsState::write() {
  MetricsText text;
  write_requests(text);
  write_own(text);
  const std::vector<Answer> answers = ask_sources();
  const TimePoint deadline = Timeout{longest_lag_}.deadline();
  for (const Answer& each : answers) each(text, deadline);
  return text.write();
}

}  // namespace evcoro::http::detail
