// Chapter 16: hosts by their names, and connections that are used again.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include <evcoro/loop.hpp>
#include <evcoro/net/connection_pool.hpp>
#include <evcoro/net/happy_eyeballs.hpp>
#include <evcoro/net/resolver.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/thread.hpp>

using evcoro::Address;
using evcoro::ConnectionPool;
using evcoro::Loop;
using evcoro::PoolGuard;
using evcoro::Resolver;
using evcoro::Result;
using evcoro::Socket;
using evcoro::TcpAcceptor;
using namespace std::chrono_literals;

namespace {

// A file of hosts of our own, so that the chapter works without a network.
class Hosts {
 public:
  explicit Hosts(std::string_view text) {
    const int file = ::mkstemp(path_.data());
    const auto size = static_cast<ssize_t>(text.size());
    if (file < 0 || ::write(file, text.data(), text.size()) != size) std::perror("hosts");
    ::close(file);
  }
  ~Hosts() { ::unlink(path_.c_str()); }
  Hosts(const Hosts&) = delete;
  Hosts& operator=(const Hosts&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/16_names.XXXXXX";
};

// The shop welcomes each customer by name.
void serve(Socket& customer) {
  std::array<std::byte, 100> buffer;
  while (true) {
    const auto in = customer.recv(buffer);
    if (!in || in.count == 0) return;
    const std::string_view name{reinterpret_cast<const char*>(buffer.data()), in.count};
    if (!customer.send("welcome, " + std::string{name})) return;
  }
}

// [resolve]
void look_up(Resolver& resolver, const char* name) {
  const auto addresses = resolver.resolve(name, 80, AF_UNSPEC, 5s);
  if (!addresses) {
    std::printf("%s: %s\n", name, addresses.error().message().c_str());
    return;
  }
  std::printf("%s:", name);
  for (const Address& each : *addresses) std::printf(" %s", each.to_string().c_str());
  std::printf("\n");
}
// [/resolve]

// [ask]
std::string ask(Socket& socket, std::string_view who) {
  std::array<std::byte, 100> buffer;
  if (!socket.send(who, 5s)) return "(no answer)";
  const auto answer = socket.recv(buffer, 5s);
  return {reinterpret_cast<const char*>(buffer.data()), answer.count};
}
// [/ask]

// [connect]
void visit(Resolver& resolver, std::uint16_t port) {
  Result<Socket> shop = evcoro::connect(resolver, "shop.test", port, {}, 5s);
  if (!shop) throw std::system_error(shop.error());
  std::printf("%s\n", ask(*shop, "dan").c_str());
}
// [/connect]

// [healthy]
bool is_healthy(Socket& shop) {
  return ConnectionPool::is_quiet(shop) && ask(shop, "hello") == "welcome, hello";
}
// [/healthy]

// [pool]
void visit_often(Loop& loop, Resolver& resolver, std::uint16_t port) {
  int made = 0;
  const auto make = [&](evcoro::Timeout timeout) {
    ++made;
    return evcoro::connect(resolver, "shop.test", port, {}, timeout);
  };
  ConnectionPool pool{loop, make, {.capacity = 2, .idle_timeout = 30s, .is_healthy = is_healthy}};
  const auto customer = [&](const char* name) {
    return loop
        .spawn([&pool, name] {
          PoolGuard connection = pool.take(5s).value();
          return ask(*connection, name);
        })
        .value();
  };
  std::array threads{customer("ann"), customer("bob"), customer("cid"), customer("eve")};
  for (auto& each : threads) std::printf("%s\n", each.join().value().c_str());
  std::printf("%s\n", customer("fay").join().value().c_str());
  std::printf("%d connections for %zu customers\n", made, threads.size() + 1);
}
// [/pool]

// [main]
void run(Loop& loop) {
  const Hosts hosts{"127.0.0.2 shop.test\n127.0.0.1 shop.test www.shop.test\n"};
  Resolver resolver{
      loop,
      {.servers = "127.0.0.1:1", .cache_size = 100, .negative_ttl = 5s, .hosts = hosts.path()}};
  for (const char* const name : {"shop.test", "WWW.shop.test", "::1", "other.test", "a shop"}) {
    look_up(resolver, name);
  }

  TcpAcceptor shop{loop, Address::loopback(AF_INET, 0), serve};
  visit(resolver, shop.local_address().port());
  visit_often(loop, resolver, shop.local_address().port());
  shop.close();
}

}  // namespace

int main() try {
  Loop loop{{.capacity = 20}};
  loop.spawn({.name = "chapter"}, [&loop] { run(loop); }).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "16_names: %s\n", error.what());
  return 1;
}
// [/main]
