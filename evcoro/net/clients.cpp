#include <evcoro/detail/clients.hpp>

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace evcoro::detail {

// IPv4 addresses are keyed as what they are on a dual stack: ::ffff:a.b.c.d.
bool Clients::to_key(const Address& peer, Key& key) const noexcept {
  key = {};
  if (peer.family() == AF_INET) {
    key[10] = key[11] = 0xff;
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(peer.data());
    std::memcpy(&key[12], &v4.sin_addr, 4);
    return true;
  }
  if (peer.family() != AF_INET6) return false;
  const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(peer.data());
  std::memcpy(key.data(), &v6.sin6_addr, key.size());
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return true;
  for (int i = 0; i < 16; ++i) {
    const int bits = std::clamp(prefix_ - 8 * i, 0, 8);  // of this byte
    key[static_cast<std::size_t>(i)] &= static_cast<std::uint8_t>(0xff00 >> bits);
  }
  return true;
}

bool Clients::enter(const Address& peer, Slot& slot) {
  Key key;
  if (!to_key(peer, key)) return true;
  Client& client = table_[key];
  if (client.active >= most_) return false;
  ++client.active;
  slot.clients_ = this;
  slot.key_ = key;
  return true;
}

bool Clients::hold(const Pending& pending) {
  Key key;
  if (!to_key(pending.peer, key)) return false;
  Client& client = table_[key];
  if (client.held.size() >= most_) return false;
  client.held.push_back(pending);
  ++held_;
  return true;
}

PendingQueue Clients::take_first(Client& client) noexcept {
  PendingQueue first;
  if (client.held.empty()) return first;
  first.splice(first.end(), client.held, client.held.begin());
  --held_;
  return first;
}

PendingQueue Clients::Slot::leave() noexcept {
  if (clients_ == nullptr) return {};
  Clients& clients = *std::exchange(clients_, nullptr);
  const auto found = clients.table_.find(key_);
  Client& client = found->second;
  PendingQueue next = clients.take_first(client);
  if (--client.active == 0 && client.held.empty()) clients.table_.erase(found);
  return next;
}

PendingQueue Clients::take_next(const Address& peer) noexcept {
  Key key;
  if (!to_key(peer, key)) return {};
  const auto found = table_.find(key);
  if (found == table_.end()) return {};
  PendingQueue next = take_first(found->second);
  if (found->second.active == 0 && found->second.held.empty()) table_.erase(found);
  return next;
}

PendingQueue Clients::take_held() noexcept {
  PendingQueue all;
  for (auto& [key, client] : table_) all.splice(all.end(), client.held);
  held_ = 0;
  return all;
}

}  // namespace evcoro::detail
