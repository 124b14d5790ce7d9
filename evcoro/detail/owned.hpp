// OwnedList: what a thread or a loop keeps until it ends; see this_thread::own() and local.hpp.
#pragma once

#include <cstdint>
#include <utility>

#include <stacks/intrusive_list.hpp>

namespace evcoro::detail {

// Owned is something that an OwnedList keeps.
struct Owned : stacks::ListLink {
  virtual ~Owned() = default;
  std::uint64_t key = 0;  // of a local variable; 0: none
};

template <class T>
struct OwnedValue final : Owned {
  template <class... Arguments>
  explicit OwnedValue(Arguments&&... arguments) : value(std::forward<Arguments>(arguments)...) {}
  T value;
};

class OwnedList {
 public:
  ~OwnedList() { clear(); }

  void add(Owned& owned) noexcept { list_.push_front(owned); }

  // find() is the one with this key, or nullptr.
  Owned* find(std::uint64_t key) const noexcept {
    Owned* found = nullptr;
    list_.for_each([&](Owned& each) {
      if (each.key == key) found = &each;
    });
    return found;
  }

  // leak() forgets them: in a child process they are the parent's.
  void leak() noexcept {
    list_.for_each([](Owned& each) { each.unlink(); });
  }

  // clear() destroys the last first, and what is added meanwhile, too.
  void clear() noexcept {
    while (!list_.empty()) delete &list_.pop_front();
  }

 private:
  stacks::IntrusiveList<Owned> list_;  // the last one first
};

}  // namespace evcoro::detail
