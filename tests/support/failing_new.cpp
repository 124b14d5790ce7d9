#include <support/failing_new.hpp>

#include <cstdlib>
#include <utility>

#include <corothread/detail/sanitizers.hpp>
#include <support/process.hpp>

namespace {

thread_local int calls_left = 0;  // until one fails; 0: none does

}  // namespace

// All forms but the aligned ones, so that none of them is left to AddressSanitizer, which minds who
// frees.
#if !defined(EVCORO_TSAN)

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (calls_left > 0 && --calls_left == 0) return nullptr;
  return std::malloc(size != 0 ? size : 1);
}

void* operator new(std::size_t size) {
  void* const memory = ::operator new(size, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* operator new[](std::size_t size) { return ::operator new(size); }
void* operator new[](std::size_t size, const std::nothrow_t& nothrow) noexcept {
  return ::operator new(size, nothrow);
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

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
