// Hosts: the certificates of a server, by the names that they are for. Immutable once made; a
// reload makes another.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/tls/context.hpp>
#include <evcoro/tls/detail/names.hpp>
#include <evcoro/tls/detail/openssl.hpp>

namespace evcoro::detail {

// Host has the certificates for the same names, of keys of several kinds, in an SSL_CTX.
class Host {
 public:
  explicit Host(Openssl<SSL_CTX> context) noexcept : context_(std::move(context)) {}

  // add() throws std::system_error, whose what() names the file.
  void add(const TlsCertificate& files, std::vector<Openssl<X509>> chain);

  // has_key_like() says whether it has a certificate with the same kind of key.
  bool has_key_like(X509& certificate) const noexcept;

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
  // make_context makes the SSL_CTX of a host, without certificates. demand is what is asked of
  // clients: sessions are good for the same demand only. Throws std::system_error.
  Hosts(const std::vector<TlsCertificate>& certificates, std::string demand,
        const std::function<Openssl<SSL_CTX>()>& make_context);

  // find() is the first host that is for name, or nullptr. Throws std::bad_alloc.
  const Host* find(std::string_view name) const;
  const Host& first() const noexcept { return hosts_.front(); }
  const std::string& demand() const noexcept { return demand_; }

 private:
  const std::string demand_;
  std::vector<Host> hosts_;
  NameTable names_;  // with indices of hosts_
};

}  // namespace evcoro::detail
