// An HTTP server that says hello and serves a folder, with TLS or without.
//
//   http_evcoro_server [--connections=N] [--root=DIR] [--certificate=FILE --key=FILE]
#include <getopt.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <evcoro/http/files.hpp>
#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/tls/socket.hpp>

namespace http = evcoro::http;

namespace {

struct Options {
  std::size_t connections = 1100;
  std::string root;
  std::string certificate;
  std::string key;
};

Options parse_options(int argc, char** argv) {
  static constexpr option long_options[] = {
      {"connections", required_argument, nullptr, 'c'}, {"root", required_argument, nullptr, 'r'},
      {"certificate", required_argument, nullptr, 's'}, {"key", required_argument, nullptr, 'k'},
      {"buffer", required_argument, nullptr, 'b'},      {}};
  Options options;
  for (int opt; (opt = getopt_long(argc, argv, "", long_options, nullptr)) != -1;) {
    if (opt == '?') std::exit(2);
    if (opt == 'c') options.connections = std::strtoul(optarg, nullptr, 10);
    if (opt == 'r') options.root = optarg;
    if (opt == 's') options.certificate = optarg;
    if (opt == 'k') options.key = optarg;
  }
  return options;
}

http::Router routes(const Options& options) {
  http::Router router;
  router.get("/", [](http::Request&, http::Response& response) {
    response.fields().set("Content-Type", "text/plain");
    response.send("hello, world\n");
  });
  if (!options.root.empty()) router.get("/files/*path", http::Files{options.root});
  return router;
}

http::ServerOptions server_options(const Options& options) {
  http::ServerOptions made;
  made.server = "evcoro";
  made.limits.requests = 1'000'000'000;
  made.limits.head =
      std::chrono::seconds{60};  // as nginx: a client makes all its connections first
  if (!options.certificate.empty()) {
    evcoro::TlsServerOptions tls;
    tls.certificates = {{options.certificate, options.key}};
    made.secure = evcoro::secure_by(evcoro::TlsContext{tls});
  }
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  // A connection may be seen to end after its successor has come.
  evcoro::Loop loop{{.capacity = options.connections + 100, .stack_size = 16 * 1024}};
  const http::Server server{loop, evcoro::Address::loopback(AF_INET, 0), routes(options),
                            server_options(options)};
  std::printf("listening %u\n", server.local_address().port());
  std::fflush(stdout);
  loop.run();
}
