// Status: the live state of the server, as the status page shows it.
//
//   Status status{group};
//   status.watch(service);        // before anything is served
//   status.sample();              // once a second, in a thread
//   status.json()                 // in a thread of any loop
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include <evcoro/loop_group.hpp>
#include <programs/json.hpp>
#include <programs/service.hpp>
#include <stacks/stack_pool.hpp>

namespace programs {

class Status {
 public:
  explicit Status(evcoro::LoopGroup& group) : group_(group) {}
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  // The service outlives all calls.
  void watch(const Service& service);

  // set_draining() lets it be told that the server is about to end. Any OS thread may.
  void set_draining() noexcept { is_draining_ = true; }

  // sample() counts the requests that have come since the last time, for the rates.
  void sample();

  // json() is the state as of now, with the rates as of the last sample.
  std::string json() const;

  // line() is a short form for a terminal.
  std::string line() const;

 private:
  using Clock = std::chrono::steady_clock;

  // Requests a second of each service on each loop.
  struct Watched {
    const Service* service;
    std::vector<std::uint64_t> counts;
    std::vector<double> rates;
    double rate() const;
  };

  std::vector<Watched> watched() const;
  void add_service(JsonWriter& json, const Watched& each) const;
  void add_loop(JsonWriter& json, std::size_t index, const std::vector<Watched>& all) const;

  evcoro::LoopGroup& group_;
  const Clock::time_point started_ = Clock::now();
  std::atomic<bool> is_draining_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Watched> watched_;
  Clock::time_point sampled_ = started_;
};

}  // namespace programs
