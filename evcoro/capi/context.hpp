// Context: a pointer of the application's, which is given to a function of its own if nobody takes
// it.
#pragma once

#include <memory>

namespace evcoro::capi {

struct Discard {
  void (*function)(void* ctx) = nullptr;
  void operator()(void* ctx) const noexcept {
    if (function != nullptr) function(ctx);
  }
};

using Context = std::unique_ptr<void, Discard>;

}  // namespace evcoro::capi
