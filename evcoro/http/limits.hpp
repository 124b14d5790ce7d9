// Limits: what a peer may make us hold, and how long it may take.
//
//   evcoro::http::ServerOptions options;
//   options.limits.body = 16 << 20;       // 16 MiB
//   options.limits.keep_alive = 10s;
//
// It is a value. What a request exceeds gets the status in brackets, and the connection ends. The
// largest number of a type is as good as no limit; only of fields and trailers there are never more
// than 16384, since memory for so many is set aside.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace evcoro::http {

struct Limits {
  // The head, in bytes. A line counts without its end.
  std::size_t request_line = 8 * 1024;  // [414]
  std::size_t field = 8 * 1024;         // one field, name and value [431]
  std::size_t fields = 100;             // their number [431]
  std::size_t fields_size = 32 * 1024;  // all of them, with their line ends [431]

  // The body. The first holds unless Request::set_body_limit() says otherwise.
  std::uint64_t body = 1024 * 1024;   // [413]
  std::size_t chunk_extension = 256;  // of a chunk; of all of them 64 times as much [400]
  std::size_t trailers = 32;          // fields behind a chunked body [431]

  // The connection.
  std::size_t requests = 1000;          // then it is closed, behind the last response
  std::size_t unread_body = 64 * 1024;  // of a body that the handler leaves unread, so much is
                                        // read and dropped to keep the connection

  // Times. None is negative, and never is steady_clock's maximum: give hours instead.
  std::chrono::milliseconds head{10'000};        // the whole head, from its first byte [408]
  std::chrono::milliseconds body_idle{30'000};   // without a byte of the body [408]
  std::chrono::milliseconds write_idle{60'000};  // without a byte being taken: the end
  std::chrono::milliseconds keep_alive{75'000};  // between requests: the end

  // Behind a last response what the peer still sends is dropped, lest a reset takes the response
  // from it: for so long in all, and until nothing has come for the other.
  std::chrono::milliseconds linger{30'000};
  std::chrono::milliseconds linger_idle{5'000};

  // A body must come at so many bytes a second [408], all in all, once its bytes have been waited
  // for as long as the grace. 0 is no limit.
  std::uint64_t body_rate = 500;
  std::chrono::milliseconds body_rate_grace{30'000};
};

}  // namespace evcoro::http
