// The load of the suites http, http-models and tls: N keep-alive connections to one server.
//
//   http_client --port=P --server-pid=PID [--connections=N] [--path=/] [--tls]
//
//   ping-pong WARMUP REQUESTS   on each connection a request when the one before it is answered
//   rate REQUESTS PER_SECOND    requests at random times; prints "P50_NS P99_NS P999_NS"
//   full WARMUP COUNT           handshakes, one after the other, on connections of their own
//   resumed WARMUP COUNT        the same, which resume a session
#include <unistd.h>

#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/http/client.hpp"
#include "tests/bench/rate_load.hpp"

namespace {

SslContext make_context() {
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) die("SSL_CTX_new");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  return context;
}

class Client {
 public:
  explicit Client(const LoadOptions& options)
      : epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    allow_descriptors(options.connections);
    target_.port = options.port;
    target_.request = "GET " + options.path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    if (options.tls) target_.context = make_context();
    while (connections_.size() < options.connections) open();
  }

  std::size_t size() const { return connections_.size(); }

  // play() has `amount` requests answered.
  void play(std::size_t amount) {
    std::size_t to_send = amount;
    std::size_t to_receive = amount;
    const auto send_next = [&](std::size_t index) {
      if (to_send == 0) return;
      --to_send;
      connections_[index]->send_request();
    };
    for (std::size_t i = 0; i < connections_.size(); ++i) send_next(i);
    while (to_receive > 0) {
      poll([&](std::size_t index) {
        --to_receive;
        send_next(index);
      });
    }
  }

  Latency send_at_rate(std::size_t requests, double rate) {
    const auto try_send = [&](std::size_t index) {
      connections_[index]->send_request();
      return true;
    };
    return ::send_at_rate(size(), requests, rate, try_send, [&](auto answered) { poll(answered); });
  }

  // shake_hands() does so `count` times.
  void shake_hands(std::size_t count, bool resumes) {
    if (resumes && !session_) get_session();
    for (; count > 0; --count) {
      HttpConnection connection{target_, opened_++, resumes ? session_.get() : nullptr};
      if (connection.was_resumed() != resumes) die("a session was resumed, or not");
      connection.end();
    }
  }

 private:
  void open() {
    connections_.push_back(std::make_unique<HttpConnection>(target_, opened_++));
    epoll_event event = {.events = EPOLLIN, .data = {.u64 = connections_.size() - 1}};
    check(epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back()->fd(), &event), "epoll_ctl");
  }

  // The server's tickets come before its first answer.
  void get_session() {
    HttpConnection connection{target_, opened_++};
    connection.send_request();
    while (connection.receive_some() == 0) continue;
    session_.reset(SSL_get1_session(connection.ssl()));
    connection.end();  // or else OpenSSL holds the session for broken
  }

  // poll() calls answered(index) for each answer that is complete, and never sleeps.
  void poll(auto answered) {
    const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
    check(count, "epoll_wait");
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const std::size_t index = events_[i].data.u64;
      for (std::size_t left = connections_[index]->receive_some(); left > 0; --left) {
        answered(index);
      }
    }
  }

  int epoll_;
  std::size_t opened_ = 0;
  Target target_;
  SslSession session_;
  std::vector<std::unique_ptr<HttpConnection>> connections_;
  std::array<epoll_event, 1024> events_;
};

}  // namespace

int main(int argc, char** argv) {
  const LoadOptions options = parse_load_options(argc, argv);
  Client client{options};
  const clockid_t server_cpu = cpu_clock_of(options.server_pid);
  std::cout << "ready" << std::endl;
  for (std::string command; std::cin >> command; alarm(0)) {
    alarm(patience);
    if (command == "ping-pong") {
      measure(server_cpu, [&](std::size_t amount) { client.play(amount); });
    } else if (command == "full" || command == "resumed") {
      measure(server_cpu,
              [&](std::size_t count) { client.shake_hands(count, command == "resumed"); });
    } else if (command == "rate") {
      measure_latency(
          [&](std::size_t requests, double rate) { return client.send_at_rate(requests, rate); });
    } else {
      std::cerr << "client: unknown command '" << command << "'\n";
      return 2;
    }
  }
}
