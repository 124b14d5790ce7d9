// URLs and proxies of the client: what is what, without a network.
#include <cstdlib>

#include <evcoro/http/error.hpp>
#include <evcoro/http/proxy.hpp>
#include <evcoro/http/url.hpp>
#include <support/http.hpp>

using namespace evcoro::http;

TEST_CASE("urls: are taken apart") {
  struct Case {
    const char* text;
    bool is_secure;
    const char* host;
    int port;
    const char* target;
    const char* authority;
  };
  const Case cases[] = {
      {"http://example.org", false, "example.org", 80, "/", "example.org"},
      {"HTTP://Example.ORG/", false, "example.org", 80, "/", "example.org"},
      {"https://example.org/a/b?c=d&e", true, "example.org", 443, "/a/b?c=d&e", "example.org"},
      {"http://example.org:8080?x", false, "example.org", 8080, "/?x", "example.org:8080"},
      {"http://example.org:/a", false, "example.org", 80, "/a", "example.org"},
      {"http://example.org:80/a#frag ment", false, "example.org", 80, "/a", "example.org"},
      {"https://example.org:80", true, "example.org", 80, "/", "example.org:80"},
      {"http://10.0.0.1:65535/%7e", false, "10.0.0.1", 65535, "/%7e", "10.0.0.1:65535"},
      {"http://[::1]/", false, "::1", 80, "/", "[::1]"},
      {"https://[2001:DB8::1]:8443/", true, "2001:db8::1", 8443, "/", "[2001:db8::1]:8443"},
      {"http://a_b-c.d/x@y:z//", false, "a_b-c.d", 80, "/x@y:z//", "a_b-c.d"},
  };
  for (const Case& each : cases) {
    INFO(each.text);
    const auto url = parse_url(each.text);
    REQUIRE(url);
    CHECK(url->is_secure == each.is_secure);
    CHECK(url->host == each.host);
    CHECK(url->port == each.port);
    CHECK(url->target == each.target);
    CHECK(url->authority() == each.authority);
    CHECK(parse_url(url->to_string())->to_string() == url->to_string());
  }
}

TEST_CASE("urls: what is none") {
  using namespace std::string_view_literals;
  const std::pair<std::string_view, Errc> cases[] = {
      {"", Errc::invalid_url},
      {"example.org", Errc::invalid_url},
      {"/a", Errc::invalid_url},
      {"//example.org/", Errc::invalid_url},
      {"http:/example.org/", Errc::invalid_url},
      {"http:example.org", Errc::invalid_url},
      {"http://", Errc::invalid_url},
      {"http:///a", Errc::invalid_url},
      {"http://:80/", Errc::invalid_url},
      {"http://a:0/", Errc::invalid_url},
      {"http://a:65536/", Errc::invalid_url},
      {"http://a:+1/", Errc::invalid_url},
      {"http://a:8x/", Errc::invalid_url},
      {"http://a:1:2/", Errc::invalid_url},
      {"http://[::1/", Errc::invalid_url},
      {"http://[::1]x/", Errc::invalid_url},
      {"http://[1.2.3.4]/", Errc::invalid_url},
      {"http://[fe80::1%25eth0]/", Errc::invalid_url},
      {"http://[[::1]]/", Errc::invalid_url},
      {"http://::1/", Errc::invalid_url},
      {"http://a b/", Errc::invalid_url},
      {"http://a%20b/", Errc::invalid_url},
      {"http://caf\xc3\xa9/", Errc::invalid_url},
      {"http://a/b c", Errc::invalid_url},
      {"http://a/b\r\nEvil: c", Errc::invalid_url},
      {"http://a/b\tc", Errc::invalid_url},
      {"http://a/\0"sv, Errc::invalid_url},
      {"http://a/\x7f", Errc::invalid_url},
      {"http://a/\xc3\xa9", Errc::invalid_url},
      {"http://a/%2", Errc::invalid_url},
      {"http://a/%zz", Errc::invalid_url},
      {"http://a/<b>", Errc::invalid_url},
      {"http://a\\b/", Errc::invalid_url},
      {"http://user@a/", Errc::userinfo_in_url},
      {"http://user:secret@a/", Errc::userinfo_in_url},
      {"http://good.org@evil.org/", Errc::userinfo_in_url},
      {"ftp://a/", Errc::unknown_scheme},
      {"file:///etc/passwd", Errc::unknown_scheme},
      {"httpss://a/", Errc::unknown_scheme},
  };
  for (const auto& [text, error] : cases) {
    INFO(text);
    CHECK(parse_url(text).error() == error);
  }
}

// RFC 3986, 5.4, as far as it is about http.
TEST_CASE("urls: references") {
  const auto base = parse_url("http://a/b/c/d;p?q").value();
  const std::pair<const char*, const char*> cases[] = {
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},
      {";x", "http://a/b/c/;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"https://Other:8443/x", "https://other:8443/x"},
      {"/caf\xc3\xa9 au lait", "http://a/caf%C3%A9%20au%20lait"},
      {"//other:81?z", "http://other:81/?z"},
      {"/x[1]?y[]=2", "http://a/x%5B1%5D?y%5B%5D=2"},
      {"x?[", "http://a/b/c/x?%5B"},
      {"http://[::1]/x[1]", "http://[::1]/x%5B1%5D"},
      {"//[::1]:81?[]", "http://[::1]:81/?%5B%5D"},
      {"http://b/x/../y?/../z", "http://b/y?/../z"},
      {"//b/./x/..", "http://b/"},
  };
  for (const auto& [reference, expected] : cases) {
    INFO(reference);
    const auto url = resolve_url(base, reference);
    REQUIRE(url);
    CHECK(url->to_string() == expected);
  }
  CHECK(resolve_url(base, "mailto:a@b").error() == Errc::unknown_scheme);
  CHECK(resolve_url(base, "//user@b/").error() == Errc::userinfo_in_url);
  CHECK(resolve_url(base, "http://[::1").error() == Errc::invalid_url);
  CHECK(resolve_url(base, "//b[/").error() == Errc::invalid_url);
  CHECK(resolve_url(base, "/a\tb").error() == Errc::invalid_url);
  CHECK(resolve_url(base, "http://a b/").error() == Errc::invalid_url);
}

TEST_CASE("proxies: which requests go by one") {
  const ProxySettings settings{.http = "Proxy.test:3128",
                               .https = "http://tunnel.test/",
                               .exceptions = "localhost, .internal,10.0.0.1,a.b:81,::1"};
  const auto by = [&](std::string_view text) {
    const auto proxy = settings.proxy_for(parse_url(text).value()).value();
    return proxy ? proxy->url.authority_with_port() : "direct";
  };
  CHECK(by("http://example.org/") == "proxy.test:3128");
  CHECK(by("https://example.org/") == "tunnel.test:80");
  CHECK(by("http://localhost:99/") == "direct");
  CHECK(by("https://LOCALHOST/") == "direct");
  CHECK(by("http://notlocalhost/") == "proxy.test:3128");
  CHECK(by("http://internal/") == "direct");
  CHECK(by("http://a.internal/") == "direct");
  CHECK(by("http://ainternal/") == "proxy.test:3128");
  CHECK(by("http://localhost./") == "direct");
  CHECK(by("http://a.internal.:99/") == "direct");
  CHECK(by("http://a.b.:81/") == "direct");
  CHECK(by("http://10.0.0.1/") == "direct");
  CHECK(by("http://10.0.0.10/") == "proxy.test:3128");
  CHECK(by("http://a.b:81/") == "direct");
  CHECK(by("http://a.b/") == "proxy.test:3128");
  CHECK(by("http://[::1]:8080/") == "direct");
  CHECK(by("http://[::2]/") == "proxy.test:3128");
}

TEST_CASE("proxies: none all excepted and settings that can't be read") {
  const auto url = parse_url("http://example.org/").value();
  CHECK(!ProxySettings{}.proxy_for(url).value());
  CHECK(!ProxySettings{.http = "a", .exceptions = "*"}.proxy_for(url).value());
  for (const char* bad :
       {"https://a", "socks5://a", "a b", "a/path", ":1", "https://u:p@a", "u:p@", "u:p@a/path"}) {
    INFO(bad);
    CHECK(ProxySettings{.http = bad}.proxy_for(url).error() == Errc::invalid_proxy);
  }
}

TEST_CASE("proxies: a user and a password are for the proxy") {
  const auto url = parse_url("http://example.org/").value();
  const auto authorization = [&](std::string setting) {
    const auto proxy = ProxySettings{.http = std::move(setting)}.proxy_for(url).value().value();
    CHECK(proxy.url.to_string() == "http://proxy.test:3128/");
    return proxy.authorization;
  };
  CHECK(authorization("proxy.test:3128").empty());
  CHECK(authorization("Aladdin:open%20sesame@proxy.test:3128") ==
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617, 2
  CHECK(authorization("http://user:pw@proxy.test:3128") == "Basic dXNlcjpwdw==");
  CHECK(authorization("http://user:@proxy.test:3128/") == "Basic dXNlcjo=");
  CHECK(authorization("user@proxy.test:3128") == "Basic dXNlcjo=");  // as curl has it
  CHECK(authorization(":pw@proxy.test:3128") == "Basic OnB3");
  CHECK(authorization("@proxy.test:3128") == "Basic Og==");
  CHECK(authorization("a:b:%3a@proxy.test:3128") == "Basic YTpiOjo=");
  CHECK(authorization("a:%40%2F%23%3f%25@proxy.test:3128") == "Basic YTpALyM/JQ==");
  CHECK(authorization("test:123%C2%A3@proxy.test:3128") == "Basic dGVzdDoxMjPCow==");  // 2.1
  CHECK(authorization("a:!$&'()*+,;=-._~@proxy.test:3128") == "Basic YTohJCYnKCkqKyw7PS0uX34=");
  for (const char* bad : {"a%3ab:c", "a:b%0d%0a", "a:%00", "a:%09", "a%7f:b", "a:%", "a:%2",
                          "a:%zz", "a:b@c", "a b:c", "a:b#c", "a:1#", "a:b/c", "a:1/", "a:b?c",
                          "a:b\\c", "a:[b]", "a:\xc2\xa3", "a:b\r\nX: y"}) {
    INFO(bad);
    const ProxySettings settings{.http = std::string{bad} + "@proxy.test:3128"};
    CHECK(settings.proxy_for(url).error() == Errc::invalid_proxy);
  }
}

// The test is a process of its own.
TEST_CASE("proxies: the environment") {
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy"}) ::unsetenv(name);
  ::setenv("HTTP_PROXY", "evil:1", 1);  // what a client of CGI can set
  ::setenv("HTTPS_PROXY", "upper:1", 1);
  ::setenv("NO_PROXY", "a", 1);
  ProxySettings settings = ProxySettings::from_environment();
  CHECK(settings.http.empty());
  CHECK(settings.https == "upper:1");
  CHECK(settings.exceptions == "a");
  ::setenv("http_proxy", "lower:2", 1);
  ::setenv("https_proxy", "lower:3", 1);
  ::setenv("no_proxy", "b", 1);
  settings = ProxySettings::from_environment();
  CHECK(settings.http == "lower:2");
  CHECK(settings.https == "lower:3");
  CHECK(settings.exceptions == "b");
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy"}) ::unsetenv(name);
  for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}) ::unsetenv(name);
}
