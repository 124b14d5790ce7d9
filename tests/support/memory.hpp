// What the kernel says of the process's memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace support {

inline std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

// resident_pages() counts the pages of [from, to) that have memory. from is the start of a page.
inline std::size_t resident_pages(std::byte* from, const std::byte* to) {
  const auto size = static_cast<std::size_t>(to - from);
  std::vector<unsigned char> pages((size + page_size() - 1) / page_size());
  if (::mincore(from, size, pages.data()) != 0) return SIZE_MAX;
  std::size_t count = 0;
  for (const unsigned char page : pages) count += page & 1U;
  return count;
}

// mappings() counts the mappings of the process.
inline std::size_t mappings() {
  std::ifstream maps{"/proc/self/maps"};
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

// max_mappings() is the kernel's limit of them.
inline std::size_t max_mappings() {
  std::size_t limit = 65530;
  std::ifstream{"/proc/sys/vm/max_map_count"} >> limit;
  return limit;
}

}  // namespace support
