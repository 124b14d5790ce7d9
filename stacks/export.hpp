// EVCORO_API marks what the shared libraries export; everything else is hidden.
//
//   class EVCORO_API StackPool { ... };
#pragma once

#include <stacks/export.h>
