#include <evcoro/http/metrics.hpp>

#include <cstddef>
#include <limits>
#include <thread>

#include <evcoro/http/detail/metrics_state.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/loop_group.hpp>
#include <evcoro/sync/event.hpp>

namespace evcoro::http {
namespace detail {
namespace {

using Family = MetricsText::Family;

constexpr Family active{"http_connections", "gauge", "Connections that are open."};
constexpr Family most_active{"http_connections_peak", "gauge", "Most connections at once."};
constexpr Family waiting{"http_connections_waiting", "gauge",
                         "Connections that wait in the kernel's backlog."};
constexpr Family accepted{"http_connections_accepted_total", "counter",
                          "Connections that got a thread."};
constexpr Family refused{"http_connections_refused_total", "counter",
                         "Connections that were turned away."};
constexpr Family taken_stacks{"evcoro_stacks", "gauge", "Stacks that are taken."};
constexpr Family most_stacks{"evcoro_stacks_peak", "gauge", "Most stacks at once."};
constexpr Family all_stacks{"evcoro_stacks_capacity", "gauge", "Stacks that there are."};
constexpr Family threads{"evcoro_threads", "gauge", "Coroutine threads."};
constexpr Family lag{"evcoro_loop_lag_seconds", "gauge",
                     "How long a function waited just now to be run by the loop."};

double number(auto value) noexcept { return static_cast<double>(value); }

void add_refused(MetricsText& text, const std::string& name, const Server::Counters& counters) {
  const auto add = [&](const char* reason, std::uint64_t count) {
    text.add(refused, {{"server", name}, {"reason", reason}}, number(count));
  };
  const std::uint64_t known = counters.refused_no_stack + counters.refused_max_connections +
                              counters.refused_rate + counters.refused_max_per_address;
  add("no_stack", counters.refused_no_stack);
  add("max_connections", counters.refused_max_connections);
  add("rate", counters.refused_rate);
  add("max_per_address", counters.refused_max_per_address);
  add("other", counters.refused > known ? counters.refused - known : 0);
}

void add_server(MetricsText& text, const std::string& name, const Server::Counters& counters) {
  const Labels labels{{"server", name}};
  text.add(active, labels, number(counters.active));
  text.add(most_active, labels, number(counters.peak));
  text.add(waiting, labels, number(counters.waiting));
  text.add(accepted, labels, number(counters.accepted));
  add_refused(text, name, counters);
}

// Sample is what a loop says of itself, in its OS thread.
struct Sample {
  const TimePoint asked = Clock::now();
  TimePoint answered;
  std::size_t threads = 0;
  stacks::StackPool::Statistics stacks{};
  Event is_there;

  void take(Loop& loop) {
    answered = Clock::now();
    threads = loop.thread_count();
    stacks = loop.stacks().statistics();
    is_there.set();
  }
};

void add_loop(MetricsText& text, const std::string& name, const Sample& sample) {
  const Labels labels{{"loop", name}};
  text.add(taken_stacks, labels, number(sample.stacks.in_use));
  text.add(most_stacks, labels, number(sample.stacks.peak_in_use));
  const std::size_t capacity = sample.stacks.capacity;
  text.add(all_stacks, labels,
           capacity == stacks::StackPool::unlimited ? std::numeric_limits<double>::infinity()
                                                    : number(capacity));
  text.add(threads, labels, number(sample.threads));
  text.add(lag, labels, std::chrono::duration<double>(sample.answered - sample.asked).count());
}

MetricsState::Answer ask_loop(std::string name, Loop& loop) {
  auto sample = std::make_shared<Sample>();
  loop.post([sample, &loop] { sample->take(loop); });
  return
      [name = std::move(name), sample = std::move(sample)](MetricsText& text, TimePoint deadline) {
        if (!sample->is_there.wait(deadline)) add_loop(text, name, *sample);
      };
}

MetricsState::Answer ask_group(LoopGroup& group) {
  std::vector<MetricsState::Answer> answers;
  for (std::size_t i = 0; i < group.size(); ++i) {
    answers.push_back(ask_loop(std::to_string(i), group.loop(i)));
  }
  return [answers = std::move(answers)](MetricsText& text, TimePoint deadline) {
    for (const auto& each : answers) each(text, deadline);
  };
}

MetricsState::Answer ask_acceptor(std::string name, const GroupAcceptor& acceptor) {
  return [name = std::move(name), asked = acceptor.ask_counters()](MetricsText& text,
                                                                   TimePoint deadline) {
    if (const auto counters = asked.wait(deadline)) add_server(text, name, *counters);
  };
}

MetricsState::Answer ask_server(std::string name, const Server& server) {
  return [name = std::move(name), counters = server.counters()](MetricsText& text, TimePoint) {
    add_server(text, name, counters);
  };
}

}  // namespace
}  // namespace detail

Metrics::Metrics(const Options& options)
    : state_(std::make_shared<detail::MetricsState>(options)) {}

ExchangeObserver Metrics::observer() const {
  return [state = state_](const Exchange& exchange) { state->record(exchange); };
}

Counter Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
  return Counter{state_->counter(name, help, std::move(labels))};
}

void Metrics::gauge(std::string_view name, std::string_view help, std::function<double()> read,
                    Labels labels) {
  state_->gauge(name, help, std::move(read), std::move(labels));
}

std::string Metrics::write() const { return state_->write(); }

void Metrics::operator()(Request&, Response& response) const {
  response.fields().set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.send(write());
}

// --- watching ---

Metrics::Watch::Watch(Watch&& other) noexcept : state_(std::move(other.state_)), key_(other.key_) {}

Metrics::Watch& Metrics::Watch::operator=(Watch&& other) noexcept {
  const Watch doomed{std::exchange(state_, std::move(other.state_)),
                     std::exchange(key_, other.key_)};
  return *this;
}

Metrics::Watch::~Watch() {
  if (state_ != nullptr) state_->remove_source(key_);
}

Metrics::Watch Metrics::watch(const Server& server, std::string name) {
  if (const GroupAcceptor* const acceptor = server.group_acceptor_.get()) {
    return {state_, state_->add_source([acceptor, name = std::move(name)] {
              return detail::ask_acceptor(name, *acceptor);
            })};
  }
  const auto its = std::this_thread::get_id();
  return {state_, state_->add_source([&server, name = std::move(name), its] {
            return its == std::this_thread::get_id() ? detail::ask_server(name, server)
                                                     : [](detail::MetricsText&, TimePoint) {};
          })};
}

Metrics::Watch Metrics::watch(Loop& loop, std::string name) {
  return {state_, state_->add_source(
                      [&loop, name = std::move(name)] { return detail::ask_loop(name, loop); })};
}

Metrics::Watch Metrics::watch(LoopGroup& group) {
  return {state_, state_->add_source([&group] { return detail::ask_group(group); })};
}

}  // namespace evcoro::http
