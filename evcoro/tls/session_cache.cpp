#include <evcoro/tls/detail/session_cache.hpp>

#include <new>

namespace evcoro::detail {

void SessionCache::put(const std::string& key, Openssl<SSL_SESSION> session) noexcept {
  if (is_off()) return;
  const std::lock_guard lock{mutex_};
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) {
    known->second->second = std::move(session);
    entries_.splice(entries_.begin(), entries_, known->second);
    return;
  }
  try {
    Entries entry;
    entry.emplace_front(key, std::move(session));
    by_key_.emplace(entry.front().first, entry.begin());
    entries_.splice(entries_.begin(), entry);
  } catch (const std::bad_alloc&) {
    return;
  }
  if (entries_.size() > capacity_) {
    by_key_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

Openssl<SSL_SESSION> SessionCache::take(const std::string& key) noexcept {
  const std::lock_guard lock{mutex_};
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const auto entry = found->second;
  SSL_SESSION* const session = entry->second.get();
  const bool is_for_once = ::SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
  if (!is_for_once) {
    ::SSL_SESSION_up_ref(session);
    entries_.splice(entries_.begin(), entries_, entry);
    return Openssl<SSL_SESSION>{session};
  }
  Openssl<SSL_SESSION> taken = std::move(entry->second);
  by_key_.erase(found);
  entries_.erase(entry);
  return taken;
}

void SessionCache::clear() noexcept {
  const std::lock_guard lock{mutex_};
  by_key_.clear();
  entries_.clear();
}

}  // namespace evcoro::detail
