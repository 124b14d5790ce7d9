// Codings: what a client takes of Content-Encoding, RFC 9110, 12.5.3.
//
//   if (accepted_codings(request.fields()).best() == Coding::gzip) ...
//
// All of it is values.
#pragma once

#include <cstdint>
#include <string_view>

#include <evcoro/http/fields.hpp>
#include <stacks/export.hpp>

namespace evcoro::http::detail {

enum class Coding : std::uint8_t { identity, deflate, gzip };

// name_of() is what Content-Encoding says.
std::string_view name_of(Coding coding) noexcept;

// Codings has for each the client's preference in thousandths; 0: it doesn't take it.
struct Codings {
  int gzip = 0;
  int deflate = 0;
  int identity = 1;

  // best() is what it prefers; gzip before deflate, and that before identity.
  EVCORO_API Coding best() const noexcept;
};

// accepted_codings() is what Accept-Encoding says; without one, that is identity alone. A coding
// with a quality that is none is not taken.
EVCORO_API Codings accepted_codings(const Fields& fields) noexcept;

// parse_quality() is the quality of an element such as "gzip;q=0.5", in thousandths: 1000 without
// one, 0 if it is none.
EVCORO_API int parse_quality(std::string_view parameters) noexcept;

}  // namespace evcoro::http::detail
