#include <evcoro/http/detail/client_exchange.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include <evcoro/http/detail/read_whole.hpp>
#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http::detail {
namespace {

// What is transient: the call can be made again.
bool is_transient(std::error_code error) noexcept {
  return error == std::errc::timed_out || error == std::errc::operation_canceled;
}

bool is_in_list(std::string_view list, std::string_view element) noexcept {
  bool is_found = false;
  for_each_element(list, [&](std::string_view each) {
    if (equals_ignoring_case(each, element)) is_found = true;
  });
  return is_found;
}

// UpgradedStream is what an upgrade hands over: what came behind the head comes first.
class UpgradedStream {
 public:
  UpgradedStream(ClientPool::Lease lease, std::string early) noexcept
      : lease_(std::move(lease)), early_(std::move(early)) {}

  IoResult recv(std::span<std::byte> buffer, Timeout timeout) {
    if (early_.empty()) return lease_.stream().recv(buffer, timeout);
    const std::size_t count = std::min(buffer.size(), early_.size());
    std::memcpy(buffer.data(), early_.data(), count);
    early_.erase(0, count);
    return {count};
  }
  IoResult send(std::span<const std::byte> data, Timeout timeout) {
    return lease_.stream().send(data, timeout);
  }
  std::error_code wait_readable(Timeout timeout) {
    return early_.empty() ? lease_.stream().wait_readable(timeout) : std::error_code{};
  }
  void close() noexcept { lease_.close(); }

 private:
  ClientPool::Lease lease_;
  std::string early_;
};

}  // namespace

ClientExchange::ClientExchange(ClientPool::Lease lease,
                               std::shared_ptr<const ClientOptions> options, TimePoint deadline)
    : lease_(std::move(lease)),
      options_(std::move(options)),
      deadline_(deadline),
      workspace_(take_workspace()),
      reader_(options_->limits) {}

ClientExchange::~ClientExchange() {
  try {
    skip_rest(no_wait);
  } catch (const std::bad_alloc&) {  // the connection is closed, then
  }
  if (!workspace_->is_small()) workspace_.discard();
}

std::error_code ClientExchange::fail(std::error_code error) noexcept {
  if (is_transient(error)) return error;
  lease_.close();
  return failure_ = error;
}

// --- until the head is there ---

// Until the server says that it wants the body, or for some time, or until it has answered.
std::error_code ClientExchange::await_continue() {
  const TimePoint enough = Timeout{options_->continue_timeout}.deadline();
  while (!reader_.has_final_head()) {
    const auto error = reader_.receive_head(std::min(enough, deadline_));
    if (error == std::errc::timed_out && enough <= deadline_) return {};
    if (error) return error;
    if (reader_.head().status == Status{100}) return {};
  }
  return {};
}

std::error_code ClientExchange::send(RequestWriter& writer, const RequestPlan& plan) {
  writer.append_head(plan);
  if (plan.awaits_continue()) {
    if (const auto error = writer.flush()) return error;
    if (const auto error = await_continue()) return error;
    if (reader_.has_final_head()) return {};  // it doesn't want it
  }
  const auto error = writer.send_body(plan);
  is_sent_ = !error;
  return error;
}

// The final one. A deadline of the stream's own may have come before the one for the head.
std::error_code ClientExchange::await_head() {
  const bool has_limit = options_->head_timeout.count() > 0;
  const TimePoint limit = has_limit ? Timeout{options_->head_timeout}.deadline() : never;
  while (!reader_.has_final_head()) {
    const auto error = reader_.receive_head(std::min(limit, deadline_));
    const bool is_late = error == std::errc::timed_out && limit < deadline_;
    if (is_late && Clock::now() >= limit) return Errc::head_too_slow;
    if (error) return error;
  }
  return {};
}

// A server that has closed, or answered early, may have said why: that goes before what sending
// says of it.
std::error_code ClientExchange::run(const RequestPlan& plan) {
  reader_.start(lease_.stream(), *workspace_, plan.method);
  RequestWriter writer{lease_.stream(), reader_, workspace_->out, deadline_};
  const auto send_error = send(writer, plan);
  const bool is_lost = send_error && send_error == writer.stream_error();
  if (send_error && (!is_lost || is_transient(send_error))) return fail(send_error);
  if (const auto error = await_head()) {
    return fail(send_error && !is_transient(error) ? send_error : error);
  }
  return finish_head(plan);
}

std::error_code ClientExchange::finish_head(const RequestPlan& plan) {
  const Head& said = reader_.head();
  if (said.status == Status::switching_protocols) {
    const bool is_wanted = said.wants_upgrade && is_in_list(plan.request.upgrade, said.upgrade);
    return is_wanted && is_sent_ ? std::error_code{} : fail(Errc::malformed);
  }
  if (reader_.is_over()) settle();
  return {};
}

bool ClientExchange::is_unheard(std::error_code error) const noexcept {
  return !reader_.has_received() && !is_transient(error);
}

// --- the body ---

// The response is complete.
void ClientExchange::settle() noexcept {
  const bool is_kept = is_sent_ && reader_.head().keeps_alive && reader_.input().empty() &&
                       reader_.head().framing != Framing::until_close;
  is_kept ? lease_.give_back() : lease_.close();
}

IoResult ClientExchange::recv(std::span<std::byte> buffer, Timeout timeout) {
  if (failure_) return {0, failure_};
  if (reader_.is_over()) return {};
  if (!lease_) return {0, Errc::connection_lost};
  const Timeout limit =
      timeout.may_wait() ? Timeout{std::min(deadline_, timeout.deadline())} : timeout;
  const IoResult in = reader_.recv(buffer, limit);
  if (in.error) return {in.count, fail(in.error)};
  if (reader_.is_over()) settle();
  return in;
}

Result<std::string> ClientExchange::read_all(std::uint64_t limit, Timeout timeout) {
  const auto receive_part = [this](std::span<std::byte> to, Timeout rest) {
    return recv(to, rest);
  };
  auto all = read_whole(reader_, receive_part, limit, timeout);
  if (all.error() == Errc::body_too_large) return fail(all.error());
  return all;
}

// --- the end ---

void ClientExchange::skip_rest(Timeout timeout) {
  const std::uint64_t most = options_->limits.unread_body;
  const bool is_hopeless = !reader_.has_final_head() || !head().keeps_alive || !is_sent_ ||
                           head().status == Status::switching_protocols ||
                           reader_.left() > most + reader_.input().window().size();
  evcoro::detail::Patience patience{timeout};
  std::uint64_t skipped = 0;
  while (lease_ && !is_hopeless && !reader_.is_over() && skipped <= most) {
    std::array<std::byte, 512> scratch;
    const IoResult in = recv(scratch, patience.rest());
    if (in.error) break;
    skipped += in.count;
  }
  lease_.close();
}

// A new connection costs less than to wait for longer.
void ClientExchange::drain() {
  constexpr std::chrono::seconds soon{1};
  skip_rest(soon);
}

Result<OwnedStream> ClientExchange::upgrade() {
  if (!lease_ || head().status != Status::switching_protocols) return Errc::not_an_upgrade;
  std::string early{reader_.input().window()};
  return OwnedStream{UpgradedStream{std::move(lease_), std::move(early)}};
}

}  // namespace evcoro::http::detail
