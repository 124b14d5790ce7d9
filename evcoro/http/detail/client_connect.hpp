// connect_client(): a connection to a server, by way of a proxy or not.
//
//   http                 connect
//   http by a proxy      connect to the proxy
//   https                connect, secure
//   https by a proxy     connect to the proxy, CONNECT, secure
#pragma once

#include <optional>
#include <string_view>

#include <evcoro/http/client.hpp>
#include <evcoro/http/proxy.hpp>
#include <evcoro/http/url.hpp>
#include <evcoro/io/owned_stream.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::http::detail {

// connect_client() takes no longer than connect_timeout. authorization is the field
// Proxy-Authorization of a CONNECT; "": none. Throws std::bad_alloc, and what the functions of the
// options do.
Result<OwnedStream> connect_client(const ClientOptions& options, const Url& url,
                                   const std::optional<Proxy>& proxy,
                                   std::string_view authorization, TimePoint deadline);

}  // namespace evcoro::http::detail
