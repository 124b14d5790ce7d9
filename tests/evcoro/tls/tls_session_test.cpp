// Sessions: resumed by tickets and ids, for the same name only, as long as the keys are known.
#include <openssl/ssl.h>

#include <atomic>
#include <evcoro/tls/socket.hpp>
#include <vector>

#include <support/files.hpp>
#include <support/group.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::read_some;
using support::TlsPair;

namespace {

class SessionFixture : public support::LoopFixture {
 public:
  support::Authority authority;
  TlsServerOptions server_options{
      .certificates = {authority.sign({"a.test", "b.test"}), authority.sign({"c.test"})}};
  TlsClientOptions client_options{.authorities = authority.pem()};

  // Whether a connection to name was resumed. Something is sent both ways: TLS 1.3's tickets come
  // behind the handshake.
  bool is_resumed(const TlsContext& server, const TlsContext& client, std::string_view name) {
    bool resumed = false;
    in_thread([&] {
      TlsPair pair{*loop, server, client, name};
      REQUIRE(!pair.handshake());
      REQUIRE(pair.server.send("hello", long_time));
      REQUIRE(read_some(pair.client) == "hello");
      resumed = pair.client.is_resumed();
      REQUIRE(pair.server.is_resumed() == resumed);
      REQUIRE(pair.server.server_name() == name);
      REQUIRE(pair.client.peer_subject().starts_with("CN="));
    });
    return resumed;
  }
};

// A client that takes one server for another. Sessions are kept by name and port, and the ports of
// tests are always new: so this hands a session over itself.
bool is_resumed_for(support::LoopFixture& fixture, const TlsContext& server,
                    const TlsContext& first, std::string_view name, const TlsContext& second,
                    std::string_view other_name) {
  bool resumed = false;
  fixture.in_thread([&] {
    TlsPair one{*fixture.loop, server, first, name};
    REQUIRE(!one.handshake());
    REQUIRE(one.server.send("hello", long_time));
    REQUIRE(read_some(one.client) == "hello");
    SSL_SESSION* const session = SSL_get1_session(one.client.native_handle());
    REQUIRE(session != nullptr);
    one.client.close();
    TlsPair two{*fixture.loop, server, second, other_name};
    REQUIRE(SSL_set_session(two.client.native_handle(), session) == 1);
    SSL_SESSION_free(session);
    REQUIRE(!two.handshake());
    resumed = two.server.is_resumed();
    REQUIRE((resumed || two.server.server_name() == other_name));
  });
  return resumed;
}

}  // namespace

TEST_CASE_METHOD(SessionFixture, "a client resumes its session by a ticket") {
  for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
    client_options.highest_version = version;
    const TlsContext server{server_options};
    const TlsContext client{client_options};
    REQUIRE(!is_resumed(server, client, "a.test"));
    REQUIRE(is_resumed(server, client, "a.test"));
    REQUIRE(is_resumed(server, client, "a.test"));
    REQUIRE(!is_resumed(server, client, "b.test"));  // another session
    REQUIRE(is_resumed(server, client, "b.test"));
    REQUIRE(server.counters().handshakes == 5);
    REQUIRE(server.counters().resumed == 3);
    REQUIRE(client.counters().resumed == 3);
  }
}

TEST_CASE_METHOD(SessionFixture,
                 "a client resumes its session by an id where there are no tickets") {
  server_options.ticket_key_lifetime = 0s;
  for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
    client_options.highest_version = version;
    const TlsContext server{server_options};
    const TlsContext client{client_options};
    REQUIRE(!is_resumed(server, client, "a.test"));
    REQUIRE(is_resumed(server, client, "a.test"));
  }
}

TEST_CASE_METHOD(SessionFixture, "sessions can be turned off on either side") {
  const TlsContext client{client_options};
  server_options.ticket_key_lifetime = 0s;
  server_options.kept_sessions = 0;
  const TlsContext forgetful{server_options};
  REQUIRE(!is_resumed(forgetful, client, "a.test"));
  REQUIRE(!is_resumed(forgetful, client, "a.test"));
  client_options.kept_sessions = 0;
  const TlsContext server{TlsServerOptions{.certificates = server_options.certificates}};
  const TlsContext forgetful_client{client_options};
  REQUIRE(!is_resumed(server, forgetful_client, "a.test"));
  REQUIRE(!is_resumed(server, forgetful_client, "a.test"));
}

TEST_CASE_METHOD(SessionFixture, "tickets outlive one change of their key and no second") {
  TlsContext server{server_options};
  const TlsContext client{client_options};
  REQUIRE(!is_resumed(server, client, "a.test"));
  server.rotate_ticket_keys();
  REQUIRE(is_resumed(server, client, "a.test"));
  server.rotate_ticket_keys();
  REQUIRE(is_resumed(server, client, "a.test"));  // it was renewed
  server.rotate_ticket_keys();
  server.rotate_ticket_keys();
  REQUIRE(!is_resumed(server, client, "a.test"));
}

TEST_CASE_METHOD(SessionFixture, "sessions outlive a reload of the server's certificates") {
  for (const auto lifetime : {0h, 12h}) {
    server_options.ticket_key_lifetime = lifetime;
    TlsContext server{server_options};
    const TlsContext client{client_options};
    REQUIRE(!is_resumed(server, client, "a.test"));
    server.reload();
    REQUIRE(is_resumed(server, client, "a.test"));
  }
}

TEST_CASE_METHOD(SessionFixture, "a client that reads its authorities anew forgets its sessions") {
  const TlsContext server{server_options};
  TlsContext client{client_options};
  REQUIRE(!is_resumed(server, client, "a.test"));
  client.reload();
  REQUIRE(!is_resumed(server, client, "a.test"));
}

TEST_CASE_METHOD(SessionFixture, "a session is resumed under the name only that it was made for") {
  for (const auto lifetime : {0h, 12h}) {
    for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
      server_options.ticket_key_lifetime = lifetime;
      client_options.highest_version = version;
      client_options.kept_sessions = 0;
      const TlsContext server{server_options};
      const TlsContext client{client_options};
      REQUIRE(is_resumed_for(*this, server, client, "a.test", client, "a.test"));
      REQUIRE(is_resumed_for(*this, server, client, "a.test", client, "A.test"));
      REQUIRE(!is_resumed_for(*this, server, client, "a.test", client, "b.test"));
      REQUIRE(!is_resumed_for(*this, server, client, "a.test", client, "c.test"));
    }
  }
}

TEST_CASE_METHOD(SessionFixture, "a session gets nobody by whose authority has been dropped") {
  const support::Authority of_clients{"of clients"};
  const support::Authority another{"another"};
  const support::File authorities{of_clients.pem()};
  server_options.client_authorities = authorities.path;
  server_options.client_certificate = ClientCertificate::required;
  client_options.certificates = {of_clients.sign({"a client"})};
  for (const auto lifetime : {0h, 12h}) {
    for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
      server_options.ticket_key_lifetime = lifetime;
      client_options.highest_version = version;
      authorities.write(of_clients.pem());
      TlsContext server{server_options};
      const TlsContext client{client_options};
      REQUIRE(!is_resumed(server, client, "a.test"));
      REQUIRE(is_resumed(server, client, "a.test"));
      server.reload();
      REQUIRE(is_resumed(server, client, "a.test"));
      authorities.write(another.pem());
      server.reload();
      in_thread([&] {
        TlsPair pair{*loop, server, client, "a.test"};
        (void)pair.handshake();
        REQUIRE(is_certificate_error(pair.server_error));
        REQUIRE(!pair.server.is_resumed());
      });
    }
  }
}

TEST_CASE_METHOD(SessionFixture, "a ticket that comes after a reload of authorities is not kept") {
  const support::Authority another{"another"};
  const support::File authorities{authority.pem()};
  client_options.authorities = authorities.path;
  const TlsContext server{server_options};
  TlsContext client{client_options};
  in_thread([&] {
    TlsPair before{*loop, server, client, "a.test"};
    REQUIRE(!before.handshake());
    authorities.write(another.pem());
    client.reload();
    REQUIRE(before.server.send("with tickets", long_time));
    REQUIRE(read_some(before.client) == "with tickets");
    TlsPair after{*loop, server, client, "a.test"};
    REQUIRE(is_certificate_error(after.handshake()));
  });
}

TEST_CASE_METHOD(SessionFixture,
                 "a session is bound to a name that no certificate is for as well") {
  client_options = {.verify = false, .kept_sessions = 0, .highest_version = TlsVersion::tls12};
  const TlsContext server{server_options};
  const TlsContext client{client_options};
  REQUIRE(is_resumed_for(*this, server, client, "x.unknown", client, "x.unknown"));
  REQUIRE(!is_resumed_for(*this, server, client, "x.unknown", client, "y.unknown"));
}

TEST_CASE_METHOD(SessionFixture, "a ticket is renewed as often as its key changes") {
  for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
    client_options.highest_version = version;
    TlsContext server{server_options};
    const TlsContext client{client_options};
    REQUIRE(!is_resumed(server, client, "a.test"));
    for (int i = 0; i < 4; ++i) {
      server.rotate_ticket_keys();
      REQUIRE(is_resumed(server, client, "a.test"));
    }
  }
}

TEST_CASE_METHOD(SessionFixture, "keys of tickets may live as long as the clock can tell") {
  server_options.ticket_key_lifetime = std::chrono::seconds::max();
  const TlsContext server{server_options};
  const TlsContext client{client_options};
  REQUIRE(!is_resumed(server, client, "a.test"));
  REQUIRE(is_resumed(server, client, "a.test"));
}

TEST_CASE_METHOD(SessionFixture, "a context serves several OS threads while it is reloaded") {
  const support::File chain{server_options.certificates.front().chain};
  server_options.certificates.front().chain = chain.path;
  server_options.certificates.resize(1);
  TlsContext server{server_options};
  TlsContext client{client_options};
  LoopGroup group{support::group_options(2)};
  std::atomic<int> left{2};
  std::vector<RemoteThread<int>> threads;
  for (std::size_t i = 0; i < 2; ++i) {
    threads.push_back(group.spawn_on(i, [&] {
      int made = 0;
      for (int round = 0; round < 10; ++round) {
        TlsPair pair{*Loop::current(), server, client, "a.test"};
        if (!pair.handshake() && pair.server.send("hello", long_time)) {
          made += read_some(pair.client) == "hello" ? 1 : 0;
        }
      }
      --left;
      return made;
    }));
  }
  while (left != 0) {
    server.reload();
    server.rotate_ticket_keys();
    client.reload();
  }
  for (auto& thread : threads) REQUIRE(thread.join(long_time).value() == 10);
}

TEST_CASE_METHOD(SessionFixture, "a client keeps so many sessions and forgets the oldest") {
  server_options.certificates = {authority.sign({"*.x.test"})};
  client_options.kept_sessions = 2;
  client_options.highest_version = TlsVersion::tls12;  // a session is good for several connections
  const TlsContext server{server_options};
  const TlsContext client{client_options};
  REQUIRE(!is_resumed(server, client, "a.x.test"));
  REQUIRE(!is_resumed(server, client, "b.x.test"));
  REQUIRE(is_resumed(server, client, "a.x.test"));
  REQUIRE(!is_resumed(server, client, "c.x.test"));
  REQUIRE(!is_resumed(server, client, "b.x.test"));
}
