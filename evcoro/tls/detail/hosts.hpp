// Hosts: the certificates of a server, by the names that they are for. Immutable once made; a
// reload makes another.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/tls/context.hpp>
#include <evcoro/tls/detail/openssl.hpp>

namespace evcoro::detail {

// Host has the certificates for the same names, of keys of several kinds, in an SSL_CTX.
class Host {
 public:
  explicit Host(Openssl<SSL_CTX> context) noexcept : context_(std::move(context)) {}

  // add() throws std::system_error, whose what() names the file.
  void add(const TlsCertificate& files, std::vector<Openssl<X509>> chain);

  bool is_for(std::string_view name) const noexcept;

  // is_kin() says whether certificate belongs to the same host: other kind of key, same names.
  bool is_kin(X509& certificate) const;

  // staple() gives ssl the OCSP response of its certificate, if there is one, as a status callback
  // is to do it.
  int staple(SSL& ssl) const noexcept;
  SSL_CTX& context() const noexcept { return *context_; }

 private:
  struct Leaf {
    Openssl<X509> certificate;
    std::string ocsp;
  };
  Openssl<SSL_CTX> context_;
  std::vector<Leaf> leaves_;
};

class Hosts {
 public:
  // make_context makes the SSL_CTX of a host, without certificates. Throws std::system_error.
  Hosts(const std::vector<TlsCertificate>& certificates,
        const std::function<Openssl<SSL_CTX>()>& make_context);

  // find() is the first host that is for name, or nullptr.
  const Host* find(std::string_view name) const noexcept;
  const Host& first() const noexcept { return hosts_.front(); }

 private:
  std::vector<Host> hosts_;
};

}  // namespace evcoro::detail
