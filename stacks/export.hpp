// EVCORO_API marks what the shared libraries export; everything else is hidden.
//
//   class EVCORO_API StackPool { ... };
#pragma once

#define EVCORO_API __attribute__((visibility("default")))
