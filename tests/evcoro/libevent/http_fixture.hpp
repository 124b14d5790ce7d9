// HttpFixture: an application with an evhttp, and clients of it.
#pragma once

#include <event2/http.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/libevent/evhttp.hpp>
#include <evcoro/libevent/fixture.hpp>

namespace support {

// HttpFixture is an application with an evhttp. Its client is a thread with a Socket.
class HttpFixture : public support::LibeventFixture {
 public:
  HttpFixture() {
    bound_ = evhttp_bind_socket_with_handle(http.get(), "127.0.0.1", 0);
    REQUIRE(bound_ != nullptr);
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* const name = reinterpret_cast<sockaddr*>(&storage);
    REQUIRE(::getsockname(evhttp_bound_socket_get_fd(bound_), name, &size) == 0);
    address = evcoro::Address{name, size};
    loop->set_exception_handler(
        [this](const evcoro::ThreadInfo&, const std::exception_ptr& exception) {
          try {
            std::rethrow_exception(exception);
          } catch (const std::exception& error) {
            reports.push_back(error.what());
          }
        });
  }
  ~HttpFixture() noexcept(false) { free_http(); }

  void free_http() { http.reset(); }

  evcoro::Socket get(const std::string& path, const char* headers = "") {
    auto socket = evcoro::connect(address, long_time).value();
    REQUIRE(socket.send("GET " + path + " HTTP/1.1\r\nHost: here\r\n" + headers + "\r\n"));
    return socket;
  }

  // answer() is what comes until the connection ends, or until text does.
  static std::string answer(evcoro::Socket& socket, std::string_view until = "\n\n\n") {
    std::string all;
    for (std::size_t seen = 0; all.find(until, seen) == std::string::npos;) {
      const auto some = receive(socket, 65536);
      if (some.text.empty()) break;
      seen = all.size() - std::min(all.size(), until.size());
      all += some.text;
    }
    return all;
  }

  // ask() is the answer to a request on a connection that then closes.
  std::string ask(const std::string& path) {
    evcoro::Socket socket = get(path, "Connection: close\r\n");
    return answer(socket);
  }

  // run() runs the client in a thread, and then takes away what keeps the base from ending.
  template <class F>
  void run(F&& client) {
    auto thread = loop->spawn({.name = "client"},
                              [&] {
                                client();
                                event_base_loopbreak(base.get());
                              })
                      .value();
    dispatch();
    thread.join().value();
  }

  struct FreeHttp {
    void operator()(evhttp* each) const noexcept { evhttp_free(each); }
  };
  std::unique_ptr<evhttp, FreeHttp> http{evhttp_new(base.get())};
  evcoro::Address address;
  std::vector<std::string> reports;  // of exceptions

 private:
  evhttp_bound_socket* bound_;
};

// Gate holds handlers up until the test has seen what it wants to.
struct Gate {
  void pass() const {
    while (!is_open) REQUIRE(!evcoro::this_thread::sleep_for(std::chrono::milliseconds{1}));
  }
  bool is_open = false;
};

}  // namespace support
