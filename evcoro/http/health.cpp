#include <evcoro/http/health.hpp>

#include <atomic>
#include <string_view>
#include <utility>

namespace evcoro::http {

struct detail::HealthState {
  const std::function<bool()> is_well;
  std::atomic<bool> is_draining{false};
};

Health::Health(std::function<bool()> is_well)
    : state_(new detail::HealthState{.is_well = std::move(is_well)}) {}

void Health::start_draining() noexcept { state_->is_draining.store(true); }
bool Health::is_draining() const noexcept { return state_->is_draining.load(); }

void Health::operator()(Request&, Response& response) const {
  const bool is_well = !is_draining() && (!state_->is_well || state_->is_well());
  const std::string_view text = is_well ? "ok\n" : is_draining() ? "draining\n" : "unavailable\n";
  if (!is_well) response.set_status(Status::service_unavailable);
  response.fields().set("Content-Type", "text/plain");
  response.fields().set("Cache-Control", "no-store");
  response.send(text);
}

}  // namespace evcoro::http
