#include <stacks/stack_pool.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <stacks/detail/guard.hpp>
#include <stacks/report.hpp>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(begin, size) static_cast<void>(begin)
#endif

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MAKE_MEM_DEFINED(begin, size) static_cast<void>(begin)
#define VALGRIND_STACK_REGISTER(begin, end) 0
#define VALGRIND_STACK_DEREGISTER(id) static_cast<void>(id)
#define VALGRIND_DISABLE_ERROR_REPORTING
#define VALGRIND_ENABLE_ERROR_REPORTING
#endif

namespace evcoro::stacks {
namespace {

// Colours: 16 start addresses, two cache lines apart (the adjacent-line prefetcher works in pairs).
constexpr std::size_t colours = 16;
constexpr std::size_t colour_step = 128;

// On demand, as many slots are mapped at once as there are already, but no more than this.
constexpr std::size_t most_slots_at_once = 64;
constexpr std::size_t most_bytes_at_once = 16 * 1024 * 1024;

class StackCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "evcoro.stacks"; }
  std::string message(int error) const override {
    switch (static_cast<StackError>(error)) {
      case StackError::mapping_limit:
        return "no further stack can be guarded: the process has reached the kernel's limit of "
               "mappings; raise it (sysctl vm.max_map_count), use fewer stacks, or a kernel with "
               "MADV_GUARD_INSTALL (Linux 6.13)";
      case StackError::all_taken:
        return "all stacks of the pool are taken; wait until one is given back, or raise the "
               "pool's capacity";
      case StackError::too_small:
        return "the function and what it captures would take more than half of the stack; capture "
               "less, or raise the stacks' size";
    }
    return "unknown error";
  }
  std::error_condition default_error_condition(int error) const noexcept override {
    switch (static_cast<StackError>(error)) {
      case StackError::all_taken:
        return std::errc::resource_unavailable_try_again;
      case StackError::too_small:
        return std::errc::argument_list_too_long;
      case StackError::mapping_limit:
        break;
    }
    return std::errc::not_enough_memory;
  }
};

// Looks at memory that may hold nobody's frames any more, which the tools would object to.
__attribute__((no_sanitize("address"))) const std::byte* first_used(const std::byte* from,
                                                                    const std::byte* to) noexcept {
  VALGRIND_DISABLE_ERROR_REPORTING;
  while (from != to && *from == std::byte{0}) ++from;
  VALGRIND_ENABLE_ERROR_REPORTING;
  VALGRIND_MAKE_MEM_DEFINED(&from, sizeof from);
  return from;
}

// What a stack's last user has popped is nobody's to Valgrind, until the next one has it.
const bool on_valgrind = [] { return RUNNING_ON_VALGRIND != 0; }();
void hand_out(const Stack& stack) noexcept {
  VALGRIND_MAKE_MEM_DEFINED(stack.limit, stack.end - stack.limit);
}

std::size_t round_up(std::size_t size, std::size_t unit) noexcept {
  return (size + unit - 1) / unit * unit;
}

void check(const StackPool::Options& options) {
  const auto invalid = [](const char* what) {
    throw std::system_error(EINVAL, std::generic_category(), what);
  };
  if (options.capacity == 0) invalid("StackPool: capacity is 0; give at least 1");
  if (options.stack_size == 0) invalid("StackPool: stack_size is 0; give at least a page");
  if (options.stack_size > SIZE_MAX / 4) invalid("StackPool: stack_size exceeds the address space");
  if (options.allocation == StackPool::Allocation::on_demand) return;
  if (options.capacity > SIZE_MAX / 4 / (options.stack_size + 2 * guard_size)) {
    invalid(
        "StackPool: capacity times stack_size exceeds the address space; use fewer or smaller "
        "stacks, or Allocation::on_demand");
  }
}

}  // namespace

const std::error_category& stack_category() noexcept {
  static const StackCategory category;
  return category;
}

StackPool::StackPool(Options options)
    : process_(::getpid()),
      options_(std::move(options)),
      stack_size_((check(options_), round_up(options_.stack_size, detail::page_size()))) {
  if (options_.allocation == Allocation::on_demand) return;
  std::error_code error = map(options_.capacity);
  while (!error && stacks_.size() < options_.capacity) error = set_up_next();
  if (error) {
    unmap_all();
    throw std::system_error(error, "StackPool: " + std::to_string(options_.capacity) +
                                       " stacks of " + std::to_string(stack_size_) + " bytes");
  }
}

StackPool::~StackPool() {
  if (in_use_ != 0) {
    if (process_ != ::getpid()) return;
    misuse(
        "a StackPool was destroyed while stacks were taken; join or shut down what runs on it "
        "first");
  }
  unmap_all();
}

std::size_t StackPool::slot_size() const noexcept {
  return guard_size + stack_size_ + detail::page_size();
}

std::error_code StackPool::map(std::size_t slots) noexcept try {
  const std::size_t size = slots * slot_size();
  regions_.emplace_back();
  void* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapped == MAP_FAILED) {
    regions_.pop_back();
    return {errno, std::generic_category()};
  }
  ::madvise(mapped, size,
            MADV_NOHUGEPAGE);  // a huge page would make a stack 2 MiB; may be unsupported
  regions_.back() = {static_cast<std::byte*>(mapped), slots, 0};
  return {};
} catch (const std::bad_alloc&) {
  return std::make_error_code(std::errc::not_enough_memory);
}

// Maps several slots if it can: that costs as much as one.
std::error_code StackPool::map_more() noexcept {
  const std::size_t fitting = std::max<std::size_t>(most_bytes_at_once / slot_size(), 1);
  const std::size_t slots = std::min({std::max<std::size_t>(stacks_.size(), 1), most_slots_at_once,
                                      fitting, options_.capacity - stacks_.size()});
  const std::error_code error = map(slots);
  return error && slots > 1 ? map(1) : error;
}

std::error_code StackPool::set_up_next() noexcept {
  Region& region = regions_.back();
  const auto error = set_up(region.memory + region.set_up * slot_size());
  if (!error) ++region.set_up;
  return error;
}

// Guards one slot, describes it and puts it in front of the free stacks.
std::error_code StackPool::set_up(std::byte* slot) noexcept try {
  const bool markers = options_.guard == Guard::automatic && detail::has_guard_markers();
  if (const auto error = detail::install_guard(slot, guard_size, markers)) return error;
  Stack& stack = stacks_.emplace_back();
  stack.limit = slot + guard_size;
  stack.end = slot + slot_size();
  stack.start = stack.end - (stacks_.size() - 1) % colours * colour_step;
  stack.pool = this;
  stack.valgrind_id_ = VALGRIND_STACK_REGISTER(stack.limit, stack.end);
  stack.next_free_ = std::exchange(free_, &stack);
  return {};
} catch (const std::bad_alloc&) {
  return std::make_error_code(std::errc::not_enough_memory);
}

// Makes a stack free, when none is and the cap allows one more.
std::error_code StackPool::free_another() noexcept {
  if (retired_ != nullptr) {
    free_ = std::exchange(retired_, retired_->next_free_);
    free_->next_free_ = nullptr;
    return {};
  }
  if (stacks_.size() >= options_.capacity) return StackError::all_taken;
  if (regions_.empty() || regions_.back().set_up == regions_.back().slots) {
    if (const auto error = map_more()) return error;
  }
  return set_up_next();
}

// Whatever is mapped there next, such as an OS thread's variables, must not meet the marks that
// AddressSanitizer has for the frames of a stack.
void StackPool::unmap_all() noexcept {
  for (Stack& stack : stacks_) {
    ASAN_UNPOISON_MEMORY_REGION(stack.limit, static_cast<std::size_t>(stack.end - stack.limit));
    VALGRIND_STACK_DEREGISTER(stack.valgrind_id_);
  }
  for (const Region& region : regions_) ::munmap(region.memory, region.slots * slot_size());
}

std::error_code StackPool::make_ready(std::size_t share) noexcept {
  if (available(share) == 0) return StackError::all_taken;
  return free_ == nullptr ? free_another() : std::error_code{};
}

Stack* StackPool::take(std::error_code& error) noexcept {
  if (free_ == nullptr || set_aside_ != 0) [[unlikely]] {
    error = make_ready();
    if (error) {
      ++refused_;
      return nullptr;
    }
  }
  Stack* const stack = std::exchange(free_, free_->next_free_);
  if (on_valgrind) hand_out(*stack);
  stack->touched_ = true;
  stack->taken_ = true;
  ++taken_;
  if (++in_use_ > peak_in_use_) peak_in_use_ = in_use_;
  return stack;
}

void StackPool::give_back(Stack& stack) noexcept {
  if (stack.pool != this || !stack.taken_) [[unlikely]] {
    misuse("StackPool::give_back: this stack is not one that is taken from this pool");
  }
  stack.taken_ = false;
  stack.next_free_ = std::exchange(free_, &stack);
  --in_use_;
  if (surplus_ != 0) [[unlikely]] {
    --surplus_;
    retire_free_beyond(0);
  }
  if (!waiters_.empty()) pass_on();
}

std::error_code StackPool::set_capacity(std::size_t capacity) noexcept {
  if (options_.allocation != Allocation::on_demand) {
    return std::make_error_code(std::errc::operation_not_supported);
  }
  if (capacity == 0) return std::make_error_code(std::errc::invalid_argument);
  if (capacity < promised_) return std::make_error_code(std::errc::device_or_resource_busy);
  const std::size_t before = available();
  options_.capacity = capacity;
  surplus_ = in_use_ > capacity ? in_use_ - capacity : 0;
  retire_free_beyond(surplus_ != 0 ? 0 : capacity - in_use_);
  if (available() > before) pass_on(available() - before);
  return {};
}

// Leaves keep of the free stacks, those that were used last.
void StackPool::retire_free_beyond(std::size_t keep) noexcept {
  Stack** link = &free_;
  for (; *link != nullptr && keep > 0; --keep) link = &(*link)->next_free_;
  for (Stack* stack = std::exchange(*link, nullptr); stack != nullptr;) {
    Stack* const next = std::exchange(stack->next_free_, retired_);
    release_memory(*stack);
    retired_ = std::exchange(stack, next);
  }
}

bool StackPool::promise(std::size_t count) noexcept {
  if (count > options_.capacity - promised_) return false;
  promised_ += count;
  set_aside_ += count;
  return true;
}

void StackPool::pass_on(std::size_t count) noexcept {
  for (; count > 0 && !waiters_.empty(); --count) tell_one();
}

void StackPool::tell_one() noexcept {
  if (available() > 0) return waiters_.pop_front().stack_free();
  if (set_aside_ == 0) return;
  StackWaiter* first = nullptr;  // of those that may have it
  waiters_.for_each([&](StackWaiter& each) {
    if (first == nullptr && available(each.share()) > 0) first = &each;
  });
  if (first == nullptr) return;
  first->unlink();
  first->stack_free();
}

std::size_t StackPool::available(std::size_t share) const noexcept {
  if (options_.capacity == unlimited) return unlimited;
  const std::size_t gone = in_use_ + set_aside_ - share;
  return gone < options_.capacity ? options_.capacity - gone : 0;
}

StackPool::Statistics StackPool::statistics() const noexcept {
  return {options_.capacity, stacks_.size(), in_use_, peak_in_use_, taken_, refused_, trimmed_};
}

std::size_t StackPool::trim(std::size_t keep) noexcept {
  std::size_t count = 0;
  for (Stack* stack = free_; stack != nullptr; stack = stack->next_free_) {
    if (keep > 0) {
      --keep;
    } else if (release_memory(*stack)) {
      ++count;
    }
  }
  trimmed_ += count;
  return count;
}

// False if it has none.
bool StackPool::release_memory(Stack& stack) noexcept {
  if (!std::exchange(stack.touched_, false)) return false;
  ::madvise(stack.limit, static_cast<std::size_t>(stack.end - stack.limit), MADV_DONTNEED);
  return true;
}

std::size_t StackPool::watermark(const Stack& stack) noexcept {
  const std::size_t page = detail::page_size();
  for (std::byte* address = stack.limit; address < stack.end; address += page) {
    unsigned char resident = 0;
    if (::mincore(address, page, &resident) != 0 || (resident & 1) == 0) continue;
    const std::byte* const used = first_used(address, address + page);
    if (used != address + page) {
      return used < stack.start ? static_cast<std::size_t>(stack.start - used) : 0;
    }
  }
  return 0;
}

}  // namespace evcoro::stacks
