// StackPool: a fixed number of fixed-size, guarded stacks. Its capacity is the throttle of
// everything that runs on it: no more stacks, no more coroutines.
//
//   evcoro::stacks::StackPool pool{{.capacity = 100, .stack_size = 16 * 1024}};
//   std::error_code error;
//   if (Stack* stack = pool.take(error)) { ...; pool.give_back(*stack); }
//
// Each stack is one slot of private anonymous memory. Addresses grow to the right, the stack to the
// left:
//
//   +-------------------+------------------------------+-------------------+
//   | guard, 64 KiB     | usable: stack_size           | head: one page    |
//   +-------------------+------------------------------+-------------------+
//   guard()             limit                     start ->|  colour: 0 .. 1920 bytes  end
//
// The head page holds the control block that a coroutine keeps on its own stack, and the colour:
// equal page-aligned start addresses would fall into the same few sets of the L1 cache. It is
// extra, so that stack_size is what the coroutine's frames may use. Memory becomes resident only
// where it is touched.
//
// A pool belongs to one OS thread at a time: none of its members may be called concurrently.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <system_error>
#include <vector>

#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::stacks {

class StackPool;

// guard_size is the size in bytes of the guard below each stack: address space only.
inline constexpr std::size_t guard_size = 64 * 1024;

// Stack describes one stack. The pool owns it; between take() and give_back() the taker may use the
// memory from limit up to end.
struct Stack {
  std::byte* limit;  // lowest usable address; the guard ends here
  std::byte* start;  // where use begins: 64-byte aligned, coloured
  std::byte* end;    // end of the slot
  StackPool* pool;

  std::byte* guard() const noexcept { return limit - guard_size; }
  std::size_t size() const noexcept { return static_cast<std::size_t>(start - limit); }
  bool taken() const noexcept { return taken_; }

 private:
  friend class StackPool;
  Stack* next_free_ = nullptr;  // in the pool's LIFO of free stacks, or of retired ones
  bool touched_ = false;        // taken since it was mapped or trimmed
  bool taken_ = false;          // catches a stack that is given back twice
  unsigned valgrind_id_ = 0;
};

// StackWaiter is told when a stack becomes free. See StackPool::wait().
class EVCORO_API StackWaiter : public ListLink {
 public:
  // stack_free() runs inside StackPool::give_back(), after the waiter has left the queue; it must
  // neither block nor take the stack at once, only arrange for that. A waiter that then does not
  // take the stack calls StackPool::pass_on().
  virtual void stack_free() noexcept = 0;

  // share() is how many of the stacks that are set aside are for this waiter.
  virtual std::size_t share() const noexcept { return 0; }

 protected:
  ~StackWaiter() = default;
};

// StackError holds the errors whose message says more than an errno's. Each is equivalent to the
// errno in brackets.
enum class StackError {
  mapping_limit = 1,  // [ENOMEM] vm.max_map_count is reached: no further guard can be set up
  all_taken,          // [EAGAIN] the pool is empty
  too_small,          // [E2BIG] what is to be placed on a stack takes too much of it
};
EVCORO_API const std::error_category& stack_category() noexcept;
inline std::error_code make_error_code(StackError error) noexcept {
  return {static_cast<int>(error), stack_category()};
}

class EVCORO_API StackPool {
 public:
  // unlimited as a capacity leaves out the cap; it goes with Allocation::on_demand only.
  static constexpr std::size_t unlimited = SIZE_MAX;

  enum class Allocation {
    preallocate,  // one mapping for all stacks, made by the constructor
    on_demand,    // address space is mapped as it is needed, and then kept; the cap can change
  };

  enum class Guard {
    automatic,    // MADV_GUARD_INSTALL where the kernel has it (Linux 6.13), else page_protect
    page_protect  // mprotect(2): costs two mappings a stack, see vm.max_map_count
  };

  struct Options {
    std::size_t capacity = 100;          // number of stacks: the cap
    std::size_t stack_size = 16 * 1024;  // usable bytes of each, rounded up to whole pages
    Allocation allocation = Allocation::preallocate;
    Guard guard = Guard::automatic;
    // The setting that an overflow report tells a person to raise.
    std::string size_setting = "StackPool::Options::stack_size";
  };

  struct Statistics {
    std::size_t capacity;     // the cap, or unlimited
    std::size_t mapped;       // stacks that are set up: guarded, and may have memory
    std::size_t in_use;       // taken now
    std::size_t peak_in_use;  // most that were taken at once: the high-water mark
    std::uint64_t taken;      // successful take()s since the pool was made
    std::uint64_t refused;    // take()s that found the pool empty
    std::uint64_t trimmed;    // stacks whose memory was given back by trim()
  };

  // Maps the stacks (all of them, when preallocating). Throws std::system_error: EINVAL for a
  // capacity or size of zero or one that doesn't fit the address space, ENOMEM, or
  // StackError::mapping_limit.
  explicit StackPool(Options options);

  // Unmaps the stacks. Destroying a pool while stacks are taken is a misuse, which terminates; but
  // not in a child process of the one that made it, where they are left as they are.
  ~StackPool();

  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  // take() returns the stack that was used last (its memory is warm), or nullptr with the reason in
  // error: StackError::all_taken, or, when a further one can't be mapped, ENOMEM or
  // StackError::mapping_limit.
  Stack* take(std::error_code& error) noexcept;

  // make_ready() does what take() may fail at, and so makes the next take() succeed. Returns what
  // take() would say otherwise. For who is to have share of the stacks that are set aside, it makes
  // a take() right after restore(1) succeed.
  std::error_code make_ready(std::size_t share = 0) noexcept;

  // promise() sets count stacks aside for somebody who is always to have so many: nobody else can
  // take them. False if there aren't as many beside those that are promised already. He calls
  // restore(1) just before he takes one of his, set_aside(1) just before he gives it back, and in
  // the end withdraw(count), and restore() for those that he has not taken then.
  bool promise(std::size_t count) noexcept;
  void withdraw(std::size_t count) noexcept { promised_ -= count; }
  void set_aside(std::size_t count) noexcept { set_aside_ += count; }
  void restore(std::size_t count) noexcept { set_aside_ -= count; }

  // give_back() returns a stack to the pool and tells the first waiter.
  void give_back(Stack& stack) noexcept;

  // wait() queues waiter, first come first served, to be told once that a stack is free; unlink()
  // takes it out. A waiter that has been told and does not take the stack owes the others a
  // pass_on(); one that comes too late for it, to wait_again(), keeps its place in front of them.
  void wait(StackWaiter& waiter) noexcept { waiters_.push_back(waiter); }
  void wait_again(StackWaiter& waiter) noexcept { waiters_.push_front(waiter); }
  // Who has freed several tells count waiters.
  void pass_on(std::size_t count = 1) noexcept;

  // set_capacity() changes the cap. If it grows, as many waiters are told as there are stacks more.
  // If it shrinks, stacks that are taken stay so: until enough have been given back, none can be
  // taken. The memory of free stacks beyond the cap is given back to the system, the coldest first.
  // Errors, with nothing changed: invalid_argument for a capacity of zero, operation_not_supported
  // unless the allocation is on_demand, device_or_resource_busy if more are promised.
  std::error_code set_capacity(std::size_t capacity) noexcept;

  // available() is how many stacks can be taken now (unlimited if there is no cap), by somebody for
  // whom share of those that are set aside are.
  std::size_t available(std::size_t share = 0) const noexcept;
  std::size_t stack_size() const noexcept { return stack_size_; }
  std::size_t in_use() const noexcept { return in_use_; }
  Statistics statistics() const noexcept;
  const std::string& size_setting() const noexcept { return options_.size_setting; }

  // trim() gives the memory of free stacks back to the system, the coldest first, and leaves keep
  // of them warm. Returns how many it trimmed.
  std::size_t trim(std::size_t keep = 0) noexcept;

  // watermark() is the deepest use of a stack in bytes, counted from its start, since it was mapped
  // or trimmed, by whoever had it. It looks at resident pages only and touches no other; bytes that
  // were used but left zero at the far end don't count. Costs system calls: for diagnosis.
  static std::size_t watermark(const Stack& stack) noexcept;

 private:
  void tell_one() noexcept;
  std::error_code free_another() noexcept;
  std::error_code set_up_next() noexcept;
  std::error_code map_more() noexcept;
  void retire_free_beyond(std::size_t keep) noexcept;
  static bool release_memory(Stack& stack) noexcept;
  std::error_code map(std::size_t slots) noexcept;
  std::error_code set_up(std::byte* slot) noexcept;
  void unmap_all() noexcept;
  std::size_t slot_size() const noexcept;

  // Region is one mapping, of slots of which the first are set up.
  struct Region {
    std::byte* memory;
    std::size_t slots;
    std::size_t set_up;
  };

  const pid_t process_;  // that made the pool
  Options options_;
  std::size_t stack_size_;       // options_.stack_size in whole pages
  std::vector<Region> regions_;  // only the last has slots left that aren't set up
  std::deque<Stack> stacks_;     // a descriptor for each that is set up; addresses are stable
  Stack* free_ = nullptr;        // LIFO of those that are not taken
  Stack* retired_ = nullptr;     // those of them that are beyond the cap, without memory
  std::size_t surplus_ = 0;      // taken ones beyond the cap: retired when they are given back
  std::size_t in_use_ = 0;
  std::size_t promised_ = 0;
  std::size_t set_aside_ = 0;  // of those promised: not taken
  std::size_t peak_in_use_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t trimmed_ = 0;
  IntrusiveList<StackWaiter> waiters_;
};

}  // namespace evcoro::stacks

template <>
struct std::is_error_code_enum<evcoro::stacks::StackError> : std::true_type {};
