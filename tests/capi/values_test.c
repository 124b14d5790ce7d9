#include <corothread/values.h>

#include <errno.h>
#include <string.h>

#include <support/c_test.h>

TEST_CASE_C(every_type, "every type comes back as it was written") {
  VALUES values;
  REQUIRE_C(VALUES_init(&values) == 0);
  int on_stack;
  REQUIRE_C(VALUES_print(&values, "%hhd%hhu%hd%hu%d%u%qd%qu%s%p", INT8_MIN, UINT8_MAX, INT16_MIN,
                         UINT16_MAX, INT32_MIN, UINT32_MAX, INT64_MIN, UINT64_MAX, "text",
                         (void*)&on_stack) == 0);
  REQUIRE_C(VALUES_size(&values) == 10);
  int8_t n8;
  uint8_t u8;
  int16_t n16;
  uint16_t u16;
  int32_t n32;
  uint32_t u32;
  int64_t n64;
  uint64_t u64;
  char* text;
  void* pointer;
  REQUIRE_C(VALUES_scan(&values, "%hhd%hhu%hd%hu%d%u%qd%qu%s%p", &n8, &u8, &n16, &u16, &n32, &u32,
                        &n64, &u64, &text, &pointer) == 0);
  REQUIRE_C(n8 == INT8_MIN && u8 == UINT8_MAX);
  REQUIRE_C(n16 == INT16_MIN && u16 == UINT16_MAX);
  REQUIRE_C(n32 == INT32_MIN && u32 == UINT32_MAX);
  REQUIRE_C(n64 == INT64_MIN && u64 == UINT64_MAX);
  REQUIRE_C(strcmp(text, "text") == 0);
  REQUIRE_C(pointer == &on_stack);
  VALUES_free(&values);
}

TEST_CASE_C(at, "each value can be had with its type, by its position") {
  VALUES values = {0};
  int on_stack;
  REQUIRE_C(VALUES_print(&values, "%hhd %hhu %hd %hu %d %u %qd %qu %s %p", -1, 1, -2, 2, -3, 3U,
                         (int64_t)-4, (uint64_t)4, "text", (void*)&on_stack) == 0);
  const VAL* at[10];
  for (size_t i = 0; i < 10; i++) REQUIRE_C((at[i] = VALUES_at(&values, i)) != NULL);
  REQUIRE_C(at[0]->type == VAL_TYPE_INT8 && at[0]->u.n8 == -1);
  REQUIRE_C(at[1]->type == VAL_TYPE_UINT8 && at[1]->u.u8 == 1);
  REQUIRE_C(at[2]->type == VAL_TYPE_INT16 && at[2]->u.n16 == -2);
  REQUIRE_C(at[3]->type == VAL_TYPE_UINT16 && at[3]->u.u16 == 2);
  REQUIRE_C(at[4]->type == VAL_TYPE_INT32 && at[4]->u.n32 == -3);
  REQUIRE_C(at[5]->type == VAL_TYPE_UINT32 && at[5]->u.u32 == 3);
  REQUIRE_C(at[6]->type == VAL_TYPE_INT64 && at[6]->u.n64 == -4);
  REQUIRE_C(at[7]->type == VAL_TYPE_UINT64 && at[7]->u.u64 == 4);
  REQUIRE_C(at[8]->type == VAL_TYPE_STRING && strcmp(at[8]->u.sval, "text") == 0);
  REQUIRE_C(at[9]->type == VAL_TYPE_PTR && at[9]->u.pval == &on_stack);
  REQUIRE_ERRNO(VALUES_at(&values, 10) == NULL, EINVAL);
  REQUIRE_ERRNO(VALUES_at(NULL, 0) == NULL, EINVAL);
  REQUIRE_C(VALUES_size(NULL) == 0);
  VALUES_free(&values);
}

TEST_CASE_C(exact_types, "a value is read as the type that it has, and no other") {
  static const char* const formats[] = {"%hhd", "%hhu", "%hd", "%hu", "%d",
                                        "%u",   "%qd",  "%qu", "%s",  "%p"};
  VALUES values = {0};
  REQUIRE_C(VALUES_print(&values, "%d", 1) == 0);
  for (int i = 0; i < 10; i++) {
    char target[8] = "same";
    if (strcmp(formats[i], "%d") == 0) {
      REQUIRE_C(VALUES_scan(&values, formats[i], target) == 0);
    } else {
      REQUIRE_ERRNO(VALUES_scan(&values, formats[i], target) == -1, EBADMSG);
      REQUIRE_C(strcmp(target, "same") == 0);
    }
  }
  VALUES_free(&values);
}

TEST_CASE_C(fewer, "fewer values than there are can be read, more can't") {
  VALUES values = {0};
  int32_t first = 0;
  int32_t second = 0;
  int32_t third = 0;
  REQUIRE_C(VALUES_print(&values, "%d %d", 1, 2) == 0);
  REQUIRE_C(VALUES_scan(&values, "") == 0);
  REQUIRE_C(VALUES_scan(&values, "%d", &first) == 0 && first == 1);
  REQUIRE_C(VALUES_scan(&values, "%d %d", NULL, &second) == 0 && second == 2);
  first = second = 0;
  REQUIRE_ERRNO(VALUES_scan(&values, "%d %d %d", &first, &second, &third) == -1, ENODATA);
  REQUIRE_C(first == 0 && second == 0);  // nothing is left half done
  VALUES_free(&values);
}

TEST_CASE_C(wrong_formats, "an unknown format is refused, and nothing changes") {
  static const char* const formats[] = {"%",     "%x",  "%ld", "%lld", "%hhhd", "%f",
                                        "%d %i", "d",   "%%",  "%d,",  "%hs",   "%q",
                                        "%h",    "% d", "%5d", "%d%",  "x%d",   "%qhd"};
  VALUES values = {0};
  int32_t number = 0;
  REQUIRE_C(VALUES_print(&values, "%d", 42) == 0);
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    REQUIRE_ERRNO(VALUES_print(&values, formats[i], 1, 2) == -1, EINVAL);
    REQUIRE_C(VALUES_size(&values) == 1);
    REQUIRE_C(VALUES_scan(&values, formats[i], &number, &number) == -1);
    REQUIRE_C(number == 0);
  }
  REQUIRE_C(VALUES_scan(&values, " %d\t\n", &number) == 0 && number == 42);
  VALUES_free(&values);
}

TEST_CASE_C(null_arguments, "NULL is refused") {
  VALUES values = {0};
  REQUIRE_ERRNO(VALUES_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(VALUES_print(NULL, "%d", 1) == -1, EINVAL);
  REQUIRE_ERRNO(VALUES_print(&values, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(VALUES_scan(NULL, "") == -1, EINVAL);
  REQUIRE_ERRNO(VALUES_scan(&values, NULL) == -1, EINVAL);
  VALUES_free(NULL);
  VALUES_free(&values);
}

TEST_CASE_C(strings_are_copied, "strings are copied, and NULL stays NULL") {
  VALUES values = {0};
  char text[] = "before";
  const char* copy;
  const char* none;
  const char* empty;
  REQUIRE_C(VALUES_print(&values, "%s %s %s", text, NULL, "") == 0);
  strcpy(text, "after");
  REQUIRE_C(VALUES_scan(&values, "%s %s %s", &copy, &none, &empty) == 0);
  REQUIRE_C(copy != text && strcmp(copy, "before") == 0);
  REQUIRE_C(none == NULL);
  REQUIRE_C(strcmp(empty, "") == 0);
  VALUES_free(&values);
}

TEST_CASE_C(own_strings, "a VALUES can be written with its own strings") {
  VALUES values = {0};
  const char* first;
  const char* second;
  REQUIRE_C(VALUES_print(&values, "%s %s", "one", "two") == 0);
  REQUIRE_C(VALUES_scan(&values, "%s %s", &first, &second) == 0);
  REQUIRE_C(VALUES_print(&values, "%s %s", second, first) == 0);
  REQUIRE_C(VALUES_scan(&values, "%s %s", &first, &second) == 0);
  REQUIRE_C(strcmp(first, "two") == 0 && strcmp(second, "one") == 0);
  VALUES_free(&values);
}

TEST_CASE_C(rewritten, "a VALUES can be written again, with more and with fewer") {
  VALUES values = {0};
  for (int32_t i = 0; i < 100; i++) {
    int32_t number = -1;
    if (i % 3 == 0) REQUIRE_C(VALUES_print(&values, "%d", i) == 0);
    if (i % 3 == 1) REQUIRE_C(VALUES_print(&values, "%d%d%d%d%d%d", i, 1, 2, 3, 4, 5) == 0);
    if (i % 3 == 2) REQUIRE_C(VALUES_print(&values, "%d%s", i, "text") == 0);
    REQUIRE_C(VALUES_size(&values) == (i % 3 == 0 ? 1U : i % 3 == 1 ? 6U : 2U));
    REQUIRE_C(VALUES_scan(&values, "%d", &number) == 0 && number == i);
  }
  REQUIRE_C(VALUES_print(&values, "") == 0);
  REQUIRE_C(VALUES_size(&values) == 0);
  VALUES_free(&values);
  VALUES_free(&values);
  REQUIRE_C(VALUES_size(&values) == 0);
}

static int print(VALUES* values, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int result = VALUES_printv(values, format, arguments);
  va_end(arguments);
  return result;
}

static int scan(VALUES* values, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int result = VALUES_scanv(values, format, arguments);
  va_end(arguments);
  return result;
}

TEST_CASE_C(argument_lists, "argument lists do as well") {
  VALUES values = {0};
  int32_t number;
  const char* text;
  REQUIRE_C(print(&values, "%d %s", 42, "answer") == 0);
  REQUIRE_C(scan(&values, "%d %s", &number, &text) == 0);
  REQUIRE_C(number == 42 && strcmp(text, "answer") == 0);
  REQUIRE_ERRNO(print(&values, "%x", 1) == -1, EINVAL);
  REQUIRE_ERRNO(scan(&values, "%d %d", &number, &number) == -1, EBADMSG);
  VALUES_free(&values);
}
