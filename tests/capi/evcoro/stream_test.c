// Buffered readers and writers in C. What they do is tested in tests/evcoro/io/.
#define _GNU_SOURCE
#include "fixture.h"

#include <sys/socket.h>

#include <evcoro/io/stream.h>

typedef struct Ends {
  EVSOCKET* socket;
  int peer;
} Ends;

static Ends make_ends(EVTHREAD* thread) {
  int ends[2];
  REQUIRE_C(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  Ends result = {EVSOCKET_init(thread, ends[0], 1), ends[1]};
  REQUIRE_C(result.socket != NULL);
  return result;
}

static void put(const Ends* ends, const char* text) {
  REQUIRE_C(send(ends->peer, text, strlen(text), 0) == (ssize_t)strlen(text));
}

static void read_lines(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Ends ends = make_ends(thread);
  EVREADER* const reader = EVREADER_init(thread, ends.socket, 3, 10);
  const char* line;
  size_t length;
  put(&ends, "one\r\n\ntw");
  REQUIRE_C(EVREADER_read_line(reader, &line, &length, long_time()) == 1);
  REQUIRE_C(length == 3 && strcmp(line, "one") == 0);
  REQUIRE_C(EVREADER_read_line(reader, &line, &length, long_time()) == 1);
  REQUIRE_C(length == 0 && strcmp(line, "") == 0);
  REQUIRE_ERRNO(EVREADER_read_line(reader, &line, &length, milliseconds(2)) == -1, ETIMEDOUT);
  put(&ends, "o--three--0123456789\nx");
  REQUIRE_C(EVREADER_read_until(reader, "--", 2, &line, &length, long_time()) == 1);
  REQUIRE_C(length == 3 && strcmp(line, "two") == 0);
  REQUIRE_C(EVREADER_read_until(reader, "--", 2, &line, &length, long_time()) == 1);
  REQUIRE_C(strcmp(line, "three") == 0);
  REQUIRE_ERRNO(EVREADER_read_line(reader, &line, &length, long_time()) == -1, EMSGSIZE);
  REQUIRE_C(EVREADER_set_limit(reader, 11) == 0);
  REQUIRE_C(EVREADER_read_line(reader, &line, &length, long_time()) == 1);
  REQUIRE_C(strcmp(line, "0123456789") == 0);
  close(ends.peer);
  REQUIRE_ERRNO(EVREADER_read_line(reader, &line, &length, long_time()) == -1, EBADMSG);
  REQUIRE_C(EVREADER_buffered(reader, NULL) == 1);
  REQUIRE_C(EVREADER_consume(reader, 1) == 0);
  REQUIRE_C(EVREADER_read_line(reader, &line, &length, long_time()) == 0);
  REQUIRE_C(EVREADER_free(reader) == 0);
}

static void read_bytes(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Ends ends = make_ends(thread);
  EVREADER* const reader = EVREADER_init(thread, ends.socket, 0, 0);
  const void* data;
  size_t length;
  char buffer[8];
  put(&ends, "0123456789");
  REQUIRE_C(EVREADER_peek(reader, 2, &data, &length, long_time()) == 1);
  REQUIRE_C(length >= 2 && memcmp(data, "01", 2) == 0);
  REQUIRE_C(EVREADER_read_exactly(reader, 4, &data, long_time()) == 1);
  REQUIRE_C(memcmp(data, "0123", 4) == 0);
  REQUIRE_C(EVREADER_read_some(reader, buffer, 1, long_time()) == 1 && buffer[0] == '4');
  REQUIRE_C(EVREADER_read_all(reader, buffer, 3, &length, long_time()) == 0);
  REQUIRE_C(length == 3 && memcmp(buffer, "567", 3) == 0);
  REQUIRE_C(EVREADER_buffered(reader, &data) == 2 && memcmp(data, "89", 2) == 0);
  close(ends.peer);
  REQUIRE_C(EVREADER_read_all(reader, buffer, 8, &length, long_time()) == 0 && length == 2);
  REQUIRE_C(EVREADER_read_some(reader, buffer, 8, long_time()) == 0);
  REQUIRE_C(EVREADER_read_exactly(reader, 1, &data, long_time()) == 0);
  REQUIRE_C(EVREADER_peek(reader, 1, &data, &length, long_time()) == 0);
}  // the reader is freed with the thread

static void write_pieces(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Ends ends = make_ends(thread);
  EVWRITER* const writer = EVWRITER_init(thread, ends.socket, 4);
  char buffer[16];
  size_t length;
  REQUIRE_C(EVWRITER_write(writer, "abc", 3, NULL, long_time()) == 0);
  REQUIRE_C(EVWRITER_buffered(writer) == 3);
  REQUIRE_C(EVWRITER_write(writer, "defgh", 5, &length, long_time()) == 0 && length == 5);
  REQUIRE_C(EVWRITER_write(writer, "i", 1, &length, long_time()) == 0 && length == 1);
  REQUIRE_C(recv(ends.peer, buffer, sizeof buffer, 0) == 8);
  REQUIRE_C(EVWRITER_flush(writer, long_time()) == 0);
  REQUIRE_C(recv(ends.peer, buffer, sizeof buffer, 0) == 1 && buffer[0] == 'i');
  REQUIRE_C(EVWRITER_free(writer) == 0);
  REQUIRE_C(EVWRITER_init(thread, ends.socket, 0) != NULL);  // freed with the thread
  close(ends.peer);
}

TEST_CASE_C(lines, "threads in C read lines and bytes, and write pieces") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, read_lines, NULL);
  run_in_thread(&f, read_bytes, NULL);
  run_in_thread(&f, write_pieces, NULL);
  tear_down(&f);
}

static void misuse(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_ERRNO(EVREADER_init(thread, NULL, 0, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVWRITER_init(thread, NULL, 0) == NULL, EINVAL);
}

TEST_CASE_C(stream_misuse, "NULL is an error for each function about streams") {
  Fixture f;
  const char* text;
  const void* data;
  size_t length;
  char byte;
  set_up(&f);
  run_in_thread(&f, misuse, NULL);
  tear_down(&f);
  REQUIRE_ERRNO(EVREADER_init(NULL, NULL, 0, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVREADER_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVREADER_set_limit(NULL, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVREADER_read_line(NULL, &text, &length, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVREADER_read_until(NULL, "a", 1, &text, &length, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVREADER_read_exactly(NULL, 1, &data, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVREADER_peek(NULL, 1, &data, &length, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVREADER_read_some(NULL, &byte, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVREADER_read_all(NULL, &byte, 1, &length, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_C(EVREADER_buffered(NULL, &data) == 0);
  REQUIRE_ERRNO(EVREADER_consume(NULL, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVWRITER_init(NULL, NULL, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVWRITER_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVWRITER_write(NULL, "a", 1, &length, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVWRITER_flush(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_C(EVWRITER_buffered(NULL) == 0);
}
