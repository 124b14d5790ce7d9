#include <programs/site.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/http/compression.hpp>
#include <evcoro/http/event_stream.hpp>
#include <evcoro/http/files.hpp>
#include <programs/status_page.hpp>

namespace programs {
namespace {

using evcoro::http::Next;
using evcoro::http::Request;
using evcoro::http::Response;
using evcoro::http::Router;
using namespace std::chrono_literals;

std::string make_nonce() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::random_device random;
  std::string nonce;
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t bits = random();
    for (int shift = 0; shift < 32; shift += 4) nonce += digits[bits >> shift & 0xf];
  }
  return nonce;
}

// The page's own style and script are let through by a number that nobody can guess, nothing else.
void send_page(Request&, Response& response) {
  constexpr std::string_view placeholder = "@NONCE@";
  const std::string nonce = make_nonce();
  std::string page;
  std::string_view rest = status_page;
  for (std::size_t end = 0; (end = rest.find(placeholder)) != std::string_view::npos;) {
    page.append(rest.substr(0, end)).append(nonce);
    rest.remove_prefix(end + placeholder.size());
  }
  page += rest;
  response.fields().set("Content-Type", "text/html; charset=utf-8");
  response.fields().set("Cache-Control", "no-store");
  response.fields().set("Content-Security-Policy",
                        "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" +
                            nonce +
                            "'; img-src data:; connect-src 'self'; base-uri 'none'; "
                            "form-action 'none'; frame-ancestors 'none'");
  response.send(page);
}

void send_json(const Status& status, Response& response) {
  response.fields().set("Content-Type", "application/json");
  response.fields().set("Cache-Control", "no-store");
  response.send(status.json() + "\n");
}

// Watchers get events. Each has a connection for as long as it watches: so there may only be some,
// and further ones are told to ask now and then instead.
class Watchers {
 public:
  explicit Watchers(std::size_t most) : places_(std::make_shared<std::atomic<std::size_t>>(most)) {}

  void serve(const Status& status, Request& request, Response& response) const {
    const Place place{*places_};
    if (!place.is_taken) {
      response.set_status(evcoro::http::Status::service_unavailable);
      response.fields().set("Retry-After", "30");
      response.fields().set("Content-Type", "text/plain");
      response.send("too many watch already; ask for /status.json\n");
      return;
    }
    response.fields().set("Cache-Control", "no-cache, no-transform");
    evcoro::http::EventStream events{request, response};
    do {
      if (events.send(status.json())) return;
    } while (events.pause(1s));
  }

 private:
  struct Place {
    explicit Place(std::atomic<std::size_t>& of) : places(of) {
      std::size_t left = places;
      while (left > 0 && !is_taken) is_taken = places.compare_exchange_weak(left, left - 1);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
      if (is_taken) ++places;
    }
    std::atomic<std::size_t>& places;
    bool is_taken = false;
  };

  std::shared_ptr<std::atomic<std::size_t>> places_;
};

void add_security(Request&, Response& response, const Next& next) {
  response.fields().set("X-Content-Type-Options", "nosniff");
  response.fields().set("Referrer-Policy", "no-referrer");
  next();
}

evcoro::http::Files open_root(const std::string& root) try {
  return evcoro::http::Files{root};
} catch (const std::system_error& error) {
  throw std::system_error(error.code(), "--root: '" + root + "'");
}

}  // namespace

Router make_site(const Settings& settings, const Status& status,
                 const evcoro::http::Metrics& metrics, const evcoro::http::Health& health) {
  Router router;
  router.use(add_security);
  router.use(evcoro::http::Compression{});
  router.get("/status", send_page);
  router.get("/status.json",
             [&status](Request&, Response& response) { send_json(status, response); });
  router.get("/status/events", [&status, watchers = Watchers{settings.http_stacks / 2}](
                                   Request& request, Response& response) {
    watchers.serve(status, request, response);
  });
  router.get("/metrics", metrics);
  router.get("/healthz", health);
  if (settings.root.empty()) {
    router.get("/", send_page);
  } else {
    router.get("/*path", open_root(settings.root));
  }
  return router;
}

}  // namespace programs
