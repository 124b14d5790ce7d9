// Input: what has been received and not been consumed, in one piece.
//
//                pinned                 window              room
//   +-------+---------------+--------+-----------------+------------+
//   |       | head          |        | begin_ ... end_ |            |   block
//   +-------+---------------+--------+-----------------+------------+
//
// The window grows at its end and is consumed at its beginning. It moves to make room, but never
// while nothing is received, and what is pinned, the head that a Request has views of, not at all:
// if there is no room behind it, the window goes on in another block.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <evcoro/http/detail/workspace.hpp>

namespace evcoro::http::detail {

class Input {
 public:
  // use() begins with the memory of workspace, empty.
  void use(Workspace& workspace) noexcept;

  std::string_view window() const noexcept { return {bytes() + begin_, end_ - begin_}; }
  bool empty() const noexcept { return begin_ == end_; }
  void consume(std::size_t size) noexcept { begin_ += size; }

  // take() consumes what buffer has room for, and copies it there. Returns how much.
  std::size_t take(std::span<std::byte> buffer) noexcept;

  // room() is where to receive to; added() is how much was. Throws std::bad_alloc.
  std::span<std::byte> room();
  void added(std::size_t size) noexcept { end_ += size; }

  // pin() consumes the first size bytes, and keeps them where they are until unpin().
  void pin(std::size_t size) noexcept;

  // unpin() throws std::bad_alloc.
  void unpin();

 private:
  Block& block() const noexcept { return is_apart_ ? workspace_->body_block : workspace_->block; }
  char* bytes() const noexcept { return block().bytes.get(); }
  void compact() noexcept;
  void grow();

  Workspace* workspace_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t pinned_ = 0;  // end of what is
  bool is_pinned_ = false;
  bool is_apart_ = false;  // the window is in the other block
};

}  // namespace evcoro::http::detail
