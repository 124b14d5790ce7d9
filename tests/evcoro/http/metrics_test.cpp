// Metrics and health: the text, what is counted, what is watched.
#include <evcoro/http/metrics.hpp>

#include <future>
#include <limits>
#include <optional>
#include <stdexcept>

#include <evcoro/http/detail/metrics_text.hpp>
#include <evcoro/http/health.hpp>
#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop_group.hpp>
#include <support/acceptor.hpp>
#include <support/failing_new.hpp>
#include <support/group.hpp>
#include <support/http.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::LoopFixture;
using support::RawSocket;

namespace {

std::string get(std::string_view target = "/") {
  return "GET " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

// has_line() says whether a line of text is this one.
bool has_line(std::string_view text, std::string_view line) {
  const std::string wanted = "\n" + std::string{line} + "\n";
  return ("\n" + std::string{text}).find(wanted) != std::string::npos;
}

}  // namespace

TEST_CASE("metrics: the text format") {
  evcoro::http::detail::MetricsText text;
  const evcoro::http::detail::MetricsText::Family b{"b", "gauge", "Help\\\n\"me\"."};
  text.add(b, {}, 0.1);
  text.add({"a", "counter", "A."}, {{"x", "1\"\\\n"}, {"y", ""}}, 3);
  text.add(b, {{"z", "z"}}, -std::numeric_limits<double>::infinity(), "_sum");
  CHECK(text.write() ==
        "# HELP a A.\n# TYPE a counter\na{x=\"1\\\"\\\\\\n\",y=\"\"} 3\n"
        "# HELP b Help\\\\\\n\"me\".\n# TYPE b gauge\nb 0.1\nb_sum{z=\"z\"} -Inf\n");
  CHECK(evcoro::http::detail::to_metric_number(std::numeric_limits<double>::quiet_NaN()) == "NaN");
  CHECK(evcoro::http::detail::to_metric_number(std::numeric_limits<double>::infinity()) == "+Inf");
  CHECK(evcoro::http::detail::to_metric_number(0.0005) == "5e-04");
  CHECK(evcoro::http::detail::to_metric_number(1e15) == "1e+15");
}

TEST_CASE("metrics: requests by status") {
  Metrics metrics;
  ServeOptions options;
  options.observers.push_back(metrics.observer());
  const auto handler = [](Request& request, Response& response) {
    if (request.path() == "/no") response.set_status(Status::not_found);
    if (request.path() == "/odd") response.set_status(Status{299});
    response.send("12345");
  };
  support::ask(get() + get() + get("/no") + get("/odd") + "GET / HTTP/1.1\r\n\r\n", handler,
               options);
  const std::string text = metrics.write();
  CHECK(has_line(text, "# TYPE http_requests_total counter"));
  CHECK(has_line(text, "http_requests_total{class=\"2xx\",code=\"200\"} 2"));
  CHECK(has_line(text, "http_requests_total{class=\"2xx\",code=\"299\"} 1"));
  CHECK(has_line(text, "http_requests_total{class=\"4xx\",code=\"404\"} 1"));
  CHECK(has_line(text, "http_requests_total{class=\"4xx\",code=\"400\"} 1"));
  CHECK(has_line(text, "http_response_body_bytes_total 32"));  // 4 times 5, and "Bad Request\n"
  CHECK(has_line(text, "http_responses_incomplete_total 0"));
  CHECK(has_line(text, "http_request_duration_seconds_count 4"));
  CHECK(has_line(text, "http_request_duration_seconds_bucket{le=\"+Inf\"} 4"));

  support::PieceStream stream{{get()}};
  stream.room = 0;
  serve(stream, handler, options);
  CHECK(has_line(metrics.write(), "http_responses_incomplete_total 1"));
}

TEST_CASE("metrics: buckets are what they are given and sums of those before") {
  Metrics metrics{{.buckets = {1e-9, 3600}}};
  ServeOptions options;
  options.observers.push_back(metrics.observer());
  support::ask(get(), support::echo_body, options);
  const std::string text = metrics.write();
  CHECK(has_line(text, "http_request_duration_seconds_bucket{le=\"1e-09\"} 0"));
  CHECK(has_line(text, "http_request_duration_seconds_bucket{le=\"3600\"} 1"));
  CHECK(has_line(text, "http_request_duration_seconds_bucket{le=\"+Inf\"} 1"));
  CHECK_THROWS_AS((Metrics{{.buckets = {1, 1}}}), std::invalid_argument);
  CHECK_THROWS_AS((Metrics{{.buckets = {2, 1}}}), std::invalid_argument);
}

TEST_CASE("metrics: the application's own") {
  Metrics metrics;
  Counter mails = metrics.counter("jobs_total", "Jobs.", {{"kind", "mail"}});
  metrics.counter("jobs_total", "", {{"kind", "print"}}).add(5);
  mails.add();
  metrics.counter("jobs_total", "", {{"kind", "mail"}}).add(2);
  double level = 1.5;
  metrics.gauge("level", "Level.", [&] { return level; });
  CHECK(has_line(metrics.write(), "level 1.5"));
  level = 2;
  const std::string text = metrics.write();
  CHECK(has_line(text, "level 2"));
  CHECK(has_line(text, "jobs_total{kind=\"mail\"} 3"));
  CHECK(has_line(text, "jobs_total{kind=\"print\"} 5"));
  CHECK(has_line(text, "# HELP jobs_total Jobs."));
  metrics.gauge("level", "", [] { return 7.0; });
  CHECK(has_line(metrics.write(), "level 7"));
  for (const std::string_view name :
       {"", "1a", "a-b", "a b", "a\n", "http_requests_total", "evcoro_stacks", "\xC3\xA9"}) {
    CHECK_THROWS_AS(metrics.counter(name, ""), std::invalid_argument);
  }
  for (const std::string_view label : {"", "1a", "a:b", "__name__", "a b"}) {
    CHECK_THROWS_AS(metrics.counter("a", "", {{std::string{label}, "x"}}), std::invalid_argument);
  }
  CHECK_THROWS_AS(metrics.gauge("jobs_total", "", [] { return 0.0; }), std::invalid_argument);
}

TEST_CASE_METHOD(LoopFixture, "metrics: requests are counted without memory too") {
  in_thread([&] {
    const int failures = support::fail_each_new([&](support::FailingNew& failing) {
      const Metrics metrics;
      const ExchangeObserver observer = metrics.observer();
      const Address peer;
      CHECK(failing.run([&] { observer({peer, nullptr, Status::ok, 7, {}, {}}); }));
      CHECK(metrics.write().find("http_response_body_bytes_total 7\n") != std::string::npos);
    });
    CHECK(failures > 0);
  });
}

TEST_CASE_METHOD(LoopFixture, "metrics: of a server and its loop") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    Metrics metrics;
    Router router;
    router.get("/metrics", metrics);
    ServerOptions options;
    options.acceptor.stacks = &others;
    options.acceptor.max_connections = 1;
    options.acceptor.when_full = WhenFull::reject;
    options.observers.push_back(metrics.observer());
    Server server{*loop, support::loopback(), router, options};
    const Metrics::Watch connections = metrics.watch(server, "main");
    const Metrics::Watch stacks = metrics.watch(*loop);
    const auto client = RawSocket::connected_to(server.local_address());
    std::string text;
    for (int i = 0; i < 2; ++i) {
      client.send(get("/metrics"));
      text.clear();
      REQUIRE(support::eventually([&] {
        text += support::arrived(client, 65536);
        try {
          std::string_view rest = text;
          const support::Reply reply = support::parse_reply(rest);
          CHECK(reply.field("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
          text = reply.body;
          return true;
        } catch (const std::runtime_error&) {
          return false;
        }
      }));
      const auto refused = RawSocket::connected_to(server.local_address());
      CHECK(support::eventually([&] { return server.counters().refused > std::uint64_t(i); }));
    }
    CHECK(has_line(text, "http_requests_total{class=\"2xx\",code=\"200\"} 1"));
    CHECK(has_line(text, "http_connections{server=\"main\"} 1"));
    CHECK(has_line(text, "http_connections_waiting{server=\"main\"} 0"));
    CHECK(has_line(text, "http_connections_accepted_total{server=\"main\"} 1"));
    CHECK(has_line(text,
                   "http_connections_refused_total{server=\"main\",reason=\"max_connections\"} 1"));
    CHECK(has_line(text, "http_connections_refused_total{server=\"main\",reason=\"other\"} 0"));
    CHECK(has_line(text, "evcoro_stacks_capacity{loop=\"0\"} 64"));
    CHECK(has_line(text, "evcoro_stacks{loop=\"0\"} 1"));
    CHECK(has_line(text, "evcoro_threads{loop=\"0\"} 2"));
    CHECK(text.find("evcoro_loop_lag_seconds{loop=\"0\"} ") != std::string::npos);
  });
}

TEST_CASE_METHOD(LoopFixture, "metrics: what isn't watched any more isn't asked") {
  in_thread([&] {
    Metrics metrics;
    {
      Metrics::Watch first = metrics.watch(*loop, "a");
      Metrics::Watch second = metrics.watch(*loop, "b");
      CHECK(metrics.write().find("loop=\"a\"") != std::string::npos);
      first = std::move(second);
      CHECK(metrics.write().find("loop=\"a\"") == std::string::npos);
      CHECK(metrics.write().find("loop=\"b\"") != std::string::npos);
      const Metrics::Watch third{std::move(first)};
      CHECK(metrics.write().find("loop=\"b\"") != std::string::npos);
    }
    CHECK(metrics.write().find("loop=") == std::string::npos);
  });
}

TEST_CASE("metrics: of a group of loops") {
  Metrics metrics;
  LoopGroup group{{.loops = 2, .stacks = support::connection_stacks(16)}};
  ServerOptions options;
  options.observers.push_back(metrics.observer());
  Server server{group, support::loopback(), support::echo_body, options};
  const Metrics::Watch connections = metrics.watch(server);
  const Metrics::Watch loops = metrics.watch(group);
  std::vector<RawSocket> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(RawSocket::connected_to(server.local_address()));
    clients.back().send(get("/x"));
    std::string all;
    while (!all.ends_with("/x")) all += clients.back().recv();
  }
  CHECK(!server.drain(support::long_time));  // and so all has been counted
  const std::string text = group.spawn_on(0, [&] { return metrics.write(); }).join().value();
  CHECK(has_line(text, "http_requests_total{class=\"2xx\",code=\"200\"} 6"));
  CHECK(has_line(text, "http_connections_accepted_total{server=\"http\"} 6"));
  CHECK(has_line(text, "http_connections{server=\"http\"} 0"));
  CHECK(has_line(text, "evcoro_stacks_capacity{loop=\"0\"} 16"));
  CHECK(has_line(text, "evcoro_stacks_capacity{loop=\"1\"} 16"));
}

TEST_CASE("metrics: loops that don't answer are left out after one lag for all of them") {
  Metrics metrics{{.longest_lag = std::chrono::milliseconds{50}}};
  LoopGroup group{{.loops = 2, .stacks = support::connection_stacks(16)}};
  const Server server{group, support::loopback(), support::echo_body};
  const Metrics::Watch connections = metrics.watch(server);
  const Metrics::Watch loops = metrics.watch(group);
  std::promise<void> end;
  const std::shared_future<void> is_busy_until = end.get_future();
  for (std::size_t i = 0; i < 2; ++i) group.loop(i).post([=] { is_busy_until.wait(); });
  const std::string text = metrics.write();
  end.set_value();
  CHECK(text.find("loop=") == std::string::npos);
  CHECK(text.find("server=") == std::string::npos);
  CHECK(text.find("http_responses_incomplete_total 0") != std::string::npos);
  CHECK(support::eventually_outside(
      [&] { return metrics.write().find("http_connections{server=") != std::string::npos; }));
}

TEST_CASE_METHOD(LoopFixture, "metrics: a watch ends while somebody waits for what was watched") {
  in_thread([&] {
    LoopGroup group{{.loops = 1, .stacks = support::connection_stacks(16)}};
    Metrics metrics{{.longest_lag = support::long_time}};
    std::optional<Metrics::Watch> watch{metrics.watch(group)};
    std::promise<void> end;
    group.loop(0).post([is_busy_until = end.get_future().share()] { is_busy_until.wait(); });
    Thread scraper = loop->spawn([&] { return metrics.write(); }).value();
    CHECK(support::until_parked(scraper));
    watch.reset();
    CHECK(!scraper.has_ended());
    end.set_value();
    CHECK(scraper.join().value().find("evcoro_threads{loop=\"0\"}") != std::string::npos);
    CHECK(metrics.write().find("loop=") == std::string::npos);
  });
}

TEST_CASE("health: well or not or draining") {
  bool is_well = true;
  Health health{[&] { return is_well; }};
  const Handler handler = health;
  CHECK(support::ask(get(), handler).at(0).status == 200);
  CHECK(support::ask(get(), handler).at(0).field("Cache-Control") == "no-store");
  is_well = false;
  CHECK(support::ask(get(), handler).at(0).status == 503);
  is_well = true;
  health.start_draining();
  CHECK(health.is_draining());
  const auto reply = support::ask(get(), handler).at(0);
  CHECK(reply.status == 503);
  CHECK(reply.body == "draining\n");
  CHECK(support::ask(get(), Health{}).at(0).body == "ok\n");
}
