// HTTP clients for tests: against scripted servers, and against streams in memory.
//
//   ScriptedServer server{*loop, [](Socket& socket, int connection) {
//     REQUIRE(receive_request(socket).starts_with("GET / "));
//     say(socket, "HTTP/1.1 204 No Content\r\n\r\n");
//   }};
//   Client client{*loop, direct()};
//   client.get(server.url("/"), long_time);
//
//   Wire wire;
//   wire.push({"HTTP/1.1 200 OK\r\n", "\r\n"});           // what the first connection receives
//   Client client{*loop, wire.options()};
//   client.get("https://example.org/");
//   wire.sent(0) == "GET / HTTP/1.1\r\n..."
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <evcoro/http/client.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <support/acceptor.hpp>
#include <support/http.hpp>
#include <support/network.hpp>
#include <support/pieces.hpp>

namespace support {

// direct() are options without what the environment says of proxies.
inline evcoro::http::ClientOptions direct() {
  evcoro::http::ClientOptions options;
  options.proxy = evcoro::http::ProxySettings{};
  return options;
}

inline std::string url_of(const evcoro::Address& address, std::string_view target) {
  return "http://" + address.to_string() + std::string{target};
}

// receive_request() receives the head of a request, and the body if it has a length; "" at the end
// of the connection.
inline std::string receive_request(evcoro::Socket& socket) {
  std::string all;
  std::size_t whole = std::string::npos;
  while (all.size() < whole) {
    const Received in = receive(socket, whole == std::string::npos ? 1 : whole - all.size());
    if (in.text.empty()) return {};
    all += in.text;
    if (whole != std::string::npos || !all.ends_with("\r\n\r\n")) continue;
    whole = all.size();
    Reply request;
    request.head = all;
    const std::string length = request.field("Content-Length");
    if (!length.empty()) whole += std::stoul(length);
  }
  return all;
}

// say() sends all of text, unless the other end has gone.
inline void say(evcoro::Socket& socket, std::string_view text) {
  static_cast<void>(socket.send(text, long_time));
}

// ScriptedServer runs a script for each connection, in a thread; connections count from 1.
class ScriptedServer {
 public:
  using Script = std::function<void(evcoro::Socket& socket, int connection)>;

  ScriptedServer(evcoro::Loop& loop, Script script)
      : acceptor_(loop, own_address(), [this, script = std::move(script)](evcoro::Socket& socket) {
          script(socket, ++connections_);
        }) {}

  // What the scripts refer to is there until they have ended.
  ~ScriptedServer() { static_cast<void>(acceptor_.drain(long_time)); }

  std::string url(std::string_view target) const { return url_of(address(), target); }
  evcoro::Address address() const { return acceptor_.local_address(); }
  int connections() const noexcept { return connections_; }
  void close() noexcept { acceptor_.close(); }

 private:
  int connections_ = 0;
  evcoro::TcpAcceptor acceptor_;
};

// Wire is the network of a client: connections are streams in memory, of URLs with https.
class Wire {
 public:
  // push() adds a connection, by the pieces that it receives.
  PieceStream& push(std::deque<std::string> pieces) {
    return *streams_.emplace_back(std::make_shared<PieceStream>(std::move(pieces)));
  }

  const std::string& sent(std::size_t connection) const { return streams_.at(connection)->sent; }
  std::size_t connections() const noexcept { return next_; }

  evcoro::http::ClientOptions options() {
    auto options = direct();
    options.idle_timeout = std::chrono::milliseconds{0};
    options.connect = [](const std::string&, std::uint16_t, evcoro::Timeout) {
      return evcoro::Socket{};
    };
    options.secure = [this](evcoro::Socket, const evcoro::http::Url&, evcoro::Timeout) {
      return evcoro::OwnedStream{End{streams_.at(next_++)}};
    };
    return options;
  }

 private:
  struct End {
    std::shared_ptr<PieceStream> stream;
    evcoro::IoResult recv(std::span<std::byte> buffer, evcoro::Timeout timeout) {
      return stream->recv(buffer, timeout);
    }
    evcoro::IoResult send(std::span<const std::byte> data, evcoro::Timeout timeout) {
      return stream->send(data, timeout);
    }
    void close() noexcept {}
  };

  std::vector<std::shared_ptr<PieceStream>> streams_;
  std::size_t next_ = 0;
};

}  // namespace support
