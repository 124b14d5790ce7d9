// FieldsAccess: what the parser and the response do with Fields, and nobody else.
#pragma once

#include <vector>

#include <evcoro/http/fields.hpp>

namespace evcoro::http::detail {

class FieldsAccess {
 public:
  static std::vector<FieldEntry>& entries(Fields& fields) noexcept { return fields.entries_; }

  // borrow() says where the text is that the entries are about.
  static void borrow(Fields& fields, const char* text) noexcept { fields.borrowed_ = text; }

  // guard() lets them refuse what the library sets itself.
  static void guard(Fields& fields, Guard guard) noexcept { fields.guard_ = guard; }
};

}  // namespace evcoro::http::detail
