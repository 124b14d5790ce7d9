#include <support/failing_new.hpp>

#include <cstdlib>
#include <utility>

#include <corothread/detail/sanitizers.hpp>
#include <support/process.hpp>

namespace {

thread_local int calls_left = 0;  // until one fails; 0: none does

}  // namespace

// All forms, so that none of them is left to AddressSanitizer, which minds who frees.
#if !defined(EVCORO_TSAN)

using std::align_val_t;
using std::nothrow_t;
using std::size_t;

namespace {

bool is_to_fail() noexcept { return calls_left > 0 && --calls_left == 0; }

void* require(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t size, const nothrow_t&) noexcept {
  return is_to_fail() ? nullptr : std::malloc(size != 0 ? size : 1);
}
void* operator new(size_t size, align_val_t alignment, const nothrow_t&) noexcept {
  const auto unit = static_cast<size_t>(alignment);
  return is_to_fail() ? nullptr : std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
}

void* operator new(size_t size) { return require(::operator new(size, std::nothrow)); }
void* operator new(size_t size, align_val_t alignment) {
  return require(::operator new(size, alignment, std::nothrow));
}

void* operator new[](size_t size) { return ::operator new(size); }
void* operator new[](size_t size, align_val_t alignment) { return ::operator new(size, alignment); }
void* operator new[](size_t size, const nothrow_t& nothrow) noexcept {
  return ::operator new(size, nothrow);
}
void* operator new[](size_t size, align_val_t alignment, const nothrow_t& nothrow) noexcept {
  return ::operator new(size, alignment, nothrow);
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, const nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, align_val_t, const nothrow_t&) noexcept { std::free(memory); }

void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t, align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, const nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, align_val_t, const nothrow_t&) noexcept { std::free(memory); }

#endif

namespace support {

FailingNew::Armed::Armed(FailingNew& it) noexcept : it_(it) { calls_left = it.number_; }
FailingNew::Armed::~Armed() { it_.has_failed_ = std::exchange(calls_left, 0) == 0; }

void skip_without_failing_new() {
  FailingNew probe{1};
  probe.run([] { ::operator delete(::operator new(1)); });
  if (!probe.has_failed()) skip("operator new is another's");
}

}  // namespace support
