// Server: the program of a chapter that listens on a port which the system chose.
//
//   Server server{"34_web_server"};
//   REQUIRE(transcript(server, expected("34_web_server")) == expected("34_web_server"));
#pragma once

#include <tutorial/chapter.hpp>

#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tutorial {

class Server : public Chapter {
 public:
  explicit Server(const std::string& name, const std::string& any_port = "127.0.0.1:0",
                  const Options& options = {}, const std::string& folder = {})
      : Server(name, folder.empty() ? Arguments{any_port} : Arguments{any_port, folder}, options) {}

  Server(const std::string& name, const Arguments& arguments, const Options& options = {})
      : Chapter(name, arguments, options) {
    const std::string_view announcement = "listening on ";
    if (!read_until(announcement) || !read_until("\n")) {
      wait();
      throw std::runtime_error(name + " doesn't start: " + output + errors);
    }
    const std::size_t begin = output.find(announcement) + announcement.size();
    address_ = output.substr(begin, output.find('\n', begin) - begin);
  }

  const std::string& address() const { return address_; }

  // output_of_the_pages() has the address of the pages in the place of its own.
  std::string output_of_the_pages(const std::string& address = "127.0.0.1:9999") const {
    std::string text = output;
    return text.replace(text.find(address_), address_.size(), address);
  }

 private:
  std::string address_;
};

// Command is one of a page about HTTP, in which curl asks a server; it runs at once.
class Command {
 public:
  Command(const Server& server, std::string text) {
    const std::string_view of_the_pages = "127.0.0.1:8080";
    for (auto at = text.find(of_the_pages); at != std::string::npos; at = text.find(of_the_pages)) {
      text.replace(at, of_the_pages.size(), server.address());
    }
    pipe_ = ::popen(("curl() { command curl -sS --noproxy '*' \"$@\"; }; " + text).c_str(), "re");
    REQUIRE(pipe_ != nullptr);
  }
  ~Command() {
    if (pipe_ != nullptr) ::pclose(pipe_);
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // output() waits for its end. Of HTTP's line ends the CR is left out.
  std::string output() {
    std::string all;
    for (int letter; (letter = std::fgetc(pipe_)) != EOF;) {
      if (letter != '\r') all += static_cast<char>(letter);
    }
    const int status = ::pclose(std::exchange(pipe_, nullptr));
    INFO(all);
    REQUIRE(status == 0);
    return all;
  }

 private:
  FILE* pipe_;
};

// transcript() is what one sees who gives the commands of a page, each behind a "$ ", to a shell.
inline std::string transcript(const Server& server, const std::string& page) {
  std::istringstream lines{page};
  std::string seen;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("$ ")) continue;
    const std::string output = Command{server, line.substr(2)}.output();
    seen += line + "\n" + output + (output.ends_with("\n") ? "" : "\n");
  }
  return seen;
}

}  // namespace tutorial
