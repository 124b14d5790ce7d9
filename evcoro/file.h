// EVFILE: a file that is read and written in worker threads, in C; see file.hpp.
//
//   EVFILE* file = EVFILE_open(thread, "data", O_RDONLY, 0, timeout);
//   while ((count = EVFILE_read(file, buffer, sizeof buffer, timeout)) > 0) ...
//   EVFILE_close(file, timeout);
//
// An EVFILE belongs to an EVTHREAD, and is closed with it. What file.hpp says of File holds here,
// also of buffers: none is touched after the call. What fails returns -1, or NULL, and sets errno.
// Blocking calls are for threads: EPERM outside one.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVFILE EVFILE;

// EVFILE_open() is open(2), with O_CLOEXEC. mode is for O_CREAT. EVFILE_adopt() takes a descriptor
// over, unless it fails.
EVCORO_API EVFILE* EVFILE_open(EVTHREAD* thread, const char* path, int flags, mode_t mode,
                               struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API EVFILE* EVFILE_adopt(EVTHREAD* thread, int fd) EVCORO_NOEXCEPT;

// EVFILE_close() closes the file, and frees the EVFILE whatever it returns.
EVCORO_API int EVFILE_close(EVFILE* file, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVFILE_fd(EVFILE* file) EVCORO_NOEXCEPT;

// Each returns how many bytes were transferred. Reads end short at the end of the file, with 0
// there. A size over INT_MAX is EINVAL.
EVCORO_API int EVFILE_read(EVFILE* file, void* buf, size_t size,
                           struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVFILE_pread(EVFILE* file, void* buf, size_t size, uint64_t offset,
                            struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVFILE_write(EVFILE* file, const void* buf, size_t size,
                            struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVFILE_pwrite(EVFILE* file, const void* buf, size_t size, uint64_t offset,
                             struct timeval timeout) EVCORO_NOEXCEPT;

EVCORO_API int64_t EVFILE_size(EVFILE* file, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVFILE_truncate(EVFILE* file, uint64_t size, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVFILE_sync(EVFILE* file, struct timeval timeout) EVCORO_NOEXCEPT;

// EVFILE_read_all() stores what is in a file, and a 0 behind it, in *data, to be freed by free(3),
// and how much that is in *size. EMSGSIZE if it is more than limit bytes. EVFILE_write_all() makes
// data all that is in a file, which it creates if there is none.
EVCORO_API int EVFILE_read_all(const char* path, size_t limit, char** data, size_t* size,
                               struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVFILE_write_all(const char* path, const void* data, size_t size,
                                struct timeval timeout) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
