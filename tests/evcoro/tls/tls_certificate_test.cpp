// Whose certificate is accepted, and whose is presented.
#include <evcoro/tls/socket.hpp>
#include <support/contains.hpp>
#include <support/files.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::Authority;
using support::File;
using support::long_time;
using support::read_some;
using support::TlsPair;

namespace {

class CertificateFixture : public support::LoopFixture {
 public:
  // What a client that means name says to the server of options, with its error or "".
  std::string ask(const TlsContext& server, const TlsContext& asking, std::string_view name) {
    std::string message;
    in_thread([&] {
      TlsPair pair{*loop, server, asking, name};
      (void)pair.handshake();
      const auto error = pair.client_error ? pair.client_error : pair.server_error;
      message = error ? error.message() : std::string{};
      subject = pair.client.peer_subject();
      client_subject = pair.server.peer_subject();
    });
    return message;
  }

  TlsContext serve(TlsCertificate certificate) const {
    return TlsContext{TlsServerOptions{.certificates = {std::move(certificate)}}};
  }

  Authority authority;
  TlsContext client{TlsClientOptions{.authorities = authority.pem()}};
  std::string subject;         // of the server that was asked last
  std::string client_subject;  // as that has seen it
};

std::string what_throws(const std::function<void()>& function) {
  try {
    function();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE_METHOD(CertificateFixture, "a client accepts who its authorities have signed, by name") {
  const TlsContext server = serve(authority.sign({"a.test", "*.b.test", "127.0.0.1"}));
  REQUIRE(ask(server, client, "a.test").empty());
  REQUIRE(subject == "CN=a.test");
  REQUIRE(ask(server, client, "A.Test.").empty());
  REQUIRE(ask(server, client, "x.b.test").empty());
  REQUIRE(ask(server, client, "127.0.0.1").empty());
  REQUIRE_THAT(ask(server, client, "c.test"), support::contains("certificate: hostname mismatch"));
  REQUIRE_THAT(ask(server, client, "x.y.b.test"), support::contains("hostname mismatch"));
  REQUIRE_THAT(ask(server, client, "b.test"), support::contains("hostname mismatch"));
  REQUIRE_THAT(ask(server, client, "127.0.0.2"), support::contains("IP address mismatch"));
}

TEST_CASE_METHOD(CertificateFixture, "a client refuses certificates of others and out of time") {
  const TlsContext self_signed = serve(make_self_signed({"a.test"}));
  REQUIRE(ask(self_signed, client, "a.test") == "certificate: self-signed certificate");
  const Authority stranger{"a stranger"};
  REQUIRE(ask(serve(stranger.sign({"a.test"})), client, "a.test") ==
          "certificate: unable to get local issuer certificate");
  const auto expired =
      authority.sign({.names = {"a.test"}, .begins_in_days = -3, .ends_in_days = -1});
  REQUIRE(ask(serve(expired), client, "a.test") == "certificate: certificate has expired");
  const auto early = authority.sign({.names = {"a.test"}, .begins_in_days = 1, .ends_in_days = 2});
  REQUIRE(ask(serve(early), client, "a.test") == "certificate: certificate is not yet valid");
  const Authority forger;  // of the same name, with another key
  REQUIRE(ask(serve(forger.sign({"a.test"})), client, "a.test") ==
          "certificate: certificate signature failure");
  const TlsContext lax{TlsClientOptions{.verify = false}};
  REQUIRE(ask(serve(expired), lax, "b.test").empty());
  REQUIRE(ask(self_signed, lax, "").empty());
  in_thread([&] {
    TlsPair pair{*loop, self_signed, client, "a.test"};
    const auto error = pair.handshake();
    REQUIRE(is_certificate_error(error));
    REQUIRE(error == std::errc::permission_denied);
    REQUIRE(!is_certificate_error(TlsErrc::truncated));
  });
}

TEST_CASE_METHOD(CertificateFixture, "a chain of authorities is presented and followed") {
  const Authority middle = authority.intermediate("in the middle");
  REQUIRE(ask(serve(middle.sign({"a.test"})), client, "a.test").empty());
  TlsCertificate without_the_middle = middle.sign({"a.test"});
  without_the_middle.chain.resize(without_the_middle.chain.find("-----END CERTIFICATE-----") + 26);
  REQUIRE_THAT(ask(serve(without_the_middle), client, "a.test"),
               support::contains("unable to get"));
}

TEST_CASE_METHOD(CertificateFixture, "what make_self_signed makes is trusted by who is told to") {
  const TlsCertificate own = make_self_signed({"localhost", "127.0.0.1", "::1"});
  const TlsContext trusting{TlsClientOptions{.authorities = own.chain}};
  for (const auto* name : {"localhost", "127.0.0.1", "::1"}) {
    REQUIRE(ask(serve(own), trusting, name).empty());
  }
  REQUIRE(what_throws([] { (void)make_self_signed({}); }) ==
          "make_self_signed(): names and days: Invalid argument");
  REQUIRE_THAT(what_throws([] { (void)make_self_signed({"a.test,IP:1.2.3.4"}); }),
               support::contains("is no host name"));
}

TEST_CASE_METHOD(CertificateFixture,
                 "a server presents the certificate of the name it is asked by") {
  const TlsContext server{TlsServerOptions{
      .certificates = {authority.sign({"a.test"}), authority.sign({"b.test", "*.b.test"}),
                       authority.sign({.names = {"a.test"}, .is_rsa = true})}}};
  const TlsContext lax{TlsClientOptions{.verify = false}};
  REQUIRE(ask(server, client, "b.test").empty());
  REQUIRE(subject == "CN=b.test");
  REQUIRE(ask(server, client, "WWW.b.test").empty());
  REQUIRE(subject == "CN=b.test");
  REQUIRE(ask(server, client, "a.test").empty());
  REQUIRE(subject == "CN=a.test");
  REQUIRE(ask(server, lax, "c.test").empty());
  REQUIRE(subject == "CN=a.test");
  REQUIRE(ask(server, lax, "").empty());
  REQUIRE(subject == "CN=a.test");
}

TEST_CASE_METHOD(CertificateFixture, "a certificate without names is nobody's and nobody's kin") {
  const TlsContext server{
      TlsServerOptions{.certificates = {authority.sign({"a.test"}), authority.sign({"10.0.0.1"}),
                                        authority.sign({.names = {"10.0.0.2"}, .is_rsa = true})}}};
  const TlsContext lax{TlsClientOptions{.verify = false}};
  REQUIRE(ask(server, client, "a.test").empty());
  REQUIRE(ask(server, lax, "10.0.0.1").empty());  // an address is not asked for by SNI
  REQUIRE(subject == "CN=a.test");
}

TEST_CASE_METHOD(CertificateFixture, "a name in the subject alone verifies nothing") {
  const TlsContext server = serve(authority.sign({.names = {"a.test"}, .has_no_names = true}));
  REQUIRE_THAT(ask(server, client, "a.test"), support::contains("hostname mismatch"));
}

TEST_CASE_METHOD(CertificateFixture, "a server can refuse names that it has no certificate for") {
  const TlsContext server{TlsServerOptions{.certificates = {authority.sign({"a.test"})},
                                           .unknown_name = UnknownName::refuse}};
  const TlsContext lax{TlsClientOptions{.verify = false}};
  REQUIRE(ask(server, client, "a.test").empty());
  REQUIRE_THAT(ask(server, lax, "b.test"), support::contains("unrecognized name"));
  REQUIRE_THAT(ask(server, lax, ""), support::contains("unrecognized name"));
}

TEST_CASE_METHOD(CertificateFixture, "a server asks clients for certificates, and may insist") {
  const Authority of_clients{"of clients"};
  const auto server_for = [&](ClientCertificate demand) {
    return TlsContext{TlsServerOptions{.certificates = {authority.sign({"a.test"})},
                                       .client_certificate = demand,
                                       .client_authorities = of_clients.pem()}};
  };
  const auto client_with = [&](TlsCertificate certificate) {
    return TlsContext{
        TlsClientOptions{.authorities = authority.pem(), .certificates = {std::move(certificate)}}};
  };
  const TlsContext known = client_with(of_clients.sign({"a client"}));
  const TlsContext unknown = client_with(authority.sign({"a client"}));
  REQUIRE(ask(server_for(ClientCertificate::required), known, "a.test").empty());
  REQUIRE(client_subject == "CN=a client");
  REQUIRE(ask(server_for(ClientCertificate::wanted), known, "a.test").empty());
  REQUIRE(client_subject == "CN=a client");
  REQUIRE(ask(server_for(ClientCertificate::wanted), client, "a.test").empty());
  REQUIRE(client_subject.empty());
  REQUIRE(ask(server_for(ClientCertificate::ignored), known, "a.test").empty());
  REQUIRE(client_subject.empty());
  REQUIRE_THAT(ask(server_for(ClientCertificate::required), client, "a.test"),
               support::contains("peer did not return a certificate"));
  REQUIRE_THAT(ask(server_for(ClientCertificate::wanted), unknown, "a.test"),
               support::contains("certificate: unable to get local issuer certificate"));
  REQUIRE_THAT(what_throws([&] {
                 const TlsContext context{
                     TlsServerOptions{.certificates = {authority.sign({"a.test"})},
                                      .client_certificate = ClientCertificate::required}};
               }),
               support::contains("client_authorities are missing"));
}

TEST_CASE_METHOD(CertificateFixture,
                 "certificates are read again by reload, while connections go on") {
  const TlsCertificate first = authority.sign({"a.test"});
  const TlsCertificate second = authority.sign({"a.test", "b.test"});
  const File chain{first.chain};
  const File key{first.key};
  TlsContext server = serve({chain.path, key.path});
  in_thread([&] {
    TlsPair before{*loop, server, client, "a.test"};
    REQUIRE(!before.handshake());
    const auto old_print = before.client.peer_fingerprint().value();
    chain.write(second.chain);
    REQUIRE_THAT(what_throws([&] { server.reload(); }), support::contains(key.path));
    TlsPair unchanged{*loop, server, TlsContext{TlsClientOptions{.authorities = authority.pem()}},
                      "a.test"};
    REQUIRE(!unchanged.handshake());
    REQUIRE(unchanged.client.peer_fingerprint().value() == old_print);
    key.write(second.key);
    server.reload();
    TlsPair after{*loop, server, client, "b.test"};
    REQUIRE(!after.handshake());
    REQUIRE(after.client.peer_fingerprint().value() != old_print);
    REQUIRE(before.client.send("still here", long_time));
    REQUIRE(read_some(before.server) == "still here");
    TlsPair resumed{*loop, server, client, "a.test"};
    REQUIRE(!resumed.handshake());
  });
}

TEST_CASE_METHOD(CertificateFixture, "a client's authorities are read again by reload") {
  const Authority other{"another"};
  const File authorities{authority.pem()};
  TlsContext following{TlsClientOptions{.authorities = authorities.path}};
  const TlsContext server = serve(other.sign({"a.test"}));
  REQUIRE_THAT(ask(server, following, "a.test"), support::contains("certificate: "));
  authorities.write(other.pem());
  following.reload();
  REQUIRE(ask(server, following, "a.test").empty());
  authorities.write("nothing");
  REQUIRE_THAT(what_throws([&] { following.reload(); }), support::contains(authorities.path));
  REQUIRE(ask(server, following, "a.test").empty());
}

TEST_CASE_METHOD(CertificateFixture, "a context that can't be made says which file and why") {
  const TlsCertificate good = authority.sign({"a.test"});
  const TlsCertificate other = authority.sign({"a.test"});
  const auto why = [&](TlsCertificate certificate) {
    return what_throws([&] { (void)serve(std::move(certificate)); });
  };
  REQUIRE(why({"/nowhere/a.pem", good.key}) == "file '/nowhere/a.pem': No such file or directory");
  REQUIRE(why({good.chain, "/nowhere/a.key"}) ==
          "file '/nowhere/a.key': No such file or directory");
  REQUIRE(why({good.chain, other.key}) == "private key given as text: tls: key values mismatch");
  const File empty{""};
  REQUIRE_THAT(why({empty.path, good.key}),
               support::contains("certificate file '" + empty.path + "': tls: no start line"));
  REQUIRE_THAT(why({good.chain + "-----BEGIN CERTIFICATE-----\nrubbish\n", good.key}),
               support::contains("certificate given as text: tls: "));
  REQUIRE_THAT(why({good.chain, good.key, empty.path}),
               support::contains("OCSP response file '" + empty.path + "'"));
  REQUIRE(
      what_throws([] { const TlsContext none{TlsServerOptions{}}; }) ==
      "TlsServerOptions::certificates: a server needs a certificate; give TlsServerOptions one");
  REQUIRE_THAT(what_throws([&] {
                 const TlsContext bad{
                     TlsServerOptions{.certificates = {good}, .protocols = {"http/1.1", ""}}};
               }),
               support::contains("protocols: 1 to 255 bytes each"));
  TlsContext none;
  REQUIRE_THROWS_AS(none.reload(), std::system_error);
  REQUIRE_THROWS_AS(none.rotate_ticket_keys(), std::system_error);
  REQUIRE(none.counters().handshakes == 0);
  REQUIRE(!none.is_server());
}

TEST_CASE_METHOD(CertificateFixture, "an OCSP response is stapled for clients that ask") {
  const std::string response{"\x30\x03\x0a\x01\x03", 5};  // "try later"
  const File file{response};
  TlsCertificate certificate = authority.sign({"a.test"});
  certificate.ocsp = file.path;
  const TlsContext server = serve(certificate);
  const TlsContext curious{TlsClientOptions{.authorities = authority.pem(), .request_ocsp = true}};
  in_thread([&] {
    TlsPair asked{*loop, server, curious, "a.test"};
    REQUIRE(!asked.handshake());
    const auto stapled = asked.client.ocsp_response();
    REQUIRE(std::string{reinterpret_cast<const char*>(stapled.data()), stapled.size()} == response);
    TlsPair not_asked{*loop, server, client, "a.test"};
    REQUIRE(!not_asked.handshake());
    REQUIRE(not_asked.client.ocsp_response().empty());
    TlsPair without{*loop, serve(authority.sign({"a.test"})), curious, "a.test"};
    REQUIRE(!without.handshake());
    REQUIRE(without.client.ocsp_response().empty());
  });
}
