#include <evcoro/http/detail/input.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace evcoro::http::detail {
namespace {

constexpr std::size_t first_size = 8 * 1024;
constexpr std::size_t least_room = 1024;

}  // namespace

PooledWorkspace take_workspace() {
  static ObjectPool<Workspace> pool{[] { return std::make_unique<Workspace>(); },
                                    {.capacity_per_loop = 64}};
  return pool.take();
}

void Input::use(Workspace& workspace) noexcept {
  workspace_ = &workspace;
  begin_ = end_ = pinned_ = 0;
  is_pinned_ = is_apart_ = false;
}

std::size_t Input::take(std::span<std::byte> buffer) noexcept {
  const std::size_t count = std::min(buffer.size(), end_ - begin_);
  if (count > 0) std::memcpy(buffer.data(), bytes() + begin_, count);
  consume(count);
  return count;
}

std::span<std::byte> Input::room() {
  if (block().capacity - end_ < least_room) compact();
  if (block().capacity - end_ < least_room) grow();
  return {reinterpret_cast<std::byte*>(bytes()) + end_, block().capacity - end_};
}

void Input::compact() noexcept {
  const std::size_t floor = is_apart_ || !is_pinned_ ? 0 : pinned_;
  if (begin_ == floor) return;
  std::memmove(bytes() + floor, bytes() + begin_, end_ - begin_);
  end_ = floor + (end_ - begin_);
  begin_ = floor;
}

void Input::grow() {
  const std::size_t size = end_ - begin_;
  const std::size_t capacity = std::max(first_size, size * 2);
  const bool goes_apart = is_pinned_ && !is_apart_;
  Block larger;
  if (goes_apart) std::swap(larger, workspace_->body_block);
  if (larger.capacity < capacity) larger.allocate(capacity);
  if (size > 0) std::memcpy(larger.bytes.get(), bytes() + begin_, size);
  if (goes_apart) is_apart_ = true;
  block() = std::move(larger);
  begin_ = 0;
  end_ = size;
}

void Input::pin(std::size_t size) noexcept {
  begin_ += size;
  pinned_ = begin_;
  is_pinned_ = true;
}

void Input::unpin() {
  if (is_apart_) std::swap(workspace_->block, workspace_->body_block);
  is_pinned_ = is_apart_ = false;
  if (empty()) begin_ = end_ = 0;
}

}  // namespace evcoro::http::detail
