// Client: asks HTTP/1 servers, on connections that are used again.
//
//   Client client{{.connect_timeout = 3s}};                            // in a thread
//   Result<ClientResponse> response = client.get("http://example.org/a?b", 5s);
//   if (!response) return report(response.error());
//   const Result<std::string> body = response->read_body();
//
// The timeout is for the whole exchange, the body too, however many redirects and connections it
// takes. Redirects are followed, see ClientOptions::max_redirects.
//
// https needs TLS, which is a library of its own, evcoro::tls:
//
//   Client client{{.secure = secure_by(TlsContext{TlsClientOptions{}})}};
//
// A request that can be repeated (GET, HEAD, PUT, DELETE, OPTIONS, TRACE; without a body that is
// produced) is, once, if it was sent on a connection that had been idle, and nothing came back: for
// the server may have closed it at that moment.
//
// A client belongs to a loop: requests are made in its threads, any number at once, all else in the
// loop's OS thread. Responses may outlive it; threads that wait in it may not.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <evcoro/http/client_request.hpp>
#include <evcoro/http/client_response.hpp>
#include <evcoro/http/limits.hpp>
#include <evcoro/http/proxy.hpp>
#include <evcoro/http/url.hpp>
#include <evcoro/io/owned_stream.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {
class Loop;
}

namespace evcoro::http {

struct ClientOptions {
  // Of the limits those hold that are about a head (request_line is for the first line of a
  // response), body for read_body(), chunk_extension, trailers; unread_body for what of a
  // redirect's body is read, if it comes within a second, to keep the connection.
  Limits limits = {};

  // Connections, idle ones too. Who needs one more waits.
  std::size_t max_connections = 64;
  std::size_t max_connections_per_host = 8;
  std::chrono::milliseconds idle_timeout{30'000};  // 0: none is used again

  std::chrono::milliseconds connect_timeout{10'000};  // with tunnel and TLS
  std::chrono::milliseconds continue_timeout{1'000};  // see ClientRequest::expects_continue

  // From the end of a request to the end of its response's head: then it is Errc::head_too_slow. A
  // redirect has one of its own. 0: only the timeout of the whole exchange holds.
  std::chrono::milliseconds head_timeout{0};

  // max_redirects is how many are followed; the next one is Errc::too_many_redirects. With 0 they
  // are handed to the caller. One from https to http is Errc::unsafe_redirect without the second.
  // Where scheme, host or port change, the fields Authorization, Cookie and Host are left out.
  std::size_t max_redirects = 10;
  bool follows_to_http = false;

  std::string user_agent = {};  // the field User-Agent; without it there is none

  // Without it, that of the environment when the client is made; ProxySettings{} is none.
  std::optional<ProxySettings> proxy = {};

  // connect connects to a server or a proxy; without it, evcoro::connect() does. secure puts TLS
  // on a connection, for https; without it there is none: Errc::no_secure_layer.
  std::function<Result<Socket>(const std::string& host, std::uint16_t port, Timeout timeout)>
      connect = {};
  std::function<Result<OwnedStream>(Socket socket, const Url& url, Timeout timeout)> secure = {};
};

class EVCORO_API Client {
 public:
  using Options = ClientOptions;

  // A client of the calling thread's loop, or of the one given. Throws std::invalid_argument if
  // there are to be no connections, or user_agent has control characters; std::logic_error outside
  // of a thread, or if the loop is the parent process's; std::bad_alloc.
  explicit Client(Options options = {});
  explicit Client(Loop& loop, Options options = {});
  ~Client();  // closes what is idle
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // send() asks, and returns when the head of the response is there. Errors: those of
  // parse_url(); Errc::no_secure_layer, invalid_proxy, proxy_refused; of redirects
  // too_many_redirects, unsafe_redirect, body_not_repeatable; of the request reserved_field,
  // invalid_field_value, wrong_length; what connect, secure and a producer say; malformed for a
  // response that breaks the rules, or a limit; head_too_slow; evcoro::Errc::unexpected_end for
  // none; those of all blocking calls. Throws std::bad_alloc, and what the functions of options and
  // request throw.
  Result<ClientResponse> send(const ClientRequest& request, Timeout timeout = {});

  Result<ClientResponse> get(std::string url, Timeout timeout = {});
  Result<ClientResponse> head(std::string url, Timeout timeout = {});
  Result<ClientResponse> del(std::string url, Timeout timeout = {});

  // These have a body, of a type such as "text/plain"; "" is none.
  Result<ClientResponse> post(std::string url, std::string body, std::string_view type,
                              Timeout timeout = {});
  Result<ClientResponse> put(std::string url, std::string body, std::string_view type,
                             Timeout timeout = {});

  // idle() is how many connections are idle, open() how many there are, being made, too; waiting()
  // how many threads wait for one. close_idle() closes those that are.
  std::size_t idle() const noexcept;
  std::size_t open() const noexcept;
  std::size_t waiting() const noexcept;
  void close_idle() noexcept;

 private:
  std::shared_ptr<detail::ClientState> state_;
};

}  // namespace evcoro::http
