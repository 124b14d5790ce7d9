// TemporaryFolder: a folder for a test, with files, which goes with all that is in it.
//
//   support::TemporaryFolder folder;
//   folder.write("a/b.txt", "hello");
#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace support {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "evcoro-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), name);
    }
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  std::string string() const { return path_.string(); }

  // write() makes a file, and the folders that it needs; what was in it is gone.
  void write(std::string_view name, std::string_view text) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out << text;
    out.flush();
    if (!out) throw std::runtime_error{"can't write " + file.string()};
  }

  // replace() does so, as it should be done, by a rename.
  void replace(std::string_view name, std::string_view text) const {
    const std::string other = std::string{name} + ".new";
    write(other, text);
    std::filesystem::rename(path_ / other, path_ / name);
  }

  // read() is what is in a file; "" if there is none.
  std::string read(std::string_view name) const {
    std::ifstream in{path_ / name, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

 private:
  std::filesystem::path path_;
};

}  // namespace support
