#include <evcoro/tls/detail/ticket_keys.hpp>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include <evcoro/tls/detail/pem.hpp>

namespace evcoro::detail {
namespace {

bool set_mac_key(EVP_MAC_CTX* mac, std::array<unsigned char, 32>& key) noexcept {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      ::OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.data(), key.size()),
      ::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      ::OSSL_PARAM_construct_end()};
  return ::EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

}  // namespace

TicketKeys::TicketKeys(std::chrono::seconds lifetime)
    : lifetime_(lifetime),
      aes_(::EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)),
      made_(std::chrono::steady_clock::now()) {
  if (aes_ == nullptr) throw_openssl("the cipher of tickets");
  if (!make(keys_[0]) || !make(keys_[1])) throw_openssl("keys for tickets");
}

TicketKeys::~TicketKeys() { ::OPENSSL_cleanse(keys_.data(), sizeof keys_); }

bool TicketKeys::make(Key& key) noexcept {
  return ::RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) == 1 &&
         ::RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) == 1 &&
         ::RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) == 1;
}

bool TicketKeys::rotate() noexcept {
  const std::lock_guard lock{mutex_};
  made_ = std::chrono::steady_clock::now();
  return rotate_locked();
}

bool TicketKeys::rotate_locked() noexcept {
  Key next;
  if (!make(next)) return false;
  keys_[1] = keys_[0];
  keys_[0] = next;
  ::OPENSSL_cleanse(&next, sizeof next);
  return true;
}

// As if each change had come in its time: no key is good for more than two lifetimes.
void TicketKeys::rotate_if_due() noexcept {
  const TimePoint now = std::chrono::steady_clock::now();
  for (int i = 0; i < 2 && now - made_ >= lifetime_; ++i) {
    rotate_locked();
    made_ += lifetime_;
  }
  if (now - made_ >= lifetime_) made_ = now;  // both are new
}

int TicketKeys::use(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                    EVP_MAC_CTX* mac, bool encrypts) noexcept {
  const std::lock_guard lock{mutex_};
  rotate_if_due();
  return encrypts ? encrypt(name, iv, cipher, mac) : decrypt(name, iv, cipher, mac);
}

int TicketKeys::encrypt(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac) noexcept {
  Key& key = keys_[0];
  std::memcpy(name, key.name.data(), key.name.size());
  const bool done = ::RAND_bytes(iv, ::EVP_CIPHER_get_iv_length(aes_.get())) == 1 &&
                    ::EVP_EncryptInit_ex(cipher, aes_.get(), nullptr, key.cipher.data(), iv) == 1 &&
                    set_mac_key(mac, key.mac);
  return done ? 1 : -1;
}

int TicketKeys::decrypt(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac) noexcept {
  const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const Key& key) {
    return std::memcmp(key.name.data(), name, key.name.size()) == 0;
  });
  if (found == keys_.end()) return 0;
  const bool done =
      ::EVP_DecryptInit_ex(cipher, aes_.get(), nullptr, found->cipher.data(), iv) == 1 &&
      set_mac_key(mac, found->mac);
  if (!done) return -1;
  return found == keys_.begin() ? 1 : 2;
}

}  // namespace evcoro::detail
