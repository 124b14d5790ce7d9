// Conditions: requests that want an answer only if what they know is, or isn't, still so; in the
// order of RFC 9110, 13.2.2.
//
//   const Validators has{.etag = "\"a1\"", .modified = time};
//   switch (check_conditions(request.fields(), is_get_or_head, has)) ...
//
// Views and values; nothing is kept.
#pragma once

#include <cstdint>
#include <string_view>

#include <evcoro/http/detail/timestamp.hpp>
#include <evcoro/http/fields.hpp>
#include <stacks/export.hpp>

namespace evcoro::http::detail {

// Validators are those of what would be sent: its entity tag, with quotes, and when it changed.
struct Validators {
  std::string_view etag;
  Timestamp modified;
};

enum class Verdict : std::uint8_t { send, not_modified, failed };

// check_conditions() is about If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since.
// Dates that aren't any count as not there.
EVCORO_API Verdict check_conditions(const Fields& fields, bool is_get_or_head,
                                    const Validators& has) noexcept;

// allows_ranges() is about If-Range: false if the client has a part of something else. A date is
// good enough if it is that of what there is, and that is older than a second.
EVCORO_API bool allows_ranges(const Fields& fields, const Validators& has) noexcept;

// lists_tag() says whether list ("*", or tags with commas) has the tag; weakly, W/"a" is "a", and
// strongly it is none. What is no list has none.
EVCORO_API bool lists_tag(std::string_view list, std::string_view tag, bool is_weak) noexcept;

}  // namespace evcoro::http::detail
