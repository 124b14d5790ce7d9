// ObjectPool<T>: objects that are used again, of which each loop keeps its own: what is costly to
// make, and used by one thread at a time.
//
//   evcoro::ObjectPool<Parser> parsers{[] { return std::make_unique<Parser>(grammar); },
//                                      {.capacity_per_loop = 8}};
//   void handle(Socket& socket) {
//     evcoro::Pooled<Parser> parser = parsers.take();  // the one that was used last, or a new one
//     parser->parse(...);
//   }                                                  // goes back
//
// An object goes back to the loop in whose thread its Pooled goes. Beyond the capacity it is
// destroyed instead, and so it is outside of loops' threads, where take() always makes a new one:
// code that is used there works, too, without pooling.
//
// How an object is destroyed is its pointer's business:
//
//   struct Free { void operator()(redisContext* context) const { redisFree(context); } };
//   evcoro::ObjectPool<redisContext, Free> pool{[] { return Redis{redisConnect(host, port)}; }};
//
// A pool serves any number of loops and OS threads at once. Taking an object and giving it back
// takes no lock. Objects that are idle are destroyed with their loop or with the pool, whichever
// goes first, always in the OS thread of their loop. A Pooled may outlive the pool, and then
// destroys what it has; it is used by one OS thread at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include <evcoro/detail/owned.hpp>
#include <evcoro/loop.hpp>
#include <stacks/export.hpp>

namespace evcoro {

// ObjectPoolOptions are for ObjectPool.
struct ObjectPoolOptions {
  std::size_t capacity_per_loop = 16;  // idle objects that a loop keeps; 0 keeps none
};

namespace detail {

class ObjectPoolCore;

// ObjectShelf is what one loop has of a pool. The loop owns it.
class EVCORO_API ObjectShelf : public Owned {
 public:
  // pool() is counted by this loop: no OS threads meet in counting.
  const std::shared_ptr<ObjectPoolCore>& pool() const noexcept { return pool_; }

 protected:
  ObjectShelf(std::shared_ptr<ObjectPoolCore> pool, Loop& loop);
  ~ObjectShelf() override = default;

  // leave() comes first in the destruction: it can't be found any more then.
  void leave() noexcept;

 private:
  friend class ObjectPoolCore;
  const std::shared_ptr<ObjectPoolCore> pool_;
  Loop& loop_;
  const std::thread::id os_thread_;
};

template <class Object>
class ShelfOf final : public ObjectShelf {
 public:
  ShelfOf(std::shared_ptr<ObjectPoolCore> pool, Loop& loop) : ObjectShelf(std::move(pool), loop) {}
  ~ShelfOf() override { leave(); }

  std::vector<Object> idle;  // the last is the one that was used last
};

// ObjectPoolCore is the part of a pool that lives as long as anything of it.
class EVCORO_API ObjectPoolCore : public std::enable_shared_from_this<ObjectPoolCore> {
 public:
  explicit ObjectPoolCore(std::size_t capacity) noexcept;

  // find() is nullptr if the loop has nothing of the pool. For the loop's OS thread.
  template <class Object>
  ShelfOf<Object>* find(Loop& loop) const noexcept {
    return static_cast<ShelfOf<Object>*>(loop.owned().find(key_));
  }

  // put() keeps object for the running thread's loop, or lets it go.
  template <class Object>
  void put(Object object) noexcept {
    Loop* const loop = Loop::current();
    if (loop == nullptr || has_ended()) return;
    try {
      auto& idle = shelf_in<Object>(*loop).idle;
      if (idle.size() < capacity_) idle.push_back(std::move(object));
    } catch (const std::bad_alloc&) {
    }
  }

  // shelf_in() throws std::bad_alloc.
  template <class Object>
  ShelfOf<Object>& shelf_in(Loop& loop) {
    if (auto* const found = find<Object>(loop)) return *found;
    auto made = std::make_unique<ShelfOf<Object>>(shared_from_this(), loop);
    add(*made, loop);
    return *made.release();
  }

  // clear() destroys what is idle: in loops of this OS thread at once. end() lets nothing more in,
  // too.
  void clear() noexcept;
  void end() noexcept;

 private:
  friend class ObjectShelf;

  void add(ObjectShelf& shelf, Loop& loop);
  bool has_ended() const noexcept { return has_ended_.load(std::memory_order_relaxed); }
  void withdraw_own(OwnedList& doomed) noexcept;
  void clear_elsewhere() noexcept;

  const std::size_t capacity_;
  const std::uint64_t key_;  // of the shelves
  std::atomic<bool> has_ended_{false};
  std::mutex mutex_;
  std::vector<ObjectShelf*> shelves_;  // under the mutex: none of a loop that has gone
};

}  // namespace detail

template <class T, class Deleter>
class ObjectPool;

// Pooled is an object that is out of its pool, and goes back when this goes. It may be empty.
template <class T, class Deleter = std::default_delete<T>>
class [[nodiscard]] Pooled {
 public:
  using Object = std::unique_ptr<T, Deleter>;

  Pooled() noexcept = default;
  Pooled(Pooled&&) noexcept = default;
  Pooled& operator=(Pooled&& other) noexcept {
    if (this == &other) return *this;
    reset();
    pool_ = std::move(other.pool_);
    object_ = std::move(other.object_);
    return *this;
  }
  ~Pooled() { reset(); }

  // get() is nullptr if it is empty. The other two are not to be used then.
  T* get() const noexcept { return object_.get(); }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_.get(); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

  // reset() is what the destructor does. discard() destroys the object, which is not to be used
  // again; release() takes it out of the pool for good. After each of them this is empty.
  void reset() noexcept {
    const auto pool = std::move(pool_);
    if (object_ != nullptr) pool->put(std::move(object_));
  }
  void discard() noexcept { static_cast<void>(release()); }
  [[nodiscard]] Object release() noexcept {
    pool_.reset();
    return std::move(object_);
  }

 private:
  friend class ObjectPool<T, Deleter>;
  Pooled(std::shared_ptr<detail::ObjectPoolCore> pool, Object object) noexcept
      : pool_(std::move(pool)), object_(std::move(object)) {}

  std::shared_ptr<detail::ObjectPoolCore> pool_;
  Object object_;
};

template <class T, class Deleter = std::default_delete<T>>
class ObjectPool {
 public:
  using Object = std::unique_ptr<T, Deleter>;

  // A Create makes an object, in the thread that takes it; so it may block, and several OS threads
  // may call it at once.
  using Create = std::function<Object()>;

  // Throws std::bad_alloc.
  explicit ObjectPool(Create create, ObjectPoolOptions options = {})
      : create_(std::move(create)),
        core_(std::make_shared<detail::ObjectPoolCore>(options.capacity_per_loop)) {}

  // The destructor is clear(). What is out is destroyed when it would come back.
  ~ObjectPool() { core_->end(); }
  ObjectPool(const ObjectPool&) = delete;
  ObjectPool& operator=(const ObjectPool&) = delete;

  // take() is the object that the running thread's loop has used last, or a new one. It is empty if
  // create returned none. What create throws passes through. Throws std::bad_alloc.
  Pooled<T, Deleter> take() {
    Loop* const loop = Loop::current();
    if (loop == nullptr) return {core_, create_()};
    auto& shelf = core_->template shelf_in<Object>(*loop);
    std::shared_ptr<detail::ObjectPoolCore> pool = shelf.pool();
    if (shelf.idle.empty()) return {std::move(pool), create_()};
    Object last = std::move(shelf.idle.back());
    shelf.idle.pop_back();
    return {std::move(pool), std::move(last)};
  }

  // idle() is how many objects the loop keeps. For the loop's OS thread.
  std::size_t idle(Loop& loop) const noexcept {
    const auto* const shelf = core_->template find<Object>(loop);
    return shelf == nullptr ? 0 : shelf->idle.size();
  }

  // clear() destroys the objects that are idle: those of the caller's OS thread at once, those of
  // others in their loops, soon, and outside of threads, so that they must not block.
  void clear() noexcept { core_->clear(); }

 private:
  const Create create_;
  const std::shared_ptr<detail::ObjectPoolCore> core_;
};

}  // namespace evcoro
