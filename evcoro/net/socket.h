// What an EVSOCKET can do beyond evthread.h: pairs and pipes, several buffers at once, files,
// descriptors, options.
//
//   EVSOCKET* ends[2];
//   if (EVSOCKET_pipe(thread, ends) != 0) ...
//   EVSOCKET_send(ends[1], "hello", 5, 0, timeout);
//   EVSOCKET_recv(ends[0], buffer, sizeof buffer, 0, timeout);
//
// What socket.hpp says of sockets holds here. What fails returns -1 and sets errno.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <evcoro/evthread.h>
#include <evcoro/net/socket_option.h>

#ifdef __cplusplus
extern "C" {
#endif

// EVSOCKET_pair() makes two UNIX sockets of thread that are connected with each other;
// EVSOCKET_pipe() a pipe(2), ends[0] to be received from and ends[1] to be sent to.
EVCORO_API int EVSOCKET_pair(EVTHREAD* thread, EVSOCKET* ends[2]) EVCORO_NOEXCEPT;
EVCORO_API int EVSOCKET_pipe(EVTHREAD* thread, EVSOCKET* ends[2]) EVCORO_NOEXCEPT;

// EVSOCKET_recv_vector() is EVSOCKET_recv() into several buffers, one after the other, at most 16
// of them at once. EVSOCKET_send_vector() sends all of them, and stores in *sent how many bytes
// went, also if it fails half way.
EVCORO_API int EVSOCKET_recv_vector(EVSOCKET* socket, const struct iovec* buffers, size_t count,
                                    int flags, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVSOCKET_send_vector(EVSOCKET* socket, const struct iovec* buffers, size_t count,
                                    int flags, struct timeval timeout,
                                    size_t* sent) EVCORO_NOEXCEPT;

// EVSOCKET_peek() is EVSOCKET_recv(), but leaves the data there.
EVCORO_API int EVSOCKET_peek(EVSOCKET* socket, void* buf, size_t size,
                             struct timeval timeout) EVCORO_NOEXCEPT;

// EVSOCKET_send_file() sends size bytes of a file, from offset on, and stores in *sent how many
// went, also if it fails half way. ENODATA if the file is too short. See sendfile(2).
EVCORO_API int EVSOCKET_send_file(EVSOCKET* socket, int file, uint64_t offset, size_t size,
                                  struct timeval timeout, size_t* sent) EVCORO_NOEXCEPT;

// EVSOCKET_send_descriptors() sends data, of at least a byte, and with it duplicates of up to 253
// descriptors, over a UNIX socket. Returns 0.
EVCORO_API int EVSOCKET_send_descriptors(EVSOCKET* socket, const void* data, size_t size,
                                         const int* descriptors, size_t count,
                                         struct timeval timeout) EVCORO_NOEXCEPT;

// EVSOCKET_recv_descriptors() is EVSOCKET_recv(), and stores the descriptors that came with the
// data; they are the caller's then. *count is for how many there is room, and becomes how many
// there are. If they are more, all are closed, and it fails with EMSGSIZE.
EVCORO_API int EVSOCKET_recv_descriptors(EVSOCKET* socket, void* buf, size_t size, int* descriptors,
                                         size_t* count, struct timeval timeout) EVCORO_NOEXCEPT;

// EVSOCKET_reset() is EVSOCKET_close(), but a TCP connection ends with a reset.
EVCORO_API int EVSOCKET_reset(EVSOCKET* socket) EVCORO_NOEXCEPT;

// See socket_option.h.
EVCORO_API int EVSOCKET_set_option(EVSOCKET* socket, EVOPTION option, int value) EVCORO_NOEXCEPT;
EVCORO_API int EVSOCKET_get_option(EVSOCKET* socket, EVOPTION option, int* value) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
