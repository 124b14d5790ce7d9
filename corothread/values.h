// VALUES in C: a tuple of typed values, written as printf does and read as scanf does. It is what
// threads hand one another (corothread/cthread.h).
//
//   VALUES values;
//   int32_t number;
//   const char* text;
//   VALUES_init(&values);
//   VALUES_print(&values, "%d %s", 42, "answer");
//   VALUES_scan(&values, "%d %s", &number, &text);
//   VALUES_free(&values);
//
// The formats, between which there may be blanks:
//
//   %hhd int8_t    %hd int16_t    %d int32_t    %qd int64_t    %s char *
//   %hhu uint8_t   %hu uint16_t   %u uint32_t   %qu uint64_t   %p void *
//
// What is read must have exactly the types that were written, from the first on; there may be more.
// Strings are copied when they are written (NULL stays NULL), and read as pointers into the VALUES,
// good until it is written again or freed; what %p points at is not copied.
//
// What fails returns -1 (VALUES_at(): NULL), sets errno, and changes nothing: EINVAL for a format
// other than these and for NULL where a pointer is needed.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tagVAL_TYPE EVCORO_ENUM {
  VAL_TYPE_UINT8,
  VAL_TYPE_INT8,
  VAL_TYPE_UINT16,
  VAL_TYPE_INT16,
  VAL_TYPE_UINT32,
  VAL_TYPE_INT32,
  VAL_TYPE_UINT64,
  VAL_TYPE_INT64,
  VAL_TYPE_STRING,
  VAL_TYPE_PTR
} VAL_TYPE;

// VAL is one typed value.
typedef struct tagVAL {
  VAL_TYPE type;
  union {
    uint8_t u8;
    int8_t n8;
    uint16_t u16;
    int16_t n16;
    uint32_t u32;
    int32_t n32;
    uint64_t u64;
    int64_t n64;
    char* sval;
    void* pval;
  } u;
} VAL;

// VALUES is the caller's storage; its members are not for him. Zeroed is as good as initialised.
typedef struct tagVALUES {
  VAL* items;       // and behind them their strings
  size_t size;      // items that are in use
  size_t capacity;  // bytes at items
  uintptr_t reserved;
} VALUES;

// VALUES_init() makes *values empty. It allocates nothing.
EVCORO_API int VALUES_init(VALUES* values) EVCORO_NOEXCEPT;

// VALUES_free() frees what *values holds, which is empty then.
EVCORO_API void VALUES_free(VALUES* values) EVCORO_NOEXCEPT;

// VALUES_print() replaces what *values holds. Strings of its own may be among the new values.
// Errors: ENOMEM, too.
EVCORO_API int VALUES_print(VALUES* values, const char* format, ...) EVCORO_NOEXCEPT;
EVCORO_API int VALUES_printv(VALUES* values, const char* format, va_list arguments) EVCORO_NOEXCEPT;

// VALUES_scan() stores the first values where its arguments point; NULL leaves one out. Errors:
// EBADMSG if a value has another type; ENODATA if there are fewer.
EVCORO_API int VALUES_scan(VALUES* values, const char* format, ...) EVCORO_NOEXCEPT;
EVCORO_API int VALUES_scanv(VALUES* values, const char* format, va_list arguments) EVCORO_NOEXCEPT;

// VALUES_at() is the value at position, counted from 0, good until *values is written or freed.
EVCORO_API VAL* VALUES_at(VALUES* values, size_t position) EVCORO_NOEXCEPT;

// VALUES_size() is how many there are; 0 if values is NULL.
EVCORO_API size_t VALUES_size(VALUES* values) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
