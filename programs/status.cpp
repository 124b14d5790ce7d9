#include <programs/status.hpp>

#include <numeric>

#include <stacks/version.h>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>

namespace programs {

double Status::Watched::rate() const { return std::accumulate(rates.begin(), rates.end(), 0.0); }

void Status::watch(const Service& service) {
  const std::size_t loops = service.traffic().loops();
  const std::lock_guard lock{mutex_};
  watched_.push_back({.service = &service,
                      .counts = std::vector<std::uint64_t>(loops),
                      .rates = std::vector<double>(loops)});
}

void Status::sample() {
  const Clock::time_point now = Clock::now();
  const std::lock_guard lock{mutex_};
  const double seconds = std::chrono::duration<double>(now - sampled_).count();
  sampled_ = now;
  for (Watched& each : watched_) {
    for (std::size_t i = 0; i < each.counts.size(); ++i) {
      const std::uint64_t count = each.service->traffic().of(i);
      each.rates[i] = seconds > 0 ? static_cast<double>(count - each.counts[i]) / seconds : 0;
      each.counts[i] = count;
    }
  }
}

std::vector<Status::Watched> Status::watched() const {
  const std::lock_guard lock{mutex_};
  return watched_;
}

void Status::add_service(JsonWriter& json, const Watched& each) const {
  const Service& service = *each.service;
  const Service::Counters counters = service.counters();
  const evcoro::Address address = service.local_address();
  json.begin('{')
      .member("name", service.name())
      .member("address", address.to_string())
      .member("port", address.port())
      .member("capacity", service.capacity())
      .member("active", counters.active)
      .member("peak", counters.peak)
      .member("waiting", counters.waiting)
      .member("accepted", counters.accepted)
      .member("refused", counters.refused)
      .member("requests", service.traffic().total())
      .member("requests_per_second", each.rate())
      .end('}');
}

void Status::add_loop(JsonWriter& json, std::size_t index, const std::vector<Watched>& all) const {
  evcoro::stacks::StackPool::Statistics stacks{};
  std::size_t threads = 0;
  group_.call_on(index, [&] {
    stacks = group_.loop(index).stacks().statistics();
    threads = group_.loop(index).thread_count();
  });
  std::uint64_t requests = 0;
  double rate = 0;
  for (const Watched& each : all) {
    requests += each.service->traffic().of(index);
    rate += each.rates[index];
  }
  json.begin('{')
      .member("stacks", stacks.capacity)
      .member("stacks_in_use", stacks.in_use)
      .member("stacks_peak", stacks.peak_in_use)
      .member("threads", threads)
      .member("requests", requests)
      .member("requests_per_second", rate)
      .end('}');
}

std::string Status::json() const {
  const std::vector<Watched> all = watched();
  const std::chrono::duration<double> uptime = Clock::now() - started_;
  JsonWriter json;
  json.begin('{')
      .member("version", EVCORO_VERSION_STRING)
      .member("uptime_seconds", uptime.count())
      .member("draining", is_draining_.load())
      .begin("services", '[');
  for (const Watched& each : all) add_service(json, each);
  json.end(']').begin("loops", '[');
  for (std::size_t i = 0; i < group_.size(); ++i) add_loop(json, i, all);
  json.end(']').end('}');
  return json.text();
}

std::string Status::line() const {
  std::string text;
  Service::Counters sum;
  for (const Watched& each : watched()) {
    const Service::Counters counters = each.service->counters();
    if (!text.empty()) text += ", ";
    text.append(each.service->name()).append(" ").append(std::to_string(counters.active));
    text.append("/").append(std::to_string(each.service->capacity()));
    sum.accepted += counters.accepted;
    sum.refused += counters.refused;
    sum.waiting += counters.waiting;
  }
  return text + "; accepted " + std::to_string(sum.accepted) + ", refused " +
         std::to_string(sum.refused) + ", waiting " + std::to_string(sum.waiting);
}

}  // namespace programs
