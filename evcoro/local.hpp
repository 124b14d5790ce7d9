// ThreadLocal and LoopLocal: a variable of which each coroutine thread, or each loop, has its own.
// (C++'s thread_local is one per OS thread, and so shared by all threads of a loop.)
//
//   ThreadLocal<Session> session;                       // at namespace scope, as a rule
//   void handle(Socket& socket) {
//     session.get().user = login(socket);               // of the running thread; made now
//   }
//
//   LoopLocal<ConnectionPool> pools;
//   pools.get(loop).take();
//
// A value is destroyed when its thread has ended (on its stack, it may block) or its loop is
// destroyed, the last first. Values are found by going through a list: meant for a handful per
// thread. The variable itself may be used by any number of loops and OS threads at once.
#pragma once

#include <cstdint>

#include <evcoro/detail/owned.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <stacks/export.hpp>

namespace evcoro {

namespace detail {

// new_local_key() is not 0, and never the same twice.
EVCORO_API std::uint64_t new_local_key() noexcept;

template <class T>
class Local {
 public:
  T* find(const OwnedList& values) const noexcept {
    Owned* const found = values.find(key_);
    return found == nullptr ? nullptr : &static_cast<OwnedValue<T>*>(found)->value;
  }

  T& get(OwnedList& values) const {
    if (T* const found = find(values)) return *found;
    auto* const made = new OwnedValue<T>();
    made->key = key_;
    values.add(*made);
    return made->value;
  }

 private:
  const std::uint64_t key_ = new_local_key();
};

}  // namespace detail

template <class T>
class ThreadLocal {
 public:
  // get() is the running thread's value, which it makes by T{} if there is none. Outside a thread
  // it is a misuse, which terminates.
  T& get() const {
    return local_.get(
        this_thread::detail::require_thread("ThreadLocal::get() outside a thread").owned());
  }
  T& operator*() const { return get(); }
  T* operator->() const { return &get(); }

  // find() is the running thread's value, or nullptr if there is none, or no thread.
  T* find() const noexcept {
    detail::ThreadTask* const thread = detail::current_thread();
    return thread == nullptr ? nullptr : local_.find(thread->owned());
  }

 private:
  detail::Local<T> local_;
};

template <class T>
class LoopLocal {
 public:
  // get() is the loop's value, which it makes by T{} if there is none. For the loop's OS thread.
  T& get(Loop& loop) const { return local_.get(loop.owned()); }

  // find() is nullptr if there is none.
  T* find(Loop& loop) const noexcept { return local_.find(loop.owned()); }

 private:
  detail::Local<T> local_;
};

}  // namespace evcoro
