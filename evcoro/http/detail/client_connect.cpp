#include <evcoro/http/detail/client_connect.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/http/detail/response_reader.hpp>
#include <evcoro/http/detail/workspace.hpp>
#include <evcoro/http/error.hpp>
#include <evcoro/net/happy_eyeballs.hpp>

namespace evcoro::http::detail {
namespace {

// The head of the answer to CONNECT ends at its empty line, whatever it says of a body.
std::error_code read_answer(OwnedStream& stream, const Limits& limits, TimePoint deadline) {
  const PooledWorkspace workspace = take_workspace();
  ResponseReader reader{limits};
  reader.start(stream, *workspace, Method::head);
  while (!reader.has_final_head()) {
    if (const auto error = reader.receive_head(deadline)) return error;
  }
  const int status = to_number(reader.head().status);
  if (status < 200 || status > 299) return Errc::proxy_refused;
  // In TLS the client speaks first: what comes before that isn't the server's.
  return reader.input().empty() ? std::error_code{} : Errc::malformed;
}

// SocketRef lends a Socket to a stream.
class SocketRef {
 public:
  explicit SocketRef(Socket& socket) noexcept : socket_(&socket) {}
  IoResult recv(std::span<std::byte> buffer, Timeout timeout) {
    return socket_->recv(buffer, timeout);
  }
  IoResult send(std::span<const std::byte> data, Timeout timeout) {
    return socket_->send(data, timeout);
  }
  void close() noexcept {}

 private:
  Socket* socket_;
};

std::error_code make_tunnel(Socket& socket, const ClientOptions& options, const Url& url,
                            std::string_view authorization, TimePoint deadline) {
  const std::string target = url.authority_with_port();
  std::string head = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!options.user_agent.empty()) head.append("User-Agent: ").append(options.user_agent) += "\r\n";
  if (!authorization.empty()) {
    head.append("Proxy-Authorization: ").append(authorization) += "\r\n";
  }
  head += "\r\n";
  if (const auto error = socket.send(head, deadline).error) return error;
  OwnedStream stream{SocketRef{socket}};
  return read_answer(stream, options.limits, deadline);
}

}  // namespace

Result<OwnedStream> connect_client(const ClientOptions& options, const Url& url,
                                   const std::optional<Proxy>& proxy,
                                   std::string_view authorization, TimePoint deadline) {
  const TimePoint until = std::min(deadline, Timeout{options.connect_timeout}.deadline());
  const Url& peer = proxy ? proxy->url : url;
  Result<Socket> socket = options.connect ? options.connect(peer.host, peer.port, until)
                                          : evcoro::connect(peer.host, peer.port, until);
  if (!socket) return socket.error();
  if (!url.is_secure) return OwnedStream{std::move(*socket)};
  if (proxy) {
    if (const auto error = make_tunnel(*socket, options, url, authorization, until)) return error;
  }
  return options.secure(std::move(*socket), url, until);
}

}  // namespace evcoro::http::detail
