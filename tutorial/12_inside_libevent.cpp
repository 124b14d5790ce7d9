// Chapter 12: coroutine threads inside an application that has an event_base of its own.
//
//   12_inside_libevent [ADDRESS]      127.0.0.1:9999 when none is given
//
// It is controlled by lines on its standard input, a terminal or a pipe: "status", and "quit" or
// the end of file.
#include <event2/event.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/result.hpp>
#include <stacks/stack_pool.hpp>

using evcoro::Address;
using evcoro::IoResult;
using evcoro::Result;
using evcoro::Socket;
using namespace std::chrono_literals;

namespace {

// [echo_service]
// What is added: an echo service in coroutine threads.
class EchoService {
 public:
  EchoService(event_base* base, const Address& address)
      : loop_(connections_, base),
        acceptor_(loop_, address, [this](Socket& socket) { echo(socket); }) {}

  Address address() const { return acceptor_.local_address(); }

  // To be called in the OS thread of the base, as all of this class.
  void print_status() const {
    const auto clients = static_cast<unsigned long long>(acceptor_.counters().accepted);
    std::printf("%llu clients, %zu messages\n", clients, messages_);
  }

  // Lets open connections finish, three seconds at most.
  void end() {
    const auto drain = [this] {
      if (acceptor_.drain(3s)) loop_.shutdown(1s);
    };
    loop_.spawn({.name = "end", .stacks = &service_}, drain).value().detach();
  }

 private:
  void echo(Socket& socket) {
    std::array<std::byte, 1024> buffer;
    while (const IoResult in = socket.recv(buffer, 30s)) {
      if (in.count == 0 || !socket.send(std::span{buffer}.first(in.count), 30s)) return;
      ++messages_;  // no lock: threads of a loop never run at the same time
    }
  }

  evcoro::stacks::StackPool connections_{{.capacity = 100}};
  evcoro::stacks::StackPool service_{{.capacity = 1}};
  evcoro::Loop loop_;
  evcoro::TcpAcceptor acceptor_;
  std::size_t messages_ = 0;
};
// [/echo_service]

// [console]
// What has been there before: an event with a callback.
class Console {
 public:
  Console(event_base* base, EchoService& service)
      : service_(service),
        event_(event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, this), event_free) {
    if (event_ == nullptr || event_add(event_.get(), nullptr) != 0) {
      throw std::runtime_error("can't watch the standard input: it must be a terminal or a pipe");
    }
  }

 private:
  static void on_input(evutil_socket_t descriptor, short, void* self) noexcept {
    auto& console = *static_cast<Console*>(self);
    std::array<char, 256> text;
    const ssize_t count = ::read(descriptor, text.data(), text.size());
    if (count > 0) console.input_.append(text.data(), static_cast<std::size_t>(count));
    if (console.is_told_to_quit() || count <= 0) console.quit();
  }

  bool is_told_to_quit() {
    for (auto end = input_.find('\n'); end != std::string::npos; end = input_.find('\n')) {
      const std::string line = input_.substr(0, end);
      input_.erase(0, end + 1);
      if (line == "status") service_.print_status();
      if (line == "quit") return true;
    }
    return false;
  }

  void quit() {
    event_del(event_.get());
    service_.end();
  }

  EchoService& service_;
  std::unique_ptr<event, decltype(&event_free)> event_;
  std::string input_;
};
// [/console]

}  // namespace

// [main]
int main(int argc, char** argv) try {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const char* const text = argc > 1 ? argv[1] : "127.0.0.1:9999";
  const Result<Address> address = Address::parse(text);
  if (!address) throw std::invalid_argument(std::string("no IP address: ") + text);

  const std::unique_ptr<event_base, decltype(&event_base_free)> base{event_base_new(),
                                                                     event_base_free};
  if (base == nullptr) throw std::runtime_error("no event_base");
  EchoService service{base.get(), *address};
  const Console console{base.get(), service};
  std::printf("listening on %s\n", service.address().to_string().c_str());
  event_base_dispatch(base.get());  // as ever: it runs the threads, too
  std::puts("nothing is left to do");
} catch (const std::exception& error) {
  std::fprintf(stderr, "12_inside_libevent: %s\n", error.what());
  return 1;
}
// [/main]
