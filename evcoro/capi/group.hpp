// What an EVLOOPGROUP points to. Private to the C face.
#pragma once

#include <evcoro/loop_group.h>
#include <evcoro/loop_group.hpp>

struct tagEVLOOPGROUP {
  explicit tagEVLOOPGROUP(const evcoro::LoopGroupOptions& options)
      : group(options), has_own(options.own != nullptr) {}

  // is_foreign() is true in a child process of the one that made it.
  bool is_foreign() const noexcept;

  evcoro::LoopGroup group;
  const bool has_own;  // its first loop is the application's
};
