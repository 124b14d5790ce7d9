// BodyFilter: changes the body of a response on its way; Compression is one.
//
//   struct Upper : BodyFilter {
//     bool begin(Response&, std::optional<std::uint64_t>) override { return true; }
//     bool pass(std::string_view data, Pass, std::string& out) override { ... }
//   };
//
//   router.use([](Request&, Response& response, const Next& next) {
//     Upper filter;
//     response.with_filter(filter, next);
//   });
//
// It is used by one response, in its thread, during with_filter().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <stacks/export.hpp>

namespace evcoro::http {

class Response;

class EVCORO_API BodyFilter {
 public:
  // What is wanted of what has been passed so far.
  enum class Pass : std::uint8_t {
    more,   // nothing yet: more follows
    flush,  // all of it: the client is to have it now
    end,    // all of it: there is no more
  };

  virtual ~BodyFilter() = default;

  // begin() is called before the head is sent, and may change its status and fields; length is that
  // of the body, if that is known. If it returns false the body goes as it is, and this is not
  // called again.
  virtual bool begin(Response& response, std::optional<std::uint64_t> length) = 0;

  // pass() appends to out what becomes of data, at most 64 KiB, or is left of what was before. If
  // it returns false the connection is cut.
  virtual bool pass(std::string_view data, Pass how, std::string& out) = 0;

 protected:
  BodyFilter() = default;
  BodyFilter(const BodyFilter&) = default;
  BodyFilter& operator=(const BodyFilter&) = default;
};

}  // namespace evcoro::http
