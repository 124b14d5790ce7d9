// EVDATAGRAM in C: UDP, and datagrams between UNIX sockets.
//
//   static void echo(EVTHREAD* thread, EVSOCKET* unused, void* user_ctx) {
//     EVDATAGRAM* socket = EVDATAGRAM_open(thread, AF_INET);
//     EVDATAGRAM_bind(socket, SOCKADDR_saddr(&address), SOCKADDR_length(&address));
//     SOCKADDR sender;
//     char buffer[1500];
//     int count;
//     while ((count = EVDATAGRAM_recv_from(socket, buffer, sizeof buffer, 0, &sender, NULL,
//                                          EVTIMEOUT_NEVER)) >= 0) {
//       EVDATAGRAM_send_to(socket, buffer, count, 0, SOCKADDR_saddr(&sender),
//                          SOCKADDR_length(&sender), timeout);
//     }
//   }
//
// What datagram_socket.hpp says of datagrams holds here: an empty one is a count of 0, and no end
// of file. What evthread.h says of errors and timeouts does, too. All is for the loop's OS thread.
#pragma once

#include <stddef.h>

#include <evcoro/evthread.h>
#include <evcoro/net/address.h>
#include <evcoro/net/socket_option.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVDATAGRAM EVDATAGRAM;
typedef struct tagEVDATAGRAM_BATCH EVDATAGRAM_BATCH;

// EVDATAGRAM_open() makes a socket of thread, of family AF_INET, AF_INET6 or AF_UNIX;
// EVDATAGRAM_init() one around fd, which stays the caller's if this fails. The thread closes it
// when it ends.
EVCORO_API EVDATAGRAM* EVDATAGRAM_open(EVTHREAD* thread, int family) EVCORO_NOEXCEPT;
EVCORO_API EVDATAGRAM* EVDATAGRAM_init(EVTHREAD* thread, int fd) EVCORO_NOEXCEPT;

// EVDATAGRAM_close() closes the descriptor and frees the EVDATAGRAM. Threads that wait for it fail
// with ECANCELED. EVDATAGRAM_release() returns the descriptor instead, which is the caller's then.
EVCORO_API int EVDATAGRAM_close(EVDATAGRAM* socket) EVCORO_NOEXCEPT;
EVCORO_API int EVDATAGRAM_release(EVDATAGRAM* socket) EVCORO_NOEXCEPT;

// EVDATAGRAM_fd() is the descriptor. It is not to be closed.
EVCORO_API int EVDATAGRAM_fd(EVDATAGRAM* socket) EVCORO_NOEXCEPT;

// EVDATAGRAM_bind() gives the socket its address. EVDATAGRAM_connect() makes address the one that
// is sent to, and that alone is received from; it doesn't wait.
EVCORO_API int EVDATAGRAM_bind(EVDATAGRAM* socket, const struct sockaddr* address,
                               socklen_t length) EVCORO_NOEXCEPT;
EVCORO_API int EVDATAGRAM_connect(EVDATAGRAM* socket, const struct sockaddr* address,
                                  socklen_t length) EVCORO_NOEXCEPT;

// EVDATAGRAM_recv_from() waits for a datagram, and returns how many bytes of it are in buf. It
// stores who has sent it (family AF_UNSPEC if that is a UNIX socket without a name), and the size
// of the whole datagram: more than what is returned, if that was cut. Both may be NULL.
EVCORO_API int EVDATAGRAM_recv_from(EVDATAGRAM* socket, void* buf, size_t size, int flags,
                                    SOCKADDR* sender, size_t* whole,
                                    struct timeval timeout) EVCORO_NOEXCEPT;

// EVDATAGRAM_send_to() sends a datagram, and returns its size. address is NULL on a connected
// socket.
EVCORO_API int EVDATAGRAM_send_to(EVDATAGRAM* socket, const void* buf, size_t size, int flags,
                                  const struct sockaddr* address, socklen_t length,
                                  struct timeval timeout) EVCORO_NOEXCEPT;

// EVDATAGRAM_disconnect() undoes EVDATAGRAM_connect().
EVCORO_API int EVDATAGRAM_disconnect(EVDATAGRAM* socket) EVCORO_NOEXCEPT;

// EVDATAGRAM_join() makes the socket receive what is sent to a multicast group, on an interface,
// which by default (0) the system chooses. EVDATAGRAM_leave() undoes it.
EVCORO_API int EVDATAGRAM_join(EVDATAGRAM* socket, const SOCKADDR* group,
                               unsigned interface_index) EVCORO_NOEXCEPT;
EVCORO_API int EVDATAGRAM_leave(EVDATAGRAM* socket, const SOCKADDR* group,
                                unsigned interface_index) EVCORO_NOEXCEPT;

// EVDATAGRAM_set_multicast_interface() is where the socket sends to groups.
EVCORO_API int EVDATAGRAM_set_multicast_interface(EVDATAGRAM* socket,
                                                  unsigned interface_index) EVCORO_NOEXCEPT;

// See socket_option.h.
EVCORO_API int EVDATAGRAM_set_option(EVDATAGRAM* socket, EVOPTION option,
                                     int value) EVCORO_NOEXCEPT;
EVCORO_API int EVDATAGRAM_get_option(EVDATAGRAM* socket, EVOPTION option,
                                     int* value) EVCORO_NOEXCEPT;

EVCORO_API int EVDATAGRAM_local_address(EVDATAGRAM* socket, SOCKADDR* address) EVCORO_NOEXCEPT;
EVCORO_API int EVDATAGRAM_peer_address(EVDATAGRAM* socket, SOCKADDR* address) EVCORO_NOEXCEPT;

// --- batches ---

// EVDATAGRAM_BATCH_init() makes room for datagrams that are received, or sent, by one system call:
// capacity of them, of up to datagram_size bytes each. ENOMEM.
EVCORO_API EVDATAGRAM_BATCH* EVDATAGRAM_BATCH_init(size_t capacity,
                                                   size_t datagram_size) EVCORO_NOEXCEPT;
EVCORO_API int EVDATAGRAM_BATCH_free(EVDATAGRAM_BATCH* batch) EVCORO_NOEXCEPT;

// EVDATAGRAM_BATCH_add() copies a datagram in; address is NULL for the peer of a connected socket.
// ENOBUFS if the batch is full, EMSGSIZE if the datagram is too long for it.
EVCORO_API int EVDATAGRAM_BATCH_add(EVDATAGRAM_BATCH* batch, const void* data, size_t size,
                                    const SOCKADDR* address) EVCORO_NOEXCEPT;
EVCORO_API int EVDATAGRAM_BATCH_clear(EVDATAGRAM_BATCH* batch) EVCORO_NOEXCEPT;

// EVDATAGRAM_BATCH_get() returns how many bytes of a datagram of the batch there are, at *data, and
// stores its whole size and its address, as EVDATAGRAM_recv_from() does; all but data may be NULL.
EVCORO_API int EVDATAGRAM_BATCH_get(EVDATAGRAM_BATCH* batch, size_t index, void** data,
                                    size_t* whole, SOCKADDR* address) EVCORO_NOEXCEPT;

// EVDATAGRAM_recv_batch() waits for a datagram, takes all that are there, up to the batch's
// capacity, in place of what the batch held, and returns how many.
EVCORO_API int EVDATAGRAM_recv_batch(EVDATAGRAM* socket, EVDATAGRAM_BATCH* batch,
                                     struct timeval timeout) EVCORO_NOEXCEPT;

// EVDATAGRAM_send_batch() sends the datagrams of the batch from first on, and stores in *sent how
// many went: if it fails, the next one did not. The batch stays as it is. Datagrams of one size
// that follow each other to one address cost the least, see DatagramSocket::send_batch().
EVCORO_API int EVDATAGRAM_send_batch(EVDATAGRAM* socket, EVDATAGRAM_BATCH* batch, size_t first,
                                     struct timeval timeout, size_t* sent) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
