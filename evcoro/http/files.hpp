// Files: a handler that serves the files of a folder.
//
//   Router router;
//   router.get("/static/*path", Files{"/srv/www"});
//
//   Server server{loop, address, Files{"/srv/www", {.cache_control = "max-age=60"}}};  // no router
//
// It answers GET and HEAD, conditional requests, and requests for ranges, with ETag and
// Last-Modified; 405 for other methods, 404 for what isn't there. A folder is answered by its
// index, or by a redirect to its name with a slash.
//
// Nothing outside of the folder is ever sent: a path with "..", "." or empty segments, with an
// encoded slash, a backslash or a NUL isn't there; nor is a symbolic link that leads out, which an
// absolute one always does; nor a device, a pipe or a socket. Where the kernel lacks openat2(2)
// (before Linux 5.6) no symbolic link is followed at all.
//
// Each loop keeps files open that were asked for, up to cache_time, or until it is asked for
// another one; small ones with what is in them. A file that is written to, removed, or replaced (by
// rename(2), as it should be) is noticed at the next request; one that is replaced but has other
// names, after cache_time. A file that becomes shorter while it is sent ends the connection. Files
// are opened, and read if the page cache doesn't have them, in the loop's OS thread: it waits for a
// disk.
//
// It is a value, and may be called in any number of OS threads at once; copies are the same.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <evcoro/http/serve.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {
class FilesState;
}

// FilesOptions are those of Files.
struct FilesOptions {
  // What is looked up is what a Router has found for the parameter of this name; without one, the
  // whole path; or what is behind the prefix, if there is one: then it is "" or begins with a
  // slash.
  std::string parameter = "path";
  std::string prefix = {};

  std::string index = "index.html";  // of a folder; "": none

  // dot_files makes names that begin with a dot be there. Without it they are not, but for the
  // folder's own ".well-known" (RFC 8615), with the names in it that don't.
  bool dot_files = false;
  bool symlinks = true;  // those that stay in the folder are followed

  // precompressed sends "a.css.gz", if it is there and no older, for "a.css" to who takes gzip.
  bool precompressed = false;

  std::string cache_control = {};  // the field; "": none

  // Content-Type by the name's extension, in small letters and without a dot, before the built-in
  // ones; and of what is in neither.
  std::map<std::string, std::string, std::less<>> types = {};
  std::string default_type = "application/octet-stream";

  std::size_t max_ranges = 16;  // of a request; for more, the file is sent whole

  std::size_t cache_files = 128;  // that a loop keeps open, each with its ".gz"; 0: none
  std::chrono::milliseconds cache_time{1'000};
};

class EVCORO_API Files {
 public:
  using Options = FilesOptions;

  // Throws std::system_error if folder can't be opened, or isn't one. What is served is this very
  // folder, also if its name later means another.
  explicit Files(const std::string& folder, Options options = {});

  void operator()(Request& request, Response& response) const;

 private:
  std::shared_ptr<const detail::FilesState> state_;
};

// content_type() is the built-in Content-Type for the extension of name; "" if there is none.
EVCORO_API std::string_view content_type(std::string_view name) noexcept;

}  // namespace evcoro::http
