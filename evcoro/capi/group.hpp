// What an EVLOOPGROUP points to. Private to the C face.
#pragma once

#include <evcoro/loop_group.h>
#include <evcoro/capi/objects.hpp>
#include <evcoro/loop_group.hpp>

struct tagEVLOOPGROUP {
  tagEVLOOPGROUP(const evcoro::LoopGroupOptions& options, EVLOOP* its_own)
      : group(options), own(its_own) {
    if (own != nullptr) own->is_of_group = true;
  }
  ~tagEVLOOPGROUP() {
    if (own != nullptr) own->is_of_group = false;
  }

  // is_foreign() is true in a child process of the one that made it.
  bool is_foreign() const noexcept;

  evcoro::LoopGroup group;
  EVLOOP* const own;  // its first loop, if that is the application's
};
