// Chapter 15: a conversation in lines.
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/io/buffered_reader.hpp>
#include <evcoro/io/buffered_writer.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/thread.hpp>

using evcoro::Address;
using evcoro::BufferedReader;
using evcoro::BufferedWriter;
using evcoro::Errc;
using evcoro::IoResult;
using evcoro::Socket;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

namespace {

// [serve]
template <evcoro::Stream S>
std::error_code serve(S& stream) {
  BufferedReader reader{stream, {.limit = 20}};
  BufferedWriter writer{stream};
  while (true) {
    const auto line = reader.read_line(10s);
    if (line.error() == Errc::too_long)
      return stream.send(evcoro::as_bytes("so long!\n"), 10s).error;
    if (!line) return line.error();

    for (const std::string_view piece : {"you said "sv, *line, "\n"sv}) {
      if (const IoResult out = writer.write(piece, 10s); !out) return out.error;
    }
    if (const std::error_code error = writer.flush(10s)) return error;
  }
}
// [/serve]

// [double]
// A stream that is a text.
struct Script {
  std::string_view text;

  IoResult recv(std::span<std::byte> buffer, evcoro::Timeout) {
    const std::size_t count = text.copy(reinterpret_cast<char*>(buffer.data()), buffer.size());
    text.remove_prefix(count);
    return {count};
  }
  IoResult send(std::span<const std::byte> data, evcoro::Timeout) {
    std::printf("  %.*s", static_cast<int>(data.size()),
                reinterpret_cast<const char*>(data.data()));
    return {data.size()};
  }
};

void rehearse(std::string_view text) {
  Script script{text};
  const std::error_code end = serve(script);
  std::printf("rehearsal: %s\n", end ? end.message().c_str() : "hung up on");
}
// [/double]

// [ask]
void ask(const Address& server, std::string_view question) {
  Socket socket = evcoro::connect(server, 10s).value();
  if (!socket.send(question, 10s) || socket.shutdown(Socket::Shutdown::write)) return;
  BufferedReader reader{socket};
  std::string answers;
  while (const auto answer = reader.read_line(10s)) answers.append(*answer).append("; ");
  std::printf("client: %s\n", answers.c_str());
}
// [/ask]

}  // namespace

// [main]
int main() try {
  rehearse("good morning\r\ngood");
  rehearse("good morning to all of you\n");

  evcoro::Loop loop{{.capacity = 10}};
  evcoro::TcpAcceptor acceptor{loop, Address::loopback(AF_INET, 0), [](Socket& socket) {
                                 const std::error_code end = serve(socket);
                                 std::printf("server: %s\n", end.message().c_str());
                               }};
  loop.spawn([&] {
        ask(acceptor.local_address(), "hello\nis anybody there?\n");
        loop.stop();
      })
      .value()
      .detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "15_lines: %s\n", error.what());
  return 1;
}
// [/main]
