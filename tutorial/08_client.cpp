// Chapter 8: a client that has three conversations with an echo server at once.
//
//   08_client [ADDRESS]           127.0.0.1:9999 when none is given
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/thread.hpp>

using evcoro::Address;
using evcoro::IoResult;
using evcoro::Result;
using evcoro::Socket;
using evcoro::Thread;
using namespace std::chrono_literals;

namespace {

// [ask]
Result<std::string> ask(const Address& server, std::string_view question) {
  Result<Socket> socket = evcoro::connect(server, 3s);
  if (!socket) return socket.error();
  if (const IoResult out = socket->send(question, 3s); !out) return out.error;

  std::string answer(question.size(), '\0');
  const IoResult in = socket->recv_all(std::as_writable_bytes(std::span{answer}), 3s);
  if (!in) return in.error;
  answer.resize(in.count);  // shorter if the server has closed before
  return answer;
}
// [/ask]

// [ask_all]
// Returns how many of the conversations failed.
int ask_all(const Address& server) {
  evcoro::Loop loop{{.capacity = 10}};
  const std::array questions{"tea", "egg", "jam"};
  std::vector<Thread<Result<std::string>>> threads;
  threads.reserve(questions.size());
  for (const char* question : questions) {
    threads.push_back(loop.spawn([=] { return ask(server, question); }).value());
  }
  loop.run();  // until all of them have ended

  int failed = 0;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    const Result<std::string> answer = threads[i].join().value();
    const std::string text = answer ? *answer : answer.error().message();
    std::printf("%s: %s\n", questions[i], text.c_str());
    if (!answer) ++failed;
  }
  return failed;
}
// [/ask_all]

}  // namespace

int main(int argc, char** argv) try {
  const char* const text = argc > 1 ? argv[1] : "127.0.0.1:9999";
  const Result<Address> address = Address::parse(text);
  if (!address) throw std::invalid_argument(std::string("no IP address: ") + text);
  return ask_all(*address) == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "08_client: %s\n", error.what());
  return 1;
}
