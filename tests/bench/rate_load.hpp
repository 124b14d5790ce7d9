// A load of requests that are due at random times, whether the server keeps up or not.
//
//   Latency latency = send_at_rate(connections, requests, rate, try_send, poll);
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "tests/bench/load_client.hpp"

struct Latency {
  long long p50;  // nanoseconds, all of them
  long long p99;
  long long p999;
};

// random_times() returns when each of `count` requests is due, in nanoseconds: a Poisson process of
// `rate` a second, the same one for every server.
inline std::vector<long long> random_times(std::size_t count, double rate) {
  std::mt19937_64 random(1);
  std::exponential_distribution<double> gap(rate);
  std::vector<long long> times(count);
  double seconds = 0;
  for (long long& time : times) time = std::llround((seconds += gap(random)) * 1e9);
  return times;
}

inline long long percentile(std::vector<long long>& values, double share) {
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// send_at_rate() sends `requests` of them, `rate` a second in the mean, on its connections in turn:
// a latency counts from the time when the request was due. try_send(index) sends one on a
// connection, or returns false if the socket doesn't take it now; poll(answered) calls
// answered(index) for each answer that is complete, and never sleeps. Answers keep the order of
// their requests.
template <class TrySend, class Poll>
Latency send_at_rate(std::size_t connections, std::size_t requests, double rate, TrySend try_send,
                     Poll poll) {
  const std::vector<long long> due = random_times(requests, rate);
  std::vector<std::size_t> oldest(connections);  // unanswered request of each connection
  for (std::size_t i = 0; i < connections; ++i) oldest[i] = i;
  std::vector<long long> latencies;
  latencies.reserve(requests);
  std::size_t sent = 0;
  const long long start = nanoseconds(CLOCK_MONOTONIC);
  while (latencies.size() < requests) {
    while (sent < requests && start + due[sent] <= nanoseconds(CLOCK_MONOTONIC)) {
      if (!try_send(sent % connections)) break;  // later, on the sender's account
      ++sent;
    }
    poll([&](std::size_t index) {
      std::size_t& request = oldest[index];
      latencies.push_back(nanoseconds(CLOCK_MONOTONIC) - start - due[request]);
      request += connections;
    });
  }
  return {percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(latencies, 0.999)};
}

// measure_latency() reads "REQUESTS PER_SECOND", calls load() with them, and prints "P50_NS P99_NS
// P999_NS".
template <class Load>
void measure_latency(Load load) {
  std::size_t requests = 0;
  double rate = 0;
  if (!(std::cin >> requests >> rate)) die("an order without REQUESTS and PER_SECOND");
  const Latency latency = load(requests, rate);
  std::cout << latency.p50 << ' ' << latency.p99 << ' ' << latency.p999 << std::endl;
}
