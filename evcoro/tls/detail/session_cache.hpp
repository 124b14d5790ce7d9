// SessionCache: the sessions that a client has with servers, for resumption.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <evcoro/tls/detail/openssl.hpp>

namespace evcoro::detail {

class SessionCache {
 public:
  explicit SessionCache(std::size_t capacity) noexcept : capacity_(capacity) {}

  bool is_off() const noexcept { return capacity_ == 0; }

  // put() keeps session for key, instead of the one before. Without memory it is not kept.
  void put(const std::string& key, Openssl<SSL_SESSION> session) noexcept;

  // take() is the session for key, or nullptr. One of TLS 1.3 is used once only (RFC 8446, C.4).
  Openssl<SSL_SESSION> take(const std::string& key) noexcept;
  void clear() noexcept;

 private:
  using Entry = std::pair<std::string, Openssl<SSL_SESSION>>;
  using Entries = std::list<Entry>;

  const std::size_t capacity_;
  std::mutex mutex_;
  Entries entries_;  // the last one used comes first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;
};

}  // namespace evcoro::detail
