// Chapter: the program of a chapter of the tutorial, running in a child process of the test; and
// what its page says that it prints.
//
//   require_prints_as_expected("01_first_coroutine");
#pragma once

#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include <support/catch.hpp>
#include <support/process.hpp>
#include <support/program.hpp>

namespace tutorial {

class Chapter : public support::Program {
 public:
  explicit Chapter(const std::string& name, const Arguments& arguments = {},
                   const Options& options = {})
      : Program((EVCORO_TUTORIAL_PROGRAMS "/" + name).c_str(), arguments, options) {}
};

// expected() is the file that the page of a chapter quotes.
inline std::string expected(const std::string& name) {
  const std::string path = EVCORO_TUTORIAL_EXPECTED "/" + name + ".txt";
  std::ifstream file(path);
  INFO("the expected output of the chapter: " << path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

// without_particulars() leaves out of to_string(ThreadInfo) what depends on how the path of a
// source was given, on time, and on the order in which connections come.
inline std::string without_particulars(std::string output) {
  output = std::regex_replace(output, std::regex{"spawned at [^ ]*tutorial/"}, "spawned at ");
  output = std::regex_replace(output, std::regex{"\\(id [0-9]+\\)"}, "(id N)");
  return std::regex_replace(output, std::regex{"parked for [0-9.]+ s"}, "parked for N s");
}

inline void require_prints_as_expected(const std::string& name) {
  Chapter chapter{name};
  const support::Ended ended = chapter.wait();
  REQUIRE(without_particulars(ended.output) == without_particulars(expected(name)));
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 0);
}

}  // namespace tutorial
