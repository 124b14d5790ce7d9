// File: a temporary file for the time of a test.
//
//   const support::File file{"text"};
//   use(file.path);
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace support {

class File {
 public:
  explicit File(std::string_view text) { write(text); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
    std::filesystem::remove(path);
  }
  void write(std::string_view text) const { std::ofstream{path, std::ios::binary} << text; }

  // descriptor() is one to read by, which the File closes.
  int descriptor() const {
    if (descriptor_ < 0) descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    return descriptor_;
  }

  const std::string path = [] {
    std::string name = std::filesystem::temp_directory_path() / "evcoro-test.XXXXXX";
    ::close(::mkstemp(name.data()));
    return name;
  }();

 private:
  mutable int descriptor_ = -1;
};

}  // namespace support
