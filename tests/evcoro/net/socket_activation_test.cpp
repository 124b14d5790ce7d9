// Descriptors that a service manager passes. Each case is a process of its own that has them.
#include <evcoro/net/socket_activation.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <support/acceptor.hpp>
#include <support/failing_new.hpp>

using namespace evcoro;
using support::RawSocket;

namespace {

void set(const char* variable, const std::string& value) { ::setenv(variable, value.c_str(), 1); }

// Runs body in a child that has been passed listeners at 3 and 4.
template <class Body>
int in_activated_child(Body&& body) {
  return support::in_child([&] {
           for (int number : {3, 4}) {
             support::Listener listener;
             if (listener.get() == number) {
               listener.release();
             } else {
               ::dup3(listener.get(), number, 0);
             }
           }
           set("LISTEN_PID", std::to_string(::getpid()));
           set("LISTEN_FDS", "2");
           set("LISTEN_FDNAMES", "http:admin");
           if (!body()) ::_exit(1);
         })
      .status;
}

bool is_environment_clean() {
  return ::getenv("LISTEN_PID") == nullptr && ::getenv("LISTEN_FDS") == nullptr &&
         ::getenv("LISTEN_FDNAMES") == nullptr;
}

bool closes_on_exec(int descriptor) { return (::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0; }

}  // namespace

TEST_CASE("what a service manager passes has names, and is taken once") {
  REQUIRE(in_activated_child([] {
            ::fcntl(4, F_SETFD, 0);
            auto sockets = take_activated_sockets();
            if (!sockets || sockets->size() != 2) return false;
            const ActivatedSocket& http = (*sockets)[0];
            const ActivatedSocket& admin = (*sockets)[1];
            const bool right = http.name == "http" && http.native_handle() == 3 &&
                               admin.name == "admin" && admin.native_handle() == 4;
            const auto again = take_activated_sockets();
            return right && closes_on_exec(3) && closes_on_exec(4) && is_environment_clean() &&
                   again.has_value() && again->empty();
          }) == 0);
}

TEST_CASE("what isn't released is closed") {
  REQUIRE(in_activated_child([] {
            {
              auto sockets = take_activated_sockets();
              if (sockets->front().release() != 3) return false;
            }
            return ::fcntl(3, F_GETFD) >= 0 && ::fcntl(4, F_GETFD) < 0;
          }) == 0);
}

TEST_CASE("what is passed without names is unknown") {
  REQUIRE(in_activated_child([] {
            ::unsetenv("LISTEN_FDNAMES");
            const auto sockets = take_activated_sockets();
            return sockets->size() == 2 && sockets->front().name == "unknown" &&
                   sockets->back().name == "unknown";
          }) == 0);
}

TEST_CASE("an empty name is one") {
  REQUIRE(in_activated_child([] {
            set("LISTEN_FDNAMES", ":x");
            const auto sockets = take_activated_sockets();
            return sockets->size() == 2 && sockets->front().name.empty() &&
                   sockets->back().name == "x";
          }) == 0);
}

TEST_CASE("what is meant for another process is not taken") {
  REQUIRE(in_activated_child([] {
            set("LISTEN_PID", std::to_string(::getppid()));
            const auto sockets = take_activated_sockets();
            return sockets.has_value() && sockets->empty() && is_environment_clean() &&
                   ::fcntl(3, F_GETFD) >= 0;
          }) == 0);
}

TEST_CASE("variables that make no sense are an error, and nothing is taken") {
  const auto is_refused = [](const char* variable, const char* value, std::errc error) {
    return in_activated_child([=] {
             set(variable, value);
             const auto sockets = take_activated_sockets();
             return !sockets && sockets.error() == error && is_environment_clean() &&
                    ::fcntl(3, F_GETFD) >= 0;
           }) == 0;
  };
  REQUIRE(is_refused("LISTEN_FDS", "two", std::errc::invalid_argument));
  REQUIRE(is_refused("LISTEN_FDS", "-1", std::errc::invalid_argument));
  REQUIRE(is_refused("LISTEN_FDS", "2147483647", std::errc::invalid_argument));
  REQUIRE(is_refused("LISTEN_FDS", "99999", std::errc::bad_file_descriptor));
  REQUIRE(is_refused("LISTEN_PID", "1x", std::errc::invalid_argument));
  REQUIRE(is_refused("LISTEN_PID", "0", std::errc::invalid_argument));
  REQUIRE(is_refused("LISTEN_FDNAMES", "one", std::errc::invalid_argument));
}

TEST_CASE("without memory nothing is taken, and the variables are removed") {
  support::skip_without_failing_new();
  constexpr int failed = 2;
  int number = 0;
  int status = failed;
  while (status == failed) {
    support::FailingNew failing{++number};
    status = in_activated_child([&] {
      const auto sockets = failing.run(take_activated_sockets).value();
      if (!is_environment_clean()) return false;
      if (!failing.has_failed()) return sockets.has_value() && sockets->size() == 2;
      if (sockets.error() == std::errc::not_enough_memory) ::_exit(failed);
      return false;
    });
  }
  REQUIRE(status == 0);
  REQUIRE(number > 2);
}

TEST_CASE("without a service manager there is nothing") {
  REQUIRE(in_activated_child([] {
            ::unsetenv("LISTEN_PID");
            const auto sockets = take_activated_sockets();
            return sockets.has_value() && sockets->empty();
          }) == 0);
}

TEST_CASE("an acceptor serves on a descriptor that was passed") {
  REQUIRE(in_activated_child([] {
            auto sockets = take_activated_sockets();
            bool served = false;
            stacks::StackPool pool{{.capacity = 4, .stack_size = support::test_stack_size}};
            Loop loop{pool};
            loop.spawn([&] {
                  TcpAcceptor acceptor{loop, sockets->front().release(), support::echo};
                  served = support::is_served(RawSocket::connected_to(acceptor.local_address()));
                })
                .value()
                .detach();
            loop.run();
            return served;
          }) == 0);
}
