#include <evcoro/http/detail/client_pool.hpp>

#include <new>

#include <evcoro/error.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/sync/event.hpp>

namespace evcoro::http::detail {

// Turn is a thread that takes, and perhaps waits. The host is known as long.
struct ClientPool::Turn : stacks::ListLink {
  Turn(ClientPool& its, Host& of, bool fresh) noexcept : pool(its), host(of), is_fresh(fresh) {
    ++host.second.turns;
  }
  ~Turn() {
    unlink();
    lease.close();
    --host.second.turns;
    pool.forget_if_unused(host);
  }

  ClientPool& pool;
  Host& host;
  const bool is_fresh;
  Event event;
  Lease lease;
};

// --- taking ---

std::error_code ClientPool::check_caller() const noexcept {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return evcoro::Errc::not_in_a_thread;
  if (is_closed_) return std::make_error_code(std::errc::operation_canceled);
  return loop == &loop_ ? std::error_code{} : evcoro::Errc::wrong_loop;
}

// Not inlined: g++ 12 takes a turn that leaves the list by its destructor for one that stays.
[[gnu::noinline]] void ClientPool::queue_up(Turn& turn) noexcept { turns_.push_back(turn); }

Result<ClientPool::Lease> ClientPool::take(const std::string& key, bool is_fresh,
                                           TimePoint deadline) {
  if (const auto error = check_caller()) return error;
  const std::shared_ptr<ClientPool> self = shared_from_this();
  Turn turn{*this, *hosts_.try_emplace(key).first, is_fresh};
  const std::size_t idle_before = idle_.size();
  Lease lease = find(turn.host, is_fresh);
  const std::size_t gone = idle_before - idle_.size();
  if (gone > (lease ? 1 : 0)) serve_all();  // more were stale than this one makes up for
  if (lease) return lease;
  queue_up(turn);
  const auto error = turn.event.wait(deadline);
  if (turn.lease) return std::move(turn.lease);
  return error ? error : std::make_error_code(std::errc::operation_canceled);
}

// An empty Lease if nothing is free.
ClientPool::Lease ClientPool::find(Host& host, bool is_fresh) noexcept {
  if (is_fresh) drop_idle_of(host);
  if (OwnedStream stream = take_idle(host)) return {shared_from_this(), host, std::move(stream)};
  if (!has_room(host)) return {};
  ++open_;
  ++host.second.open;
  return {shared_from_this(), host, OwnedStream{}};
}

// The one that was used last, and that the server has not closed meanwhile.
OwnedStream ClientPool::take_idle(Host& host) noexcept {
  for (auto next = idle_.end(); next != idle_.begin();) {
    const auto each = std::prev(next);
    if (each->host != &host) {
      next = each;
      continue;
    }
    if (each->stream.is_quiet()) {
      OwnedStream stream = std::move(each->stream);
      idle_.erase(each);
      return stream;
    }
    drop(each);
  }
  return {};
}

// The oldest that is idle makes room for one of another host.
bool ClientPool::has_room(Host& host) noexcept {
  if (host.second.open >= bounds_.per_host) return false;
  if (open_ < bounds_.all) return true;
  if (idle_.empty()) return false;
  drop(idle_.begin());
  return true;
}

// False if there is nothing for it.
bool ClientPool::serve(Turn& turn) noexcept {
  Lease lease = find(turn.host, turn.is_fresh);
  if (!lease) return false;
  turn.unlink();
  turn.lease = std::move(lease);
  turn.event.set();
  return true;
}

// One place, or one connection, has become free: that is for one, and the others needn't be asked,
// of whom there may be thousands.
void ClientPool::serve_one() noexcept {
  if (!is_closed_) turns_.find([&](Turn& turn) { return serve(turn); });
}

void ClientPool::serve_all() noexcept {
  if (!is_closed_) turns_.for_each([&](Turn& turn) { serve(turn); });
}

// --- giving back ---

void ClientPool::give_back(Host& host, OwnedStream stream) noexcept {
  if (is_closed_ || !is_alive() || bounds_.idle_timeout.count() <= 0) {
    stream.close();
    return free_place(host);
  }
  try {
    const TimePoint expires = Timeout{bounds_.idle_timeout}.deadline();
    idle_.push_back({&host, std::move(stream), expires});
  } catch (const std::bad_alloc&) {
    stream.close();
    return free_place(host);
  }
  serve_one();
  if (idle_.size() == 1) start(idle_.front().expires);
}

void ClientPool::free_place(Host& host) noexcept {
  --open_;
  --host.second.open;
  forget_if_unused(host);
  serve_one();
}

void ClientPool::forget_if_unused(Host& host) noexcept {
  if (host.second.open == 0 && host.second.turns == 0) hosts_.erase(host.first);
}

// --- closing ---

// Whoever calls it looks whose turn it is now.
void ClientPool::drop(IdleList::iterator which) noexcept {
  Host& host = *which->host;
  which->stream.close();
  idle_.erase(which);
  --open_;
  --host.second.open;
  forget_if_unused(host);
}

void ClientPool::drop_idle_of(const Host& host) noexcept {
  for (auto each = idle_.begin(); each != idle_.end();) {
    const auto next = std::next(each);
    if (each->host == &host) drop(each);
    each = next;
  }
}

void ClientPool::close_idle() noexcept {
  while (!idle_.empty()) drop(idle_.begin());
  serve_all();
}

void ClientPool::close() noexcept {
  is_closed_ = true;
  close_idle();
  turns_.for_each([](Turn& turn) { turn.event.set(); });
}

void ClientPool::on_time() noexcept {
  const TimePoint now = Clock::now();
  while (!idle_.empty() && idle_.front().expires <= now) drop(idle_.begin());
  if (!idle_.empty()) start(idle_.front().expires);
  serve_all();
}

std::size_t ClientPool::waiting() const noexcept {
  std::size_t count = 0;
  turns_.for_each([&](Turn&) { ++count; });
  return count;
}

}  // namespace evcoro::http::detail
