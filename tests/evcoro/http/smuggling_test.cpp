// Raw requests through nginx and HAProxy to us: whatever they forward is one request for us, and
// the answer goes to whom it belongs.
#include <string>
#include <vector>

#include <evcoro/http/server.hpp>
#include <support/http.hpp>
#include <support/proxies.hpp>
#include <support/raw_exchange.hpp>
#include <support/raw_smuggling.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::RawOutcome;
using support::RawRequest;

namespace {

// HAProxy forgets a further request when the client has said that there is nothing more.
constexpr auto patience = 50ms;

class SmugglingFixture : public support::LoopFixture {
 public:
  void check_all_through(support::Proxy::Kind kind) {
    support::skip_without_pidfd();
    in_thread([&] {
      Server server{*loop, support::own_address(), [this](Request& request, Response& response) {
                      support::tell_seen(request, response);
                      const std::string seen{response.fields().get_or("X-Seen")};
                      if (!seen.empty()) seen_.push_back(support::to_seen(seen));
                    }};
      const support::Proxy proxy{kind, server.local_address().to_string()};
      for (const RawRequest& each : support::raw::all()) check(proxy.address(), each);
      CHECK(forwarded_ > 50);
      server.close();
    });
  }

 private:
  // The proxy has passed on an answer to each request that we have seen, and to no other; and it
  // has nothing left of them when the next client comes.
  void check(const Address& proxy, const RawRequest& request) {
    seen_.clear();
    const RawOutcome outcome = support::exchange(proxy, request.text, patience);
    INFO(request.what << "\n  " << to_text(outcome));
    CHECK(outcome.has_ended);
    CHECK(seen_ == outcome.seen);
    forwarded_ += seen_.empty() ? 0 : 1;
    seen_.clear();
    const RawOutcome next =
        support::exchange(proxy, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n", support::long_time);
    CHECK(next.seen == std::vector<std::string>{"GET 0 probe", "GET 0 marker"});
    CHECK(seen_ == next.seen);
  }

  std::vector<std::string> seen_;
  int forwarded_ = 0;
};

}  // namespace

TEST_CASE_METHOD(SmugglingFixture, "nginx in front can't be made to smuggle requests") {
  check_all_through(support::Proxy::nginx);
}

TEST_CASE_METHOD(SmugglingFixture, "HAProxy in front can't be made to smuggle requests") {
  check_all_through(support::Proxy::haproxy);
}
