// The chapters about HTTP: what curl gets from their servers is what their pages show.
#include <tutorial/chapter.hpp>
#include <tutorial/server.hpp>

#include <csignal>
#include <regex>

#include <support/folder.hpp>

using tutorial::Command;
using tutorial::expected;
using tutorial::require_prints_as_expected;
using tutorial::Server;
using tutorial::transcript;

namespace {

std::string without_date(const std::string& output) {
  return std::regex_replace(output, std::regex{"Date: [^\n]*"}, "Date: today");
}

// What `seq last` prints.
std::string numbers(int last) {
  std::string all;
  for (int i = 1; i <= last; ++i) all += std::to_string(i) + "\n";
  return all;
}

}  // namespace

TEST_CASE("chapter 34, a web server") {
  const std::string page = expected("34_web_server");
  REQUIRE(transcript(Server{"34_web_server"}, page) == page);
}

TEST_CASE("chapter 35, files and streaming") {
  const support::TemporaryFolder folder;
  folder.write("numbers.txt", numbers(1000));
  const Server server{"35_files_and_streaming", "127.0.0.1:0", {}, folder.string()};
  const std::string page = expected("35_files_and_streaming");
  REQUIRE(without_date(transcript(server, page)) == without_date(page));
  REQUIRE(folder.read("more.txt") == numbers(100'000));
}

TEST_CASE("chapter 35, an upload that has no plain name, is there, or is too short") {
  const support::TemporaryFolder folder;
  folder.write("numbers.txt", numbers(3));
  const Server server{"35_files_and_streaming", "127.0.0.1:0", {}, folder.string()};
  const auto put = [&](const std::string& name, const std::string& more = {}) {
    return Command{server, "echo x | curl --path-as-is -X PUT --data-binary @- -w '%{http_code}' " +
                               more + " 127.0.0.1:8080/files/" + name + "; true"}
        .output();
  };
  REQUIRE(put("..") == "400");
  REQUIRE(put(".hidden") == "400");
  REQUIRE(put("..%2fx") == "400");
  REQUIRE(put("numbers.txt") == "409");
  REQUIRE(put("short.txt", "-m 0.2 -H 'Content-Length: 9'") == "000");
  REQUIRE(folder.read("numbers.txt") == numbers(3));
  REQUIRE(folder.read("short.txt").empty());
}

TEST_CASE("chapter 36, a client") { require_prints_as_expected("36_http_client"); }

TEST_CASE("chapter 37, a web server inside libevent") {
  Server server{"37_web_server_inside_libevent"};
  REQUIRE(Command{server, "curl 127.0.0.1:8080/temperature"}.output() == "20 degrees\n");
  Command boiling{server, "curl 127.0.0.1:8080/boiling"};
  REQUIRE(server.read_until("somebody waits\n"));
  REQUIRE(Command{server, "curl -d '' 127.0.0.1:8080/on"}.output() == "it is on\n");
  server.signal(SIGTERM);
  REQUIRE(boiling.output() == "tea!\n");
  REQUIRE(server.wait().status == 0);
  REQUIRE(server.output_of_the_pages("127.0.0.1:8080") ==
          expected("37_web_server_inside_libevent"));
  REQUIRE(server.errors.empty());
}
