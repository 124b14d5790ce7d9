// Site: a folder with some files, beside one with a secret, served by Files; and requests for them.
//
//   const support::Site site;
//   REQUIRE(support::get(site.files(), "/a.txt").body == "0123456789");
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <evcoro/http/files.hpp>
#include <support/catch.hpp>
#include <support/folder.hpp>
#include <support/http.hpp>

namespace support {

inline std::string request_for(std::string_view target, std::string_view fields = "",
                               std::string_view method = "GET") {
  return std::string{method} + " " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n" +
         std::string{fields} + "\r\n";
}

inline Reply get(const evcoro::http::Handler& files, std::string_view target,
                 std::string_view fields = "", std::string_view method = "GET") {
  const std::string sent = send_pieces({request_for(target, fields, method)}, files);
  std::string_view rest = sent;
  return parse_reply(rest, method == "HEAD");
}

inline int status(const evcoro::http::Handler& files, std::string_view target,
                  std::string_view fields = "") {
  return get(files, target, fields).status;
}

// set_time() makes a file older than it is.
inline void set_time(const std::filesystem::path& file, std::time_t seconds) {
  const timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 0}, {.tv_sec = seconds, .tv_nsec = 0}};
  REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
}

inline constexpr std::time_t some_time = 784'111'777;
inline constexpr std::string_view some_text = "Sun, 06 Nov 1994 08:49:37 GMT";

// Site is a folder with some files, beside one with a secret.
struct Site {
  Site() {
    whole.write("secret.txt", "secret");
    whole.write("site/index.html", "<p>home");
    whole.write("site/a.txt", "0123456789");
    whole.write("site/a b.css", "p {}");
    whole.write("site/sub/index.html", "<p>sub");
    whole.write("site/bare/x", "x");
    whole.write("site/.hidden", "hidden");
    whole.write("site/.git/config", "hidden");
    set_time(whole / "site/a.txt", some_time);
  }
  std::string root() const { return (whole / "site").string(); }
  std::filesystem::path path(std::string_view name) const { return whole / "site" / name; }
  evcoro::http::Files files(evcoro::http::FilesOptions options = {}) const {
    return evcoro::http::Files{root(), std::move(options)};
  }

  TemporaryFolder whole;
};

}  // namespace support
