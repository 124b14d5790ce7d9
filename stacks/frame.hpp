// describe_frame(): a frame of a backtrace, for people.
//
//   void* frames[16];
//   const int count = ::backtrace(frames, 16);                   // see backtrace(3)
//   for (int i = 0; i < count; ++i) print(describe_frame(frames[i]));
#pragma once

#include <string>

#include <stacks/export.hpp>

namespace evcoro::stacks {

// describe_frame() is such as "Cache::find(int)+0x1c (./server)". The function is "?", and the
// offset that in the file, if the dynamic linker doesn't know it: link programs with -rdynamic. Any
// OS thread may call it. Throws std::bad_alloc.
EVCORO_API std::string describe_frame(const void* address);

}  // namespace evcoro::stacks
