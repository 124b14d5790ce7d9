// HTTPS, by curl: a certificate that the server has made, and one that it is given.
#include <fstream>

#include <programs/web_server.hpp>
#include <support/folder.hpp>

using programs::curl;
using programs::WebServer;

namespace {

// Makes a certificate for this machine's loopback address, with its key, as name.pem and name.key.
void make_certificate(const support::TemporaryFolder& folder, const std::string& name) {
  const auto made = programs::run_other(
      "openssl",
      {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
       "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout",
       (folder / (name + ".key")).string(), "-out", (folder / (name + ".pem")).string()});
  INFO(made.output);
  REQUIRE(made.status == 0);
}

int status_of_curl(const WebServer& server, const std::string& authority) {
  return curl({"--cacert", authority, server.url("https", "/healthz")}).status;
}

}  // namespace

TEST_CASE("HTTPS works with a certificate that nobody vouches for") {
  const WebServer server;
  const std::string url = server.url("https", "/status.json");
  REQUIRE(curl({url}).status == 60);  // what curl says of a certificate that it can't verify
  const auto trusted = curl({"-k", url});
  REQUIRE(trusted.status == 0);
  REQUIRE(trusted.output.starts_with("{\"version\""));
  REQUIRE(curl({"-k", server.url("https", "/healthz")}).output == "ok\n");
  REQUIRE(server.number("https", "accepted") == 3);
}

TEST_CASE("HTTPS works with a certificate that the server is given") {
  const support::TemporaryFolder folder;
  make_certificate(folder, "own");
  const std::string certificate = (folder / "own.pem").string();
  const WebServer server{{"--certificate", certificate, "--key", (folder / "own.key").string()}};
  REQUIRE(status_of_curl(server, certificate) == 0);
  REQUIRE(server.output.find("curl https://") != std::string::npos);
}

TEST_CASE("HTTPS listens on an address with a zone") {
  if (!programs::has_ipv6()) support::skip("there is no IPv6 here");
  const WebServer server{{"--address", "::1%lo"}};
  REQUIRE(curl({"-k", server.url("https", "/healthz")}).output == "ok\n");
}

TEST_CASE("the key may be in the certificate's file") {
  const support::TemporaryFolder folder;
  make_certificate(folder, "own");
  folder.write("both.pem", folder.read("own.pem") + folder.read("own.key"));
  const WebServer server{{"--certificate", (folder / "both.pem").string()}};
  REQUIRE(status_of_curl(server, (folder / "own.pem").string()) == 0);
}

TEST_CASE("SIGHUP lets the server read its certificate again, and keep it if it can't") {
  const support::TemporaryFolder folder;
  make_certificate(folder, "old");
  make_certificate(folder, "new");
  folder.write("both.pem", folder.read("old.pem") + folder.read("old.key"));
  const WebServer server{{"--certificate", (folder / "both.pem").string()}};
  const std::string next = (folder / "new.pem").string();
  REQUIRE(status_of_curl(server, next) == 60);
  folder.write("both.pem", folder.read("new.pem") + folder.read("new.key"));
  server.signal(SIGHUP);
  REQUIRE(programs::eventually([&] { return status_of_curl(server, next) == 0; }));
  folder.write("both.pem", "nonsense");
  server.signal(SIGHUP);
  REQUIRE(status_of_curl(server, next) == 0);
}
