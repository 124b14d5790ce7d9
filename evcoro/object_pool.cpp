#include <evcoro/object_pool.hpp>

#include <new>

#include <evcoro/local.hpp>

namespace evcoro::detail {
namespace {

// counted_apart() is the same with a count of its own.
std::shared_ptr<ObjectPoolCore> counted_apart(std::shared_ptr<ObjectPoolCore> pool) {
  ObjectPoolCore* const core = pool.get();
  return {std::make_shared<std::shared_ptr<ObjectPoolCore>>(std::move(pool)), core};
}

}  // namespace

ObjectShelf::ObjectShelf(std::shared_ptr<ObjectPoolCore> pool, Loop& loop)
    : pool_(counted_apart(std::move(pool))), loop_(loop), os_thread_(std::this_thread::get_id()) {
  key = pool_->key_;
}

void ObjectShelf::leave() noexcept {
  unlink();
  const std::lock_guard lock{pool_->mutex_};
  std::erase(pool_->shelves_, this);
}

ObjectPoolCore::ObjectPoolCore(std::size_t capacity) noexcept
    : capacity_(capacity), key_(new_local_key()) {}

void ObjectPoolCore::add(ObjectShelf& shelf, Loop& loop) {
  {
    const std::lock_guard lock{mutex_};
    shelves_.push_back(&shelf);
  }
  loop.owned().add(shelf);
}

// Out of the loops' hands: whatever happens while one is destroyed, the others are doomed's.
void ObjectPoolCore::withdraw_own(OwnedList& doomed) noexcept {
  const std::lock_guard lock{mutex_};
  std::erase_if(shelves_, [&](ObjectShelf* each) {
    if (each->os_thread_ != std::this_thread::get_id()) return false;
    each->unlink();
    doomed.add(*each);
    return true;
  });
}

// A loop can't go while one of its shelves is among these: it would wait for the mutex. Without
// memory for the posts what is idle goes with the loops.
void ObjectPoolCore::clear_elsewhere() noexcept try {
  const std::lock_guard lock{mutex_};
  for (ObjectShelf* const each : shelves_) {
    Loop& loop = each->loop_;
    loop.post([&loop, key = key_] { delete loop.owned().find(key); });
  }
} catch (const std::bad_alloc&) {
}

void ObjectPoolCore::clear() noexcept {
  OwnedList own;
  withdraw_own(own);
  clear_elsewhere();
}

void ObjectPoolCore::end() noexcept {
  has_ended_ = true;
  clear();
}

}  // namespace evcoro::detail
