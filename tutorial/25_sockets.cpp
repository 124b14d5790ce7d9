// Chapter 25: what else sockets can do: pairs and pipes, headers and bodies, files, descriptors,
// options, resets.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/tcp_acceptor.hpp>

using evcoro::Address;
using evcoro::IoResult;
using evcoro::Loop;
using evcoro::Socket;
using evcoro::TcpAcceptor;
namespace option = evcoro::option;
using namespace std::chrono_literals;

namespace {

using Text = std::array<char, 64>;

std::span<std::byte> bytes(Text& text) { return std::as_writable_bytes(std::span{text}); }

void print(const char* what, const std::error_code& error) {
  std::printf("%s: %s\n", what, error ? error.message().c_str() : "no error");
}

void print(const char* what, const Text& text, std::size_t count) {
  std::printf("%s: %.*s\n", what, static_cast<int>(count), text.data());
}

// [pair]
void talk_within() {
  auto [here, there] = evcoro::socketpair().value();
  Text text;
  if (!here.send("a question", 3s)) return;
  print("peek", text, there.peek(std::span{bytes(text)}.first(1), 3s).count);
  print("recv", text, there.recv(bytes(text), 3s).count);

  auto [reader, writer] = evcoro::pipe().value();
  print("a pipe's reader", reader.send("the wrong way", 3s).error);
}
// [/pair]

// [vector]
void send_a_message() {
  auto [here, there] = evcoro::socketpair().value();
  const std::array message{evcoro::as_bytes("5 "), evcoro::as_bytes("hello")};
  print("send_vector", here.send_vector(message, 3s).error);

  Text header;
  Text body;
  const std::array parts{bytes(header).first(2), bytes(body)};
  const IoResult in = there.recv_vector(parts, 3s);
  print("header", header, 1);
  print("body", body, in.count - 2);
}
// [/vector]

// [file]
void send_a_file() {
  const int file = ::memfd_create("page", MFD_CLOEXEC);  // stands for a file on a disk
  if (::write(file, "<p>hello</p>", 12) != 12) std::perror("write");
  auto [here, there] = evcoro::socketpair().value();
  Text text;
  print("send_file", here.send_file(file, 3, 5, 3s).error);
  print("the file", text, there.recv(bytes(text), 3s).count);
  print("more than there is", here.send_file(file, 3, 100, 3s).error);
  ::close(file);
}
// [/file]

// [descriptors]
void hand_over() {
  auto [here, there] = evcoro::socketpair().value();  // between two processes, as a rule
  auto [reader, writer] = evcoro::pipe().value();
  const std::array given{writer.native_handle()};
  print("send_descriptors", here.send_descriptors(evcoro::as_bytes("a pipe"), given, 3s).error);
  writer.close();

  Text text;
  std::array<int, 4> taken;
  const auto in = there.recv_descriptors(bytes(text), taken, 3s);
  std::printf("%zu descriptor came with: %.*s\n", in.descriptor_count, static_cast<int>(in.count),
              text.data());
  Socket pipe = Socket::adopt(*Loop::current(), taken[0]).value();
  if (!pipe.send("through it", 3s)) return;
  print("the pipe", text, reader.recv(bytes(text), 3s).count);
}
// [/descriptors]

// [options]
void set_options(Socket& socket) {
  socket.set_option(option::keepalive, true);
  socket.set_option(option::keepalive_idle, 30s);
  std::printf("keepalive after %d s\n",
              static_cast<int>(socket.get_option(option::keepalive_idle).value().count()));
  print("1000 hops", socket.set_option(option::hop_limit, 1000));
}
// [/options]

// [reset]
void refuse(Socket& client) {
  Text text;
  print("the server", text, client.recv(bytes(text), 3s).count);
  client.reset();
}

void be_refused(Loop& loop) {
  const TcpAcceptor server{loop, Address::loopback(AF_INET, 0), refuse};
  Socket socket = evcoro::connect(server.local_address(), 3s).value();
  set_options(socket);
  if (!socket.send("are you there?", 3s)) return;
  Text text;
  print("the client", socket.recv(bytes(text), 3s).error);
}
// [/reset]

// [abstract]
void use_an_abstract_name(Loop& loop) {
  const std::string name = "evcoro-25-" + std::to_string(::getpid());
  const auto greet = [](Socket& socket) { static_cast<void>(socket.send("no file", 3s)); };
  const TcpAcceptor server{loop, Address::unix_abstract(name).value(), greet};
  Socket socket = evcoro::connect(server.local_address(), 3s).value();
  Text text;
  print("an abstract name", text, socket.recv(bytes(text), 3s).count);
  print("nodelay of a UNIX socket", socket.set_option(option::nodelay, true));
}
// [/abstract]

}  // namespace

// [main]
int main() try {
  Loop loop{{.capacity = 10, .stack_size = 32 * 1024}};
  const auto all = [&loop] {
    talk_within();
    send_a_message();
    send_a_file();
    hand_over();
    be_refused(loop);
    use_an_abstract_name(loop);
  };
  loop.spawn({.name = "all"}, all).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "25_sockets: %s\n", error.what());
  return 1;
}
// [/main]
