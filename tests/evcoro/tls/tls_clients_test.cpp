// TLS with the programs of others: openssl, gnutls-cli, curl; and those that look for weaknesses.
#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <evcoro/child.hpp>
#include <evcoro/io/buffered_reader.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/tls/socket.hpp>
#include <support/commands.hpp>
#include <support/contains.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::long_time;

namespace {

// Serves what answer says to the first line, up to its "\n".
class Server {
 public:
  template <class Answer>
  Server(Loop& loop, TlsContext context, Answer answer)
      : acceptor_(loop, Address::loopback(AF_INET, 0), [context, answer](Socket& socket) {
          TlsSocket tls{std::move(socket), context};
          BufferedReader reader{tls};
          while (const auto line = reader.read_line(long_time)) {
            if (!tls.send(answer(*line), long_time)) return;
          }
          (void)tls.close_notify(long_time);
        }) {}

  std::string port() const { return std::to_string(acceptor_.local_address().port()); }
  std::string address() const { return "127.0.0.1:" + port(); }
  void close() { acceptor_.close(); }

 private:
  TcpAcceptor acceptor_;
};

std::string echo(std::string_view line) { return "you said " + std::string{line} + "\n"; }

class ClientsFixture : public support::LoopFixture {
 public:
  std::string run_command(std::vector<std::string> arguments, std::string_view input = {}) {
    return support::run_command(std::move(arguments), input, &status);
  }

  // What a command writes to whom "hello" is said, until the answer to that has come, and it is
  // told to quit.
  std::string say_hello(std::vector<std::string> arguments) {
    support::skip_without_pidfd();
    Command command{.arguments = std::move(arguments),
                    .in = Redirect::socket(),
                    .out = Redirect::socket(),
                    .errors = Redirect::output(),
                    .kill_on_destruction = true};
    Child child = Child::start(command).value();
    REQUIRE(child.in().send("hello\n", long_time));
    BufferedReader reader{child.out()};
    std::string all;
    while (const auto line = reader.read_line(long_time)) {
      all.append(*line).append("\n");
      if (line->ends_with("you said hello")) (void)child.in().send("Q\n", long_time);
    }
    status = child.wait(long_time).value();
    return all;
  }

  support::Folder folder;
  support::Authority authority;
  const std::string authorities = folder.add("authority.pem", authority.pem());
  TlsServerOptions options{
      .certificates = {authority.sign({"localhost", "a.test"}), authority.sign({"b.test"})}};
  ExitStatus status;
};

}  // namespace

TEST_CASE_METHOD(ClientsFixture, "openssl s_client speaks each version and cipher with us") {
  const std::vector<std::vector<std::string>> ways{
      {"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"},
      {"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"},
      {"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"},
      {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"},
      {"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"},
      {"-tls1_2", "-groups", "P-256"},
  };
  in_thread([&] {
    Server server{*loop, TlsContext{options}, echo};
    for (const auto& way : ways) {
      std::vector<std::string> command{"openssl",          "s_client", "-connect",
                                       server.address(),   "-CAfile",  authorities,
                                       "-servername",      "a.test",   "-verify_return_error",
                                       "-verify_hostname", "a.test"};
      command.insert(command.end(), way.begin(), way.end());
      REQUIRE_THAT(say_hello(command), contains("you said hello") && contains("Verification: OK"));
    }
    server.close();
  });
}

TEST_CASE_METHOD(ClientsFixture, "openssl s_client is refused what is old and weak") {
  const std::vector<std::vector<std::string>> ways{
      {"-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"},
      {"-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"},
      {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"},  // CBC
      {"-tls1_2", "-cipher", "AES128-GCM-SHA256"},          // no forward secrecy
      {"-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"},
  };
  in_thread([&] {
    const TlsContext context{options};
    Server server{*loop, context, echo};
    for (const auto& way : ways) {
      std::vector<std::string> command{"openssl", "s_client", "-connect", server.address()};
      command.insert(command.end(), way.begin(), way.end());
      REQUIRE_THAT(run_command(command), contains("alert") && contains("Cipher is (NONE)"));
    }
    server.close();
    REQUIRE(context.counters().failed == ways.size());
  });
}

TEST_CASE_METHOD(ClientsFixture, "openssl s_client resumes its session") {
  in_thread([&] {
    const TlsContext context{options};
    Server server{*loop, context, echo};
    for (const auto* version : {"-tls1_2", "-tls1_3"}) {
      const std::string session = folder.path() + "/session" + version;
      const std::vector<std::string> command{
          "openssl", "s_client", "-connect", server.address(), "-servername", "a.test", version};
      auto first = command;
      first.insert(first.end(), {"-sess_out", session});
      REQUIRE_THAT(say_hello(first), contains("New, TLS"));
      auto second = command;
      second.insert(second.end(), {"-sess_in", session});
      REQUIRE_THAT(say_hello(second), contains("Reused, TLS"));
      auto other = command;
      other[5] = "b.test";
      other.insert(other.end(), {"-sess_in", session});
      REQUIRE_THAT(say_hello(other), contains("New, TLS"));
    }
    server.close();
  });
}

TEST_CASE_METHOD(ClientsFixture, "openssl s_client can't renegotiate") {
  in_thread([&] {
    Server server{*loop, TlsContext{options}, echo};
    const std::string said =
        run_command({"openssl", "s_client", "-connect", server.address(), "-tls1_2"}, "R\nhello\n");
    REQUIRE_THAT(said, contains("no renegotiation"));
    server.close();
  });
}

TEST_CASE_METHOD(ClientsFixture, "openssl s_client agrees on a protocol and gets a staple") {
  options.protocols = {"h2", "http/1.1"};
  options.certificates.front().ocsp = folder.add("ocsp", {"\x30\x03\x0a\x01\x03", 5});
  in_thread([&] {
    Server server{*loop, TlsContext{options}, echo};
    const auto with = [&](std::vector<std::string> more) {
      std::vector<std::string> command{"openssl", "s_client", "-connect", server.address()};
      command.insert(command.end(), more.begin(), more.end());
      return run_command(command, "Q\n");
    };
    REQUIRE_THAT(with({"-alpn", "http/1.1,spdy/1"}), contains("ALPN protocol: http/1.1"));
    REQUIRE_THAT(with({"-alpn", "spdy/1"}), contains("alert number 120"));
    REQUIRE_THAT(with({}), contains("No ALPN negotiated"));
    REQUIRE_THAT(with({"-status"}), contains("OCSP Response Status: trylater (0x3)"));
    server.close();
  });
}

TEST_CASE_METHOD(ClientsFixture, "gnutls-cli verifies us and talks") {
  in_thread([&] {
    Server server{*loop, TlsContext{options}, echo};
    for (const auto* versions :
         {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"}) {
      const std::vector<std::string> command{"gnutls-cli",     "127.0.0.1",    "-p",
                                             server.port(),    "--x509cafile", authorities,
                                             "--sni-hostname", "a.test",       "--verify-hostname",
                                             "a.test",         "--priority",   versions};
      REQUIRE_THAT(run_command(command, "hello\n"),
                   contains("you said hello") && contains("The certificate is trusted"));
      REQUIRE(status.succeeded());
    }
    server.close();
  });
}

TEST_CASE_METHOD(ClientsFixture, "curl verifies us by name and with a certificate of its own") {
  const TlsCertificate client = authority.sign({"a client"});
  const std::string certificate = folder.add("client.pem", client.chain + client.key);
  options.client_certificate = ClientCertificate::wanted;
  options.client_authorities = authority.pem();
  const auto answer = [](std::string_view line) {
    return std::string{line.empty() ? "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n" : ""};
  };
  in_thread([&] {
    const TlsContext context{options};
    Server server{*loop, context, answer};
    const auto ask = [&](const std::string& host, std::vector<std::string> more = {}) {
      std::vector<std::string> command{"curl",
                                       "-sS",
                                       "--cacert",
                                       authorities,
                                       "--max-time",
                                       "60",
                                       "--noproxy",
                                       "*",
                                       "--resolve",
                                       host + ":" + server.port() + ":127.0.0.1",
                                       "https://" + host + ":" + server.port() + "/"};
      command.insert(command.end(), more.begin(), more.end());
      return run_command(command);
    };
    REQUIRE(ask("a.test") == "hello\n");
    REQUIRE(ask("b.test", {"--tls-max", "1.2"}) == "hello\n");
    REQUIRE(ask("a.test", {"--cert", certificate}) == "hello\n");
    REQUIRE_THAT(ask("c.test"), contains("no alternative certificate subject name matches"));
    REQUIRE(context.counters().handshakes >= 3);
    server.close();
  });
}

TEST_CASE_METHOD(ClientsFixture, "we talk to openssl s_server and verify it") {
  support::skip_without_pidfd();
  const TlsCertificate its = authority.sign({"a.test"});
  const std::string certificate = folder.add("server.pem", its.chain);
  const std::string key = folder.add("server.key", its.key);
  in_thread([&] {
    const TlsContext context{
        TlsClientOptions{.authorities = authority.pem(), .protocols = {"echo"}}};
    for (const auto* version : {"-tls1_2", "-tls1_3"}) {
      Command command{.arguments = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
                                    certificate, "-key", key, "-alpn", "echo", "-rev", version},
                      .in = Redirect::socket(),
                      .out = Redirect::socket(),
                      .errors = Redirect::output(),
                      .kill_on_destruction = true};
      Child child = Child::start(command).value();
      BufferedReader output{child.out()};
      std::uint16_t port = 0;
      while (port == 0) {
        const std::string line{output.read_line(long_time).value()};
        if (line.starts_with("ACCEPT ")) {
          port = static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
        }
      }
      for (int i = 0; i < 2; ++i) {
        TlsSocket tls{connect(Address::loopback(AF_INET, port), long_time).value(), context,
                      "a.test"};
        REQUIRE(tls.send("olleh\n", long_time));
        BufferedReader reader{tls};
        REQUIRE(reader.read_line(long_time).value() == "hello");
        REQUIRE(tls.protocol() == "echo");
        REQUIRE(tls.is_resumed() == (i == 1));
        REQUIRE(tls.send("CLOSE\n", long_time));
        REQUIRE(reader.read_line(long_time).error() == Errc::end_of_file);
      }
      TlsSocket wrong{connect(Address::loopback(AF_INET, port), long_time).value(), context,
                      "b.test"};
      REQUIRE(is_certificate_error(wrong.handshake(long_time)));
    }
  });
}

TEST_CASE_METHOD(ClientsFixture, "sslscan finds nothing old and nothing weak") {
  in_thread([&] {
    Server server{*loop, TlsContext{options}, echo};
    const std::string found =
        run_command({"sslscan", "--no-colour", "--sni-name=a.test", server.address()});
    for (const auto* line :
         {"SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled",
          "TLSv1.2   enabled", "TLSv1.3   enabled", "Session renegotiation not supported"}) {
      REQUIRE_THAT(found, contains(line));
    }
    for (const auto* word : {"CBC", "-SHA ", "RC4", "DES", "Anonymous", " 0 bits", "ffdhe"}) {
      REQUIRE_THAT(found, !contains(word));
    }
    server.close();
  });
}

// testssl's client may leave before the ticket has come: then it has none to resume with.
bool is_missing_ticket(const std::string& line) {
  return line.starts_with("\"sessionresumption_ticket\"") &&
         line.find("\"WARN\",\"check failed because of connect problem\"") != line.npos;
}

TEST_CASE_METHOD(ClientsFixture, "testssl finds nothing but whose certificate it is") {
  if (support::running_on_valgrind() || support::under_sanitizer()) {
    support::skip("it takes half a minute of a server that isn't slow");
  }
  options.certificates = {authority.sign({.names = {"127.0.0.1"}, .ends_in_days = 90})};
  in_thread([&] {
    Server server{*loop, TlsContext{options}, echo};
    const std::string report = folder.path() + "/report";
    (void)run_command({"testssl", "--quiet", "--color", "0", "--csvfile", report, "--severity",
                       "LOW", "-p", "-s", "-f", "-S", "-U", server.address()});
    server.close();
    // "id","host","port","severity","finding",...: those about the certificate are a test's.
    std::ifstream file{report};
    int lines = 0;
    for (std::string line; std::getline(file, line); ++lines) {
      const bool is_expected = line.starts_with("\"id\"") || line.starts_with("\"cert_") ||
                               line.starts_with("\"DNS_CAArecord") ||
                               line.find("\"DEBUG\"") != line.npos ||
                               line.starts_with("\"engine_problem") || is_missing_ticket(line);
      INFO(line);
      CHECK(is_expected);
    }
    REQUIRE(lines > 1);
  });
}
