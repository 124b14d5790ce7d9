// TicketKeys encrypt the sessions that clients keep for us (RFC 5077), and change with time: a new
// ticket gets the current key, the one before is good still, and tickets of that are renewed.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <mutex>

#include <evcoro/tls/detail/openssl.hpp>

namespace evcoro::detail {

class TicketKeys {
 public:
  // Throws std::system_error if there is no randomness.
  explicit TicketKeys(std::chrono::seconds lifetime);
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  ~TicketKeys();

  std::chrono::seconds lifetime() const noexcept { return lifetime_; }

  // rotate() makes a new key; false if there is no randomness.
  bool rotate() noexcept;

  // use() is what OpenSSL's callback is to do, see SSL_CTX_set_tlsext_ticket_key_evp_cb(3). From
  // any OS thread.
  int use(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
          bool encrypts) noexcept;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
  };

  static bool make(Key& key) noexcept;
  bool rotate_locked() noexcept;
  void rotate_if_due() noexcept;
  int encrypt(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac) noexcept;
  int decrypt(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac) noexcept;

  const std::chrono::seconds lifetime_;
  const Openssl<EVP_CIPHER> aes_;
  std::mutex mutex_;
  TimePoint made_;
  std::array<Key, 2> keys_;  // the current one, and the one before
};

}  // namespace evcoro::detail
