#include <corothread/values.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <stacks/stacks_c.hpp>

using evcoro::stacks::fail;

namespace {

// va_list may be an array type, which doesn't travel by reference.
struct Arguments {
  explicit Arguments(va_list source) noexcept { va_copy(list, source); }
  ~Arguments() { va_end(list); }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  va_list list;
};

struct Specifier {
  const char* text;  // after the %; none begins like another
  VAL_TYPE type;
};
constexpr Specifier specifiers[] = {
    {"d", VAL_TYPE_INT32},   {"u", VAL_TYPE_UINT32},  {"s", VAL_TYPE_STRING},
    {"p", VAL_TYPE_PTR},     {"qd", VAL_TYPE_INT64},  {"qu", VAL_TYPE_UINT64},
    {"hd", VAL_TYPE_INT16},  {"hu", VAL_TYPE_UINT16}, {"hhd", VAL_TYPE_INT8},
    {"hhu", VAL_TYPE_UINT8},
};

// FormatReader reads specifiers one by one.
class FormatReader {
 public:
  explicit FormatReader(const char* text) noexcept : at_(text) {}

  // next() is false at the end, and where there is no specifier; is_at_end() tells the one from the
  // other.
  bool next(VAL_TYPE& type) noexcept {
    at_ += std::strspn(at_, " \t\n");
    if (*at_ != '%') return false;
    for (const Specifier& each : specifiers) {
      const std::size_t length = std::strlen(each.text);
      if (std::strncmp(at_ + 1, each.text, length) != 0) continue;
      at_ += 1 + length;
      type = each.type;
      return true;
    }
    return false;
  }
  bool is_at_end() const noexcept { return *at_ == '\0'; }

 private:
  const char* at_;
};

VAL next_value(VAL_TYPE type, va_list& list) noexcept {
  VAL value{type, {}};
  switch (type) {
    case VAL_TYPE_UINT8:
      value.u.u8 = static_cast<uint8_t>(va_arg(list, int));
      break;
    case VAL_TYPE_INT8:
      value.u.n8 = static_cast<int8_t>(va_arg(list, int));
      break;
    case VAL_TYPE_UINT16:
      value.u.u16 = static_cast<uint16_t>(va_arg(list, int));
      break;
    case VAL_TYPE_INT16:
      value.u.n16 = static_cast<int16_t>(va_arg(list, int));
      break;
    case VAL_TYPE_UINT32:
      value.u.u32 = va_arg(list, uint32_t);
      break;
    case VAL_TYPE_INT32:
      value.u.n32 = va_arg(list, int32_t);
      break;
    case VAL_TYPE_UINT64:
      value.u.u64 = va_arg(list, uint64_t);
      break;
    case VAL_TYPE_INT64:
      value.u.n64 = va_arg(list, int64_t);
      break;
    case VAL_TYPE_STRING:
      value.u.sval = va_arg(list, char*);
      break;
    case VAL_TYPE_PTR:
      value.u.pval = va_arg(list, void*);
      break;
  }
  return value;
}

template <class T>
void put(void* target, const T& value) noexcept {
  std::memcpy(target, &value, sizeof value);
}

void store(const VAL& value, void* target) noexcept {
  switch (value.type) {
    case VAL_TYPE_UINT8:
    case VAL_TYPE_INT8:
      return put(target, value.u.u8);
    case VAL_TYPE_UINT16:
    case VAL_TYPE_INT16:
      return put(target, value.u.u16);
    case VAL_TYPE_UINT32:
    case VAL_TYPE_INT32:
      return put(target, value.u.u32);
    case VAL_TYPE_UINT64:
    case VAL_TYPE_INT64:
      return put(target, value.u.u64);
    case VAL_TYPE_STRING:
    case VAL_TYPE_PTR:
      return put(target, value.u.pval);
  }
}

std::size_t string_size(const VAL& value) noexcept {
  if (value.type != VAL_TYPE_STRING || value.u.sval == nullptr) return 0;
  return std::strlen(value.u.sval) + 1;
}

// Needs is what a call of VALUES_printv() has to have room for.
struct Needs {
  std::size_t items = 0;
  std::size_t string_bytes = 0;
  std::size_t bytes() const noexcept { return items * sizeof(VAL) + string_bytes; }
};

bool measure(const char* format, va_list arguments, Needs& needs) noexcept {
  Arguments copy{arguments};
  FormatReader reader{format};
  for (VAL_TYPE type{}; reader.next(type); ++needs.items) {
    needs.string_bytes += string_size(next_value(type, copy.list));
  }
  return reader.is_at_end();
}

void fill(VAL* items, const Needs& needs, const char* format, va_list arguments) noexcept {
  Arguments copy{arguments};
  FormatReader reader{format};
  auto* strings = reinterpret_cast<char*>(items + needs.items);
  for (VAL_TYPE type{}; reader.next(type); ++items) {
    *items = next_value(type, copy.list);
    const std::size_t size = string_size(*items);
    if (size == 0) continue;
    items->u.sval = static_cast<char*>(std::memcpy(strings, items->u.sval, size));
    strings += size;
  }
}

// Says what is wrong with reading *values by format, if anything: an errno.
int check(const VALUES& values, const char* format) noexcept {
  FormatReader reader{format};
  std::size_t position = 0;
  for (VAL_TYPE type{}; reader.next(type); ++position) {
    if (position == values.size) return ENODATA;
    if (values.items[position].type != type) return EBADMSG;
  }
  return reader.is_at_end() ? 0 : EINVAL;
}

}  // namespace

int VALUES_init(VALUES* values) noexcept {
  if (values == nullptr) return fail(EINVAL);
  *values = {};
  return 0;
}

void VALUES_free(VALUES* values) noexcept {
  if (values == nullptr) return;
  std::free(values->items);
  *values = {};
}

int VALUES_printv(VALUES* values, const char* format, va_list arguments) noexcept {
  Needs needs;
  if (values == nullptr || format == nullptr || !measure(format, arguments, needs)) {
    return fail(EINVAL);
  }
  // Strings may come from the block that is in use.
  const bool reuse = needs.string_bytes == 0 && needs.bytes() <= values->capacity;
  if (reuse) {
    if (needs.items > 0) fill(values->items, needs, format, arguments);
    values->size = needs.items;
    return 0;
  }
  auto* const items = static_cast<VAL*>(std::malloc(needs.bytes()));
  if (items == nullptr) return fail(ENOMEM);
  fill(items, needs, format, arguments);
  std::free(values->items);
  *values = {items, needs.items, needs.bytes(), 0};
  return 0;
}

int VALUES_scanv(VALUES* values, const char* format, va_list arguments) noexcept {
  if (values == nullptr || format == nullptr) return fail(EINVAL);
  if (const int error = check(*values, format)) return fail(error);
  Arguments copy{arguments};
  FormatReader reader{format};
  const VAL* item = values->items;
  for (VAL_TYPE type{}; reader.next(type); ++item) {
    if (void* const target = va_arg(copy.list, void*)) store(*item, target);
  }
  return 0;
}

int VALUES_print(VALUES* values, const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  const int result = VALUES_printv(values, format, arguments);
  va_end(arguments);
  return result;
}

int VALUES_scan(VALUES* values, const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  const int result = VALUES_scanv(values, format, arguments);
  va_end(arguments);
  return result;
}

VAL* VALUES_at(VALUES* values, size_t position) noexcept {
  if (values != nullptr && position < values->size) return values->items + position;
  errno = EINVAL;
  return nullptr;
}

size_t VALUES_size(VALUES* values) noexcept { return values != nullptr ? values->size : 0; }
