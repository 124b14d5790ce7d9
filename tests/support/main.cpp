#if defined(__GNUC__) && !defined(__clang__)
// gcc 12 with sanitizers takes members of its own <regex> for uninitialised.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define CATCH_CONFIG_MAIN
#include <support/catch.hpp>
