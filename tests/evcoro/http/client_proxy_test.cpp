// The client behind a proxy: absolute targets, tunnels.
#include <evcoro/http/error.hpp>
#include <evcoro/net/happy_eyeballs.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::long_time;
using support::LoopFixture;
using support::receive_request;
using support::say;
using support::ScriptedServer;

namespace {

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// A layer that is no TLS, but needs a socket, and a knock.
Result<OwnedStream> knock(Socket socket, const Url& url, Timeout timeout) {
  const std::string text = "knock " + url.host + "\n";
  if (const auto error = socket.send(text, timeout).error) return error;
  return OwnedStream{std::move(socket)};
}

ClientOptions by(const ScriptedServer& proxy) {
  ClientOptions options;
  options.proxy = ProxySettings{.http = proxy.address().to_string(),
                                .https = "http://" + proxy.address().to_string(),
                                .exceptions = "direct.test"};
  options.secure = knock;
  return options;
}

std::string receive_line(Socket& socket) {
  std::string line;
  while (!line.ends_with('\n')) {
    const auto in = support::receive(socket, 1);
    if (in.text.empty()) return "(end) " + line;
    line += in.text;
  }
  return line;
}

// Answers one request, in the tunnel if that is what it asks for.
void play_proxy(Socket& socket, std::vector<std::string>& seen) {
  const std::string head = seen.emplace_back(receive_request(socket));
  if (!head.starts_with("CONNECT ")) return say(socket, ok);
  say(socket, "HTTP/1.1 200 Established\r\n\r\n");
  receive_line(socket);
  seen.push_back(receive_request(socket));
  say(socket, ok);
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client proxies: are asked for the whole URL") {
  in_thread([&] {
    std::vector<std::string> requests;
    ScriptedServer proxy{*loop, [&](Socket& socket, int) {
                           while (!requests.emplace_back(receive_request(socket)).empty()) {
                             say(socket, ok);
                           }
                         }};
    Client client{by(proxy)};
    CHECK(client.get("http://example.org/a?b", long_time)->read_body().value() == "ok");
    CHECK(client.get("http://Other.test:8080", long_time)->read_body().value() == "ok");
    REQUIRE(requests.size() == 2);
    CHECK(requests[0] == "GET http://example.org/a?b HTTP/1.1\r\nHost: example.org\r\n\r\n");
    CHECK(requests[1] == "GET http://other.test:8080/ HTTP/1.1\r\nHost: other.test:8080\r\n\r\n");
    CHECK(proxy.connections() == 1);  // for all hosts
    CHECK(client.idle() == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "client proxies: make tunnels") {
  in_thread([&] {
    std::vector<std::string> seen;
    ScriptedServer proxy{*loop, [&](Socket& socket, int) {
                           seen.push_back(receive_request(socket));
                           // What it says of a body means nothing.
                           say(socket, "HTTP/1.1 200 Established\r\nContent-Length: 5\r\n\r\n");
                           seen.push_back(receive_line(socket));
                           while (!seen.emplace_back(receive_request(socket)).empty()) {
                             say(socket, ok);
                           }
                         }};
    auto options = by(proxy);
    options.user_agent = "evcoro";
    Client client{options};
    CHECK(client.get("https://example.org/a", long_time)->read_body().value() == "ok");
    CHECK(client.get("https://example.org/b", long_time)->read_body().value() == "ok");
    CHECK(proxy.connections() == 1);
    REQUIRE(seen.size() == 4);
    CHECK(
        seen[0] ==
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nUser-Agent: evcoro\r\n\r\n");
    CHECK(seen[1] == "knock example.org\n");
    CHECK(seen[2].starts_with("GET /a HTTP/1.1\r\nHost: example.org\r\n"));
    CHECK(seen[3].starts_with("GET /b HTTP/1.1\r\n"));
    CHECK(client.get("https://other.test:8443/", long_time)->read_body().value() == "ok");
    CHECK(proxy.connections() == 2);  // each host has its own
    CHECK(client.open() == 2);
  });
}

TEST_CASE_METHOD(LoopFixture, "client proxies: what authorizes there is for nobody else") {
  in_thread([&] {
    std::vector<std::string> seen;
    ScriptedServer proxy{*loop, [&](Socket& socket, int) { play_proxy(socket, seen); }};
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            seen.push_back(receive_request(socket));
                            say(socket,
                                "HTTP/1.1 302 Found\r\nLocation: http://proxied.test/\r\n"
                                "Content-Length: 0\r\n\r\n");
                          }};
    auto options = by(proxy);
    options.connect = [&](const std::string& host, std::uint16_t port, Timeout timeout) {
      return host == "direct.test" ? connect(server.address(), timeout)
                                   : connect(host, port, timeout);
    };
    Client client{options};
    for (const char* url : {"https://a.test/", "http://direct.test/"}) {
      ClientRequest request{.url = url};
      request.fields.add("Proxy-Authorization", "Basic abc");
      CHECK(client.send(request, long_time)->read_body().value() == "ok");
    }
    const std::string_view field = "\r\nProxy-Authorization: Basic abc\r\n";
    const auto has_it = [&](std::size_t i) { return seen.at(i).find(field) != std::string::npos; };
    REQUIRE(seen.size() == 4);
    CHECK(has_it(0));
    CHECK(!has_it(1));  // in the tunnel
    CHECK(!has_it(2));  // without a proxy
    CHECK(has_it(3));   // where that has led to
  });
}

TEST_CASE_METHOD(LoopFixture,
                 "client proxies: user and password of the setting are told them only") {
  in_thread([&] {
    std::vector<std::string> seen;
    ScriptedServer proxy{*loop, [&](Socket& socket, int) { play_proxy(socket, seen); }};
    ScriptedServer server{*loop, [&](Socket& socket, int) {
                            seen.push_back(receive_request(socket));
                            say(socket, ok);
                          }};
    ClientOptions options;
    options.secure = knock;
    options.connect = [&](const std::string& host, std::uint16_t port, Timeout timeout) {
      CHECK(host.find('@') == std::string::npos);
      return host == "direct.test" ? connect(server.address(), timeout)
                                   : connect(host, port, timeout);
    };
    const std::string setting = "http://user:a%20word@" + proxy.address().to_string();
    ::setenv("http_proxy", setting.c_str(), 1);
    ::setenv("https_proxy", setting.c_str(), 1);
    ::setenv("no_proxy", "direct.test", 1);
    Client client{options};
    for (const char* name : {"http_proxy", "https_proxy", "no_proxy"}) ::unsetenv(name);
    for (const char* url : {"http://a.test/", "https://a.test/", "http://direct.test/"}) {
      auto response = client.get(url, long_time).value();
      CHECK(response.url().to_string() == url);
      CHECK(response.read_body().value() == "ok");
    }
    ClientRequest own{.url = "http://a.test/"};
    own.fields.add("proxy-authorization", "Basic own");
    CHECK(client.send(own, long_time)->read_body().value() == "ok");
    const std::string name = "\r\nProxy-Authorization: ";
    const auto tells = [&](std::size_t i, const std::string& value) {
      return seen.at(i).find(name + value + "\r\n") != std::string::npos;
    };
    const auto tells_nothing = [&](std::size_t i) {
      return seen.at(i).find("uthorization") == std::string::npos &&
             seen.at(i).find("word") == std::string::npos;
    };
    REQUIRE(seen.size() == 5);
    CHECK(tells(0, "Basic dXNlcjphIHdvcmQ="));
    CHECK(seen[1].starts_with("CONNECT a.test:443 "));
    CHECK(tells(1, "Basic dXNlcjphIHdvcmQ="));
    CHECK(tells_nothing(2));  // in the tunnel
    CHECK(tells_nothing(3));  // without a proxy
    CHECK(tells(4, "Basic own"));
    CHECK(!tells(4, "Basic dXNlcjphIHdvcmQ="));
  });
}

// A tunnel is its user's: what the proxy lets one do is not for all.
TEST_CASE_METHOD(LoopFixture, "client proxies: a tunnel is for whom it was made") {
  in_thread([&] {
    std::vector<std::string> seen;
    ScriptedServer proxy{*loop, [&](Socket& socket, int) {
                           seen.push_back(receive_request(socket));
                           say(socket, "HTTP/1.1 200 Established\r\n\r\n");
                           receive_line(socket);
                           while (!receive_request(socket).empty()) say(socket, ok);
                         }};
    Client client{by(proxy)};
    for (const char* user : {"Basic a", "Basic a", "Basic b", "", "Basic a"}) {
      ClientRequest request{.url = "https://example.org/"};
      if (*user != '\0') request.fields.add("Proxy-Authorization", user);
      CHECK(client.send(request, long_time)->read_body().value() == "ok");
    }
    REQUIRE(seen.size() == 3);
    CHECK(seen[0].find("Proxy-Authorization: Basic a\r\n") != std::string::npos);
    CHECK(seen[1].find("Proxy-Authorization: Basic b\r\n") != std::string::npos);
    CHECK(seen[2].find("Proxy-Authorization") == std::string::npos);
  });
}

TEST_CASE_METHOD(LoopFixture, "client proxies: tunnels that aren't made") {
  const std::pair<std::string, std::error_code> cases[] = {
      {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
       http::Errc::proxy_refused},
      {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n", http::Errc::proxy_refused},
      {"HTTP/1.1 302 Found\r\nLocation: https://evil/\r\n\r\n", http::Errc::proxy_refused},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", http::Errc::proxy_refused},
      {"HTTP/1.1 200 OK\r\n\r\nwhat the server can't have said", http::Errc::malformed},
      {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", http::Errc::malformed},
      {"SSH-2.0-OpenSSH\r\n", http::Errc::malformed},
      {"HTTP/1.1 200 OK\r\n", evcoro::Errc::unexpected_end},
      {"", evcoro::Errc::unexpected_end},
  };
  in_thread([&] {
    for (const auto& [answer, error] : cases) {
      INFO(answer);
      ScriptedServer proxy{*loop, [&, &answer = answer](Socket& socket, int) {
                             receive_request(socket);
                             say(socket, answer);
                           }};
      Client client{by(proxy)};
      CHECK(client.get("https://example.org/", long_time).error() == error);
      CHECK(client.open() == 0);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client proxies: a tunnel that takes too long") {
  in_thread([&] {
    ScriptedServer proxy{*loop, [&](Socket& socket, int) {
                           while (!support::receive(socket).text.empty()) {
                           }
                         }};
    auto options = by(proxy);
    options.connect_timeout = 20ms;
    Client client{options};
    CHECK(client.get("https://example.org/", long_time).error() == std::errc::timed_out);
    CHECK(client.open() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client proxies: exceptions and settings that can't be read") {
  in_thread([&] {
    ScriptedServer proxy{*loop, [](Socket&, int) {}};
    ScriptedServer server{*loop, [](Socket& socket, int) {
                            CHECK(receive_request(socket).starts_with("GET / HTTP/1.1\r\n"));
                            say(socket, ok);
                          }};
    auto options = by(proxy);
    std::string asked;
    options.connect = [&](const std::string& host, std::uint16_t, Timeout timeout) {
      asked = host;
      return connect(server.address(), timeout);
    };
    Client client{options};
    CHECK(client.get("http://sub.direct.test/", long_time)->read_body().value() == "ok");
    CHECK(asked == "sub.direct.test");
    options.proxy->http = "socks5://a";
    Client confused{options};
    CHECK(confused.get("http://a/", long_time).error() == http::Errc::invalid_proxy);
    CHECK(proxy.connections() == 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "client proxies: redirects choose anew") {
  in_thread([&] {
    ScriptedServer proxy{*loop, [](Socket& socket, int) {
                           receive_request(socket);
                           say(socket,
                               "HTTP/1.1 302 Found\r\nLocation: http://direct.test/x\r\n"
                               "Content-Length: 0\r\n\r\n");
                         }};
    ScriptedServer server{*loop, [](Socket& socket, int) {
                            CHECK(receive_request(socket).starts_with("GET /x HTTP/1.1\r\n"));
                            say(socket, ok);
                          }};
    auto options = by(proxy);
    options.connect = [&](const std::string& host, std::uint16_t port, Timeout timeout) {
      return host == "direct.test" ? connect(server.address(), timeout)
                                   : connect(host, port, timeout);
    };
    Client client{options};
    CHECK(client.get("http://example.org/", long_time)->read_body().value() == "ok");
  });
}
