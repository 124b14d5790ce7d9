// Chapter 13: datagrams: a question is asked again until it is answered, and batches.
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/datagram_socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/thread.hpp>

using evcoro::Address;
using evcoro::DatagramBatch;
using evcoro::DatagramResult;
using evcoro::DatagramSocket;
using evcoro::IoResult;
using evcoro::Result;
using evcoro::Thread;
using namespace std::chrono_literals;

namespace {

using Buffer = std::array<char, 64>;

std::string_view text_of(const Buffer& buffer, const DatagramResult& in) {
  return {buffer.data(), in.count};
}

// [serve]
// Answers each question with its length; but overhears what it has not been asked just before.
void serve(DatagramSocket& socket) {
  Buffer buffer;
  Address client;
  std::string last;
  while (const DatagramResult in =
             socket.recv_from(std::as_writable_bytes(std::span{buffer}), client)) {
    const std::string question{text_of(buffer, in)};
    if (std::exchange(last, question) != question) continue;
    const std::string answer = question + " has " + std::to_string(question.size()) + " letters";
    (void)socket.send_to(answer, client);
  }
}
// [/serve]

// [ask]
Result<std::string> ask(const Address& server, const std::string& question) {
  Result<DatagramSocket> socket = DatagramSocket::connected_to(server);
  if (!socket) return socket.error();
  Buffer buffer;
  DatagramResult in;
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (const IoResult out = socket->send(question); !out) return out.error;
    in = socket->recv(std::as_writable_bytes(std::span{buffer}), 50ms);
    if (in) return std::string{text_of(buffer, in)};
    if (in.error != std::errc::timed_out) break;
  }
  return in.error;
}
// [/ask]

void print(const Result<std::string>& answer) {
  std::printf("%s\n", answer ? answer->c_str() : answer.error().message().c_str());
}

// [batches]
void exchange_batches() {
  DatagramSocket receiver = DatagramSocket::bound_to(Address::unix_any()).value();
  DatagramSocket sender = DatagramSocket::connected_to(receiver.local_address()).value();
  DatagramBatch batch{16, 64};
  for (const std::string_view text : {"one", "two", "", "four"}) batch.add(text);
  const IoResult out = sender.send_batch(batch);  // one system call
  const IoResult in = receiver.recv_batch(batch, 3s);
  std::printf("%zu were sent, %zu received, the third of %zu bytes\n", out.count, in.count,
              batch[2].size);
}
// [/batches]

// [main]
void run() {
  DatagramSocket socket = DatagramSocket::bound_to(Address::loopback(AF_INET, 0)).value();
  const Address address = socket.local_address();
  evcoro::Loop& loop = *evcoro::Loop::current();
  Thread server = loop.spawn([&] { serve(socket); }).value();
  print(ask(address, "coroutine"));
  print(ask(address, "datagram"));
  server.request_stop();
  server.join().value();

  socket.close();
  print(ask(address, "anybody there?"));
  exchange_batches();
}
// [/main]

}  // namespace

int main() try {
  evcoro::Loop loop{{.capacity = 4}};
  Thread thread = loop.spawn(run).value();
  loop.run();
  thread.join().value();
} catch (const std::exception& error) {
  std::fprintf(stderr, "13_datagrams: %s\n", error.what());
  return 1;
}
