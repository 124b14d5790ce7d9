// What the C face's handles point to. Private to it, and to those of the layers above.
//
// An EVTHREAD is what C knows of a thread: the thread's own, not a part of its task, since threads
// come from EVTHREAD_init(), from acceptors, and from C++ code. It owns EVSOCKETs and EVTIMERs.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

#include <evcoro/evthread.h>
#include <evcoro/io/stream.h>
#include <evcoro/net/limits.h>
#include <evcoro/detail/owned.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <evcoro/timer.hpp>
#include <stacks/intrusive_list.hpp>
#include <stacks/stacks_c.hpp>

struct tagEVBUFFEREVENT;

namespace evcoro::capi {

using stacks::fail;
using stacks::fail_as_caught;

// finish() is what a C function returns for an error_code.
inline int finish(const std::error_code& error) noexcept { return error ? fail(error) : 0; }

// refuse() sets errno and returns NULL.
inline std::nullptr_t refuse(const std::error_code& error) noexcept { return fail(error), nullptr; }
inline std::nullptr_t refuse(int error) noexcept { return fail(error), nullptr; }

// report_as_caught() gives the exception that is being handled, and that the running thread's
// function has thrown, to its loop's exception handler.
void report_as_caught();

// to_duration() is at least zero; {-1, 0} is nanoseconds::max().
EVCORO_API std::chrono::nanoseconds to_duration(timeval time) noexcept;
EVCORO_API Timeout to_timeout(timeval timeout) noexcept;

Address to_address(const SOCKADDR& saddr) noexcept;
int store(const Address& from, SOCKADDR& to) noexcept;

// to_spawn_options() returns the pool that a thread with these options, which may be nullptr, runs
// on; nullptr with errno if they are not to be had. where is what people are told without a file.
stacks::StackPool* to_spawn_options(const EVTHREAD_OPTIONS* options,
                                    stacks::StackPool& default_pool, const char* where,
                                    SpawnOptions& spawn) noexcept;

// to_options() stores an acceptor's limits.
void to_options(const EVTCPACCEPTOR_LIMITS& from, TcpAcceptor::Options& to) noexcept;

// to_stream() is what an EVBUFFEREVENT reads and writes.
AnyStream to_stream(tagEVBUFFEREVENT& stream) noexcept;

// make_reader() and make_writer() are EVREADER_init() and EVWRITER_init() for any stream.
EVCORO_API EVREADER* make_reader(EVTHREAD& thread, AnyStream stream, std::size_t size,
                                 std::size_t limit) noexcept;
EVCORO_API EVWRITER* make_writer(EVTHREAD& thread, AnyStream stream, std::size_t size) noexcept;

// take_socket() is what an EVSOCKET had, which it frees.
EVCORO_API Socket take_socket(EVSOCKET& socket) noexcept;

// is_reason() is false of EVCANCEL_NONE, too.
inline bool is_reason(EVCANCEL_REASON reason) noexcept {
  return reason >= EVCANCEL_USER && reason <= EVCANCEL_FAILURE;
}

// Object is what an EVTHREAD owns. dispose() closes and frees it.
struct EVCORO_API Object : stacks::ListLink {
  virtual ~Object() = default;
  virtual void dispose() noexcept { delete this; }
};

// CTask is the task of EVTHREAD_init().
class CTask;

}  // namespace evcoro::capi

struct tagEVLOOP final : evcoro::detail::Owned {
  // A loop that EVLOOP_free() frees, and one that C++ code has made, as of a LoopGroup, which owns
  // this.
  tagEVLOOP(evcoro::stacks::StackPool& pool, event_base* base);
  explicit tagEVLOOP(evcoro::Loop& its_loop) noexcept;
  ~tagEVLOOP() override;
  tagEVLOOP(const tagEVLOOP&) = delete;
  tagEVLOOP& operator=(const tagEVLOOP&) = delete;

  const std::unique_ptr<evcoro::Loop> own;
  evcoro::Loop& loop;
  evcoro::stacks::IntrusiveList<evcoro::capi::CTask> not_started;
  bool is_of_group = false;  // an EVLOOPGROUP's own
};

struct tagEVSOCKET : evcoro::capi::Object {
  explicit tagEVSOCKET(evcoro::Socket its_socket) noexcept : socket(std::move(its_socket)) {}
  evcoro::Socket socket;
};

struct tagEVTCPACCEPTOR {
  evcoro::TcpAcceptor acceptor;
};

struct tagEVTIMER final : evcoro::capi::Object {
  tagEVTIMER(evcoro::detail::ThreadTask& owner, int its_id, timeval its_expiry) noexcept
      : timer(owner), id(its_id), expiry(its_expiry) {}
  evcoro::Timer timer;
  int id;
  timeval expiry;
};

struct tagEVTHREAD {
  explicit tagEVTHREAD(evcoro::detail::ThreadTask& its_task,
                       evcoro::capi::CTask* its_c_task = nullptr) noexcept
      : task(its_task), c_task(its_c_task) {
    task.c_face = this;
  }
  ~tagEVTHREAD() {
    dispose_of_objects();
    task.c_face = nullptr;
  }
  tagEVTHREAD(const tagEVTHREAD&) = delete;
  tagEVTHREAD& operator=(const tagEVTHREAD&) = delete;

  void dispose_of_objects() noexcept {
    while (!objects.empty()) objects.pop_front().dispose();
  }

  evcoro::detail::ThreadTask& task;
  evcoro::capi::CTask* const c_task;  // nullptr if not from EVTHREAD_init()
  evcoro::stacks::IntrusiveList<evcoro::capi::Object> objects;
};

namespace evcoro::capi {

// c_face_of() is what a loop is in C. One that C++ code has made gets one at the first call, which
// goes with it. In the OS thread of the loop; throws std::bad_alloc.
EVLOOP* c_face_of(Loop& loop);

// give_to() makes thread the owner of an object, which it returns: nullptr, with ENOMEM, if there
// was no memory for it.
template <class T>
T* give_to(EVTHREAD& thread, T* object) noexcept {
  if (object == nullptr) return refuse(ENOMEM);
  thread.objects.push_back(*object);
  return object;
}

class CTask final : public detail::ResultTask<void> {
 public:
  CTask(detail::LoopCore& core, const SpawnOptions& options, EVTHREAD_PROC proc,
        void* user_ctx) noexcept
      : ResultTask(core, options), proc_(proc), user_ctx_(user_ctx) {}

  EVTHREAD thread{*this, this};
  EVSOCKET* socket = nullptr;
  bool is_started = false;
  bool is_joinable = false;
  bool is_being_joined = false;

 private:
  void run() override;
  void on_end() noexcept override;

  EVTHREAD_PROC const proc_;
  void* const user_ctx_;
};

}  // namespace evcoro::capi
