// Workspace: the memory that a connection needs while it has a request, and not while it is idle.
// Each loop keeps some of those that are not in use.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/http/fields.hpp>
#include <evcoro/object_pool.hpp>

namespace evcoro::http::detail {

// Block is a piece of memory.
struct Block {
  std::unique_ptr<char[]> bytes;
  std::size_t capacity = 0;

  void allocate(std::size_t size) {
    bytes.reset(new char[size]);
    capacity = size;
  }
};

// Parameter is a part of the path that a Router has given a name.
struct Parameter {
  std::string_view name;
  std::string_view value;
};

struct Workspace {
  Block block;       // what is received: a head, and what has come behind it
  Block body_block;  // the same, when the first is full of a head
  std::string out;   // what is to be sent
  Fields fields;     // of the request
  Fields trailers;
  Fields response_fields;
  Fields response_trailers;
  std::vector<Parameter> parameters;

  // is_small() says whether it is worth keeping.
  bool is_small() const noexcept {
    return block.capacity + body_block.capacity + out.capacity() <= most_kept;
  }

  static constexpr std::size_t most_kept = 96 * 1024;
};

using PooledWorkspace = Pooled<Workspace>;

// take_workspace() throws std::bad_alloc.
PooledWorkspace take_workspace();

}  // namespace evcoro::http::detail
