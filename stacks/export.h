// What the C headers share with the C++ ones: valid C11 and C++.
//
//   EVCORO_API int STACKS_destroy(STACKS* stacks) EVCORO_NOEXCEPT;
//
// EVCORO_API marks what the shared libraries export; everything else is hidden. EVCORO_NOEXCEPT
// says that no C++ exception comes out of a C function. EVCORO_ENUM gives an enumeration room for
// whatever int comes from C, as it has there.
#pragma once

#define EVCORO_API __attribute__((visibility("default")))

#ifdef __cplusplus
#define EVCORO_NOEXCEPT noexcept
#define EVCORO_ENUM : int
#else
#define EVCORO_NOEXCEPT
#define EVCORO_ENUM
#endif
