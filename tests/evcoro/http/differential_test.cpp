// The same raw requests to nginx, to Node and to us. We may be stricter than they are, for a
// reason; what all take must mean the same to all.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <evcoro/http/server.hpp>
#include <support/commands.hpp>
#include <support/http.hpp>
#include <support/raw_exchange.hpp>
#include <support/raw_smuggling.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::RawOutcome;
using support::RawRequest;
using support::RawRequests;

namespace {

// What we refuse although nginx and Node take it, some of it only Node 18 of Debian.
const std::map<std::string, const char*> stricter{
    {"request lines: two empty lines before", "RFC 9112, 2.2: one is to be ignored"},
    {"odd lines: many empty lines before", "RFC 9112, 2.2: one is to be ignored"},
    {"request lines: a bare LF before", "RFC 9112, 2.2: LF alone may be taken, or not"},
    {"request lines: a bare LF behind the line", "RFC 9112, 2.2: as before"},
    {"odd fields: a bare LF as the empty line", "RFC 9112, 2.2: as before"},
    {"odd lines: a bare CR before", "RFC 9112, 2.2: bare CR is invalid"},
    {"request lines: HTTP/0.9", "RFC 9112, A: no longer a version that is served"},
    {"odd lines: a target of HTTP/0.9 with a version in it", "RFC 9112, A: as before"},
    {"request lines: two spaces behind the method", "RFC 9112, 3: one space; more may be refused"},
    {"request lines: two spaces behind the target", "RFC 9112, 3: as before"},
    {"request lines: bytes beyond ASCII in the target", "RFC 3986, 2: to be percent-encoded"},
    {"request lines: a fragment", "RFC 9112, 3.2: a target has none"},
    {"request lines: an absolute target of another scheme", "RFC 9110, 4.2: we serve http, https"},
    {"odd lines: an absolute target with a bad port", "RFC 9110, 4.2.1: no port of TCP"},
    {"hosts: a port too high", "RFC 9112, 3.2: an invalid Host is 400; no port of TCP"},
    {"hosts: a port that is none", "RFC 9112, 3.2: an invalid Host is 400"},
    {"hosts: a user", "RFC 9110, 7.2: Host is a host and a port"},
    {"hosts: brackets that are open", "RFC 9112, 3.2: an invalid Host is 400"},
    {"hosts: brackets with something behind", "RFC 9112, 3.2: an invalid Host is 400"},
    {"odd fields: a fragment in Host", "RFC 9112, 3.2: an invalid Host is 400"},
    {"odd fields: a query in Host", "RFC 9112, 3.2: an invalid Host is 400"},
    {"odd fields: bytes beyond ASCII in Host", "RFC 3986, 3.2.2: to be percent-encoded"},
    {"chunks: a bare LF at the end", "RFC 9112, 7.1: CRLF"},
    {"chunks: a bare LF behind the trailers", "RFC 9112, 7.1: CRLF"},
    {"chunks: a space before the colon of a trailer", "RFC 9112, 5.1: to be refused in requests"},
    {"chunks: 17 digits", "RFC 9112, 7.1: a limit against overflow; 64 bits have 16"},
    {"chunk tricks: an empty extension", "RFC 9112, 7.1.1: an extension has a name"},
    {"chunk tricks: a line break in a quoted extension", "RFC 9110, 5.6.4: not in quotes either"},
    {"too much: 101 fields", "Limits::fields; RFC 9110, 5.4: a server has to limit them"},
    {"too much: a chunk extension of 300 bytes", "Limits; RFC 9112, 7.1.1: to be limited"},
    {"too much: 100 chunk extensions of 200 bytes", "Limits; RFC 9112, 7.1.1: as before"},
    {"too much: 40 trailers", "Limits::trailers; RFC 9110, 5.4: as fields"},
};

// Node drops what has come together with a request for an upgrade that it doesn't make, without a
// word: the marker.
const std::set<std::string> dropped_by_node{
    "unusual: an upgrade to WebSocket with a length",
    "unusual: an upgrade to HTTP/2",
    "corpus: upgrade",
};

// nginx reads a body only for somebody behind it: it is in front of itself. What it has read
// whole has a length there.
std::string nginx_configuration(const std::string& folder, const std::string& port) {
  const std::string behind = support::free_port();
  std::string text = R"(
daemon off; worker_processes 1; pid FOLDER/pid; error_log FOLDER/errors; events {}
http {
  access_log off; lingering_timeout 100ms;
  client_body_buffer_size 2m;
  client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p; fastcgi_temp_path FOLDER/f;
  uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
  server {
    listen 127.0.0.1:PORT;
    location / { proxy_pass http://127.0.0.1:BEHIND; proxy_ignore_client_abort on; }
  }
  map $content_length $body { default $content_length; "" 0; }
  server {
    listen 127.0.0.1:BEHIND;
    add_header X-Seen "$request_method $body $request_uri";
    return 200 "seen $request_method $body $request_uri";
  }
}
)";
  const auto replace = [&](std::string_view name, const std::string& value) {
    for (auto at = text.find(name); at != text.npos; at = text.find(name, at + value.size())) {
      text.replace(at, name.size(), value);
    }
  };
  replace("FOLDER", folder);
  replace("PORT", port);
  replace("BEHIND", behind);
  return text;
}

constexpr const char* node_script = R"(
const server = require("http").createServer((request, response) => {
  let size = 0;
  request.on("data", (data) => { size += data.length; });
  request.on("end", () => {
    response.setHeader("X-Seen", `${request.method} ${size} ${encodeURI(request.url)}`);
    response.setHeader("Content-Length", 0);
    response.end();
  });
});
server.httpAllowHalfOpen = true;
server.listen(process.argv[2], "127.0.0.1");
)";

// What the servers have made of one request, beginning with us.
struct Outcomes {
  RawOutcome ours;
  RawOutcome nginx;
  RawOutcome node;
};

// Each request that both have answered was the same request. Where both take all of them, there are
// as many; but who says so may close earlier.
void check_agreement(const RawOutcome& ours, const RawOutcome& other, bool may_drop = false) {
  std::vector<std::string> mine = ours.seen;
  std::vector<std::string> others = other.seen;
  const std::size_t both = std::min(mine.size(), others.size());
  if (ours.refuses() || other.refuses() || other.says_close || may_drop) mine.resize(both);
  if (ours.refuses() || other.refuses()) others.resize(both);
  CHECK(mine == others);
}

void check(const RawRequest& request, const Outcomes& outcomes) {
  const auto& [ours, nginx, node] = outcomes;
  INFO(request.what << "\n  ours   " << to_text(ours) << "\n  nginx  " << to_text(nginx)
                    << "\n  Node   " << to_text(node));
  CHECK(ours.has_ended);
  check_agreement(ours, nginx);
  check_agreement(ours, node, dropped_by_node.contains(request.what));
  CHECK((ours.refuses() || !nginx.refuses() || !node.refuses()));
  const bool is_listed = stricter.contains(request.what);
  CHECK((!ours.refuses() || nginx.refuses() || node.refuses() || is_listed));
  CHECK((ours.refuses() || !is_listed));
}

class DifferentialFixture : public support::LoopFixture {
 public:
  // compare() is in a thread.
  void compare(const RawRequests& requests) {
    Server server{*loop, support::own_address(), support::tell_seen};
    const std::string nginx_port = support::free_port();
    const std::string node_port = support::free_port();
    const support::RunningCommand nginx{
        {"nginx", "-e", folder.path() + "/errors", "-c",
         folder.add("nginx.conf", nginx_configuration(folder.path(), nginx_port))}};
    const support::RunningCommand node{{"node", folder.add("server.js", node_script), node_port}};
    support::wait_for_port(nginx_port);
    support::wait_for_port(node_port);
    for (const RawRequest& each : requests) {
      check(each, {support::exchange(server.local_address(), each.text),
                   support::exchange(support::address_of(nginx_port), each.text),
                   support::exchange(support::address_of(node_port), each.text)});
    }
    server.close();
  }

  support::Folder folder;
};

// The files that the fuzz targets begin with.
RawRequests fuzz_corpus() {
  RawRequests requests;
  for (const auto& file : std::filesystem::directory_iterator{EVCORO_REQUEST_CORPUS}) {
    std::ifstream in{file.path(), std::ios::binary};
    requests.push_back({"corpus: " + file.path().filename().string(),
                        {std::istreambuf_iterator<char>{in}, {}},
                        0});
  }
  return requests;
}

}  // namespace

TEST_CASE_METHOD(DifferentialFixture, "raw requests mean the same to nginx and to Node and to us") {
  support::skip_without_pidfd();
  RawRequests requests = support::raw::all();
  for (const auto& listed : stricter) {
    INFO(listed.first);
    CHECK(std::any_of(requests.begin(), requests.end(),
                      [&](const RawRequest& each) { return each.what == listed.first; }));
  }
  for (RawRequest& each : fuzz_corpus()) requests.push_back(std::move(each));
  CHECK(requests.size() > 380);
  in_thread([&] { compare(requests); });
}
