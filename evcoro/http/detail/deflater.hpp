// Deflater: one that compresses, by zlib, and can be used again.
//
//   deflater.reset();
//   deflater.pass("hello", BodyFilter::Pass::end, out);
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <evcoro/http/body_filter.hpp>
#include <evcoro/http/detail/codings.hpp>

namespace evcoro::http::detail {

class Deflater {
 public:
  // Throws std::bad_alloc. coding is gzip or deflate.
  Deflater(Coding coding, int level);
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // reset() begins anew.
  void reset() noexcept;

  // pass() is as BodyFilter's. Throws std::bad_alloc.
  bool pass(std::string_view data, BodyFilter::Pass how, std::string& out);

 private:
  struct Stream;
  const std::unique_ptr<Stream> stream_;
};

}  // namespace evcoro::http::detail
