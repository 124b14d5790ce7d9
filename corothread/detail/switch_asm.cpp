#include <new>

#include <corothread/detail/switch.hpp>

#if !defined(EVCORO_SWITCH_UCONTEXT)

namespace evcoro::corothread::detail {

void* make_stack(std::byte*, std::byte* start, EntryFunction entry, void* argument) noexcept {
  const auto aligned = reinterpret_cast<std::uintptr_t>(start) & ~std::uintptr_t{15};
  auto* const frame = new (reinterpret_cast<void*>(aligned - sizeof(SwitchFrame))) SwitchFrame{};
  frame->entry = entry;
  frame->argument = argument;
  frame->return_address = evcoro_switch_entry;
  return frame;
}

}  // namespace evcoro::corothread::detail

#endif
