// The version of evcoro, for programs that are built with more than one:
//
//   #if EVCORO_VERSION_MAJOR == 0 && EVCORO_VERSION_MINOR < 2
//
// It is told here and nowhere else: CMake, find_package() and pkg-config have it from here.
// Until 1.0 a new MINOR may break its users, and libraries of another MINOR have another soname.
#pragma once

#define EVCORO_VERSION_MAJOR 0
#define EVCORO_VERSION_MINOR 1
#define EVCORO_VERSION_PATCH 0

// EVCORO_VERSION_STRING is "MAJOR.MINOR.PATCH".
#define EVCORO_VERSION_STRING                \
  EVCORO_DETAIL_STRING(EVCORO_VERSION_MAJOR) \
  "." EVCORO_DETAIL_STRING(EVCORO_VERSION_MINOR) "." EVCORO_DETAIL_STRING(EVCORO_VERSION_PATCH)

#define EVCORO_DETAIL_STRING(value) EVCORO_DETAIL_QUOTE(value)
#define EVCORO_DETAIL_QUOTE(value) #value
