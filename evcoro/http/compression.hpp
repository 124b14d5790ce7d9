// Compression: sends bodies in gzip or deflate to clients who take that.
//
//   Router router;
//   router.use(Compression{{.min_size = 2048}});
//
//   Server server{loop, address, Compression{}.wrap(handler)};       // without a router
//
// What is compressed is said by the type, and by the size if that is known before; never what has a
// Content-Encoding, Content-Range or digest already, or Cache-Control: no-transform. Responses that
// might have been get Vary, and those that are a weak ETag, and no ranges. Bodies that are written
// part by part are flushed with each, so that the client has them at once, as server-sent events
// want it.
//
// It costs the loop's OS thread the time, about 20 ms for a megabyte of text, and, while a response
// is under way, up to 268 KB. Beyond most_per_loop at once they are sent as they are. Bodies of
// requests are not touched. A response that has both a secret and what an attacker has said should
// not be compressed at all: its length tells of the secret (BREACH).
//
// It is a value, and may be called in any number of OS threads at once; copies share what they
// keep.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <evcoro/http/router.hpp>
#include <evcoro/http/serve.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {
class CompressionState;
}

// CompressionOptions are those of Compression.
struct CompressionOptions {
  int level = 5;                // zlib's: 1 is fast, 9 is small
  std::size_t min_size = 1024;  // of a body whose size is known

  // The types that are worth it, without parameters; one that ends with a slash is all of its kind.
  std::vector<std::string> types = {
      "text/",
      "application/javascript",
      "application/json",
      "application/ld+json",
      "application/manifest+json",
      "application/problem+json",
      "application/xml",
      "application/xhtml+xml",
      "application/atom+xml",
      "application/rss+xml",
      "application/wasm",
      "image/svg+xml",
  };

  std::size_t kept_per_loop = 8;    // compressors that wait for their next use
  std::size_t most_per_loop = 100;  // responses at once
};

class EVCORO_API Compression {
 public:
  using Options = CompressionOptions;

  // Throws std::invalid_argument if zlib has no such level.
  explicit Compression(Options options = {});

  // A Router::Middleware.
  void operator()(Request& request, Response& response, const Next& next) const;

  // wrap() is a handler whose responses are compressed.
  Handler wrap(Handler handler) const;

 private:
  std::shared_ptr<detail::CompressionState> state_;
};

}  // namespace evcoro::http
