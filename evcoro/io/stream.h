// EVREADER and EVWRITER: lines, and what else has a beginning and an end, on an EVSOCKET; and small
// pieces that are sent together. In C.
//
//   static void serve(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
//     EVREADER* const reader = EVREADER_init(thread, socket, 0, 0);
//     EVWRITER* const writer = EVWRITER_init(thread, socket, 0);
//     const char* line;
//     size_t length;
//     while (EVREADER_read_line(reader, &line, &length, timeout) > 0) {
//       EVWRITER_write(writer, line, length, NULL, timeout);
//       EVWRITER_write(writer, "\n", 1, NULL, timeout);
//       if (EVWRITER_flush(writer, timeout) != 0) break;
//     }
//   }                                              // freed with their thread
//
// What buffered_reader.hpp and buffered_writer.hpp say of BufferedReader and BufferedWriter holds
// here. The socket stays what it is, and must not go before them, but at the end of the thread.
// What fails returns -1, or NULL, and sets errno, see evthread.h; EBADMSG if the stream ends within
// what was to be read, EMSGSIZE if that is longer than the limit. Nothing is lost by that.
#pragma once

#include <stddef.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVREADER EVREADER;
typedef struct tagEVWRITER EVWRITER;

// EVREADER_init() makes a reader of thread, which frees it when it ends. size is that of its buffer
// at first (0: 4096 bytes), limit the longest line with its end, and so on (0: 64 KiB).
EVCORO_API EVREADER* EVREADER_init(EVTHREAD* thread, EVSOCKET* socket, size_t size,
                                   size_t limit) EVCORO_NOEXCEPT;
EVCORO_API int EVREADER_free(EVREADER* reader) EVCORO_NOEXCEPT;
EVCORO_API int EVREADER_set_limit(EVREADER* reader, size_t limit) EVCORO_NOEXCEPT;

// These return 1, or 0 at the end of the stream, if nothing is left. What they store lies in the
// reader's buffer, and is good until its next call.
//
// EVREADER_read_line() reads a line, without its "\n" or "\r\n", and EVREADER_read_until() up to a
// delimiter of some bytes, which it leaves out. Both texts are followed by a '\0'.
EVCORO_API int EVREADER_read_line(EVREADER* reader, const char** line, size_t* length,
                                  struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVREADER_read_until(EVREADER* reader, const char* delimiter, size_t delimiter_length,
                                   const char** text, size_t* length,
                                   struct timeval timeout) EVCORO_NOEXCEPT;

// EVREADER_read_exactly() reads size bytes, up to the limit. EVREADER_peek() waits until size bytes
// are there, and stores all that is, without taking it.
EVCORO_API int EVREADER_read_exactly(EVREADER* reader, size_t size, const void** data,
                                     struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVREADER_peek(EVREADER* reader, size_t size, const void** data, size_t* length,
                             struct timeval timeout) EVCORO_NOEXCEPT;

// EVREADER_read_some() takes what is there, and returns how many bytes: 0 at the end of the stream.
// EVREADER_read_all() fills buf, of any size, and returns 0 or -1; *count is smaller than size only
// if it fails, or at the end of the stream.
EVCORO_API int EVREADER_read_some(EVREADER* reader, void* buf, size_t size,
                                  struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVREADER_read_all(EVREADER* reader, void* buf, size_t size, size_t* count,
                                 struct timeval timeout) EVCORO_NOEXCEPT;

// EVREADER_buffered() is how many bytes have come and were not taken; data, if not NULL, gets where
// they are. EVREADER_consume() takes size bytes of them.
EVCORO_API size_t EVREADER_buffered(EVREADER* reader, const void** data) EVCORO_NOEXCEPT;
EVCORO_API int EVREADER_consume(EVREADER* reader, size_t size) EVCORO_NOEXCEPT;

// EVWRITER_init() makes a writer of thread, which frees it, without flushing, when it ends. size is
// that of its buffer (0: 4096 bytes).
EVCORO_API EVWRITER* EVWRITER_init(EVTHREAD* thread, EVSOCKET* socket, size_t size) EVCORO_NOEXCEPT;
EVCORO_API int EVWRITER_free(EVWRITER* writer) EVCORO_NOEXCEPT;

// EVWRITER_write() puts data into the buffer, which is flushed before if there is no room; what is
// as large as the buffer is sent at once. Returns 0 or -1; count, if not NULL, gets how much was
// accepted.
EVCORO_API int EVWRITER_write(EVWRITER* writer, const void* data, size_t size, size_t* count,
                              struct timeval timeout) EVCORO_NOEXCEPT;

// EVWRITER_flush() sends what is in the buffer; EVWRITER_buffered() is how many bytes that are.
EVCORO_API int EVWRITER_flush(EVWRITER* writer, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API size_t EVWRITER_buffered(EVWRITER* writer) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
