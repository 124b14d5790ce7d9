#include <stacks/frame.hpp>

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace evcoro::stacks {
namespace {

std::string demangle(const char* symbol) {
  int status = 0;
  char* const demangled = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string name = demangled != nullptr ? demangled : symbol;
  std::free(demangled);
  return name;
}

}  // namespace

std::string describe_frame(const void* address) {
  Dl_info info{};
  if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) return "?";
  const bool is_known = info.dli_sname != nullptr;
  const void* const start = is_known ? info.dli_saddr : info.dli_fbase;
  char offset[32];
  std::snprintf(offset, sizeof offset, "+0x%tx",
                static_cast<const char*>(address) - static_cast<const char*>(start));
  return (is_known ? demangle(info.dli_sname) : "?") + offset + " (" + info.dli_fname + ")";
}

}  // namespace evcoro::stacks
