// Chapter 35: files, and bodies that nobody has in memory as a whole.
//
//   35_files_and_streaming [ADDRESS [FOLDER]]      127.0.0.1:8080 and . when none are given
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <evcoro/file.hpp>
#include <evcoro/http/compression.hpp>
#include <evcoro/http/event_stream.hpp>
#include <evcoro/http/files.hpp>
#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>

using evcoro::Address;
using evcoro::File;
using evcoro::IoResult;
using namespace evcoro::http;
using namespace std::chrono_literals;

namespace {

char to_upper(char letter) {
  return static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
}

// [upload]
void upload(Request& request, Response& response, const std::string& folder) {
  const std::string name{request.parameter("name")};
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  if (name.starts_with('.') || name.find_first_not_of(allowed) != std::string::npos) {
    response.set_status(Status::bad_request);
    return;
  }
  File file = File::open(folder, O_TMPFILE | O_WRONLY).value();  // has no name yet
  request.set_body_limit(1 << 30);
  std::vector<std::byte> buffer(64 * 1024);
  IoResult in;
  while ((in = request.recv(buffer)) && in.count > 0) {
    const IoResult out = file.write(std::span{buffer}.first(in.count));
    if (!out) throw std::system_error(out.error, "upload");
  }
  if (!in) return;  // the client has been told why, if it can be
  const std::string nameless = "/proc/self/fd/" + std::to_string(file.native_handle());
  const bool is_new = ::linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, (folder + '/' + name).c_str(),
                               AT_SYMLINK_FOLLOW) == 0;
  response.set_status(is_new ? Status::created : Status::conflict);
}
// [/upload]

// [shout]
void shout(Request& request, Response& response) {
  request.set_body_limit(1 << 30);
  response.fields().set("Content-Type", "text/plain");
  std::array<char, 4096> buffer;
  std::size_t bytes = 0;
  IoResult in;
  while ((in = request.recv(std::as_writable_bytes(std::span{buffer}))) && in.count > 0) {
    const std::span<char> text = std::span{buffer}.first(in.count);
    for (char& each : text) each = to_upper(each);
    if (response.write(std::string_view{text.data(), text.size()})) return;  // the client has left
    bytes += text.size();
  }
  if (!in) return;  // the connection is cut, lest half an answer looks whole
  response.trailers().set("Bytes", std::to_string(bytes));
}
// [/shout]

// [tick]
void tick(Request& request, Response& response) {
  EventStream events{request, response};
  const std::string_view last = events.last_event_id();  // "" unless the client has been here
  unsigned number = 0;
  std::from_chars(last.data(), last.data() + last.size(), number);
  do {
    const std::string id = std::to_string(++number);
    if (events.send({.data = "tick", .id = id})) return;
  } while (number % 3 != 0 && events.pause(20ms));
}
// [/tick]

}  // namespace

// [main]
int main(int argc, char** argv) try {
  const Address address = Address::parse(argc > 1 ? argv[1] : "127.0.0.1:8080").value();
  const std::string folder = argc > 2 ? argv[2] : ".";
  Router router;
  router.use(Compression{});
  router.get("/files/*path", Files{folder});
  router.put("/files/:name",
             [&](Request& request, Response& response) { upload(request, response, folder); });
  router.post("/shout", shout);
  router.get("/ticks", tick);

  evcoro::Loop loop{{.capacity = 100}};
  const Server server{loop, address, router};
  std::printf("listening on %s\n", server.local_address().to_string().c_str());
  std::fflush(stdout);
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "35_files_and_streaming: %s\n", error.what());
  return 1;
}
// [/main]
