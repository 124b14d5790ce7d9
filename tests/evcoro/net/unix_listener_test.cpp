// Listeners on UNIX sockets: paths, abstract names, and the files that are left or not.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include <support/acceptor.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::Outcome;
using support::RawSocket;

namespace {

class UnixFixture : public support::LoopFixture {
 public:
  UnixFixture() {
    char name[] = "/tmp/evcoro-listener-XXXXXX";
    if (::mkdtemp(name) == nullptr) support::throw_errno("mkdtemp");
    directory = name;
    path = directory + "/socket";
    address = Address::unix_path(path).value();
  }
  ~UnixFixture() noexcept(false) {
    ::unlink(path.c_str());
    ::rmdir(directory.c_str());
  }

  bool exists() const {
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0;
  }

  // A file as a server leaves it that was killed.
  void leave_stale_file() const {
    const RawSocket dead = RawSocket::open(AF_UNIX);
    if (::bind(dead.get(), address.data(), address.size()) != 0) support::throw_errno("bind");
  }

  int error_of_listening() {
    try {
      TcpAcceptor{*loop, address, support::echo}.close();
    } catch (const std::system_error& error) {
      return error.code().value();
    }
    return 0;
  }

  std::string directory;
  std::string path;
  Address address;
};

}  // namespace

TEST_CASE_METHOD(UnixFixture, "an acceptor at a path serves, and removes its file in the end") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, address, support::echo};
    REQUIRE(acceptor.local_address() == address);
    REQUIRE(exists());
    REQUIRE(support::is_served(RawSocket::connected_to(address)));
    acceptor.close();
    REQUIRE(!exists());
  });
}

TEST_CASE_METHOD(UnixFixture, "an acceptor that is drained removes its file at once") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, address, support::echo};
    RawSocket client = RawSocket::connected_to(address);
    REQUIRE(support::is_served(client));
    REQUIRE(acceptor.drain(10ms) == std::errc::timed_out);
    REQUIRE(!exists());
  });
}

TEST_CASE_METHOD(UnixFixture, "a stale socket file is replaced") {
  leave_stale_file();
  REQUIRE(exists());
  in_thread([&] {
    TcpAcceptor acceptor{*loop, address, support::echo};
    REQUIRE(support::is_served(RawSocket::connected_to(address)));
  });
  REQUIRE(!exists());
}

TEST_CASE_METHOD(UnixFixture, "the socket file of one that listens is left alone") {
  in_thread([&] {
    TcpAcceptor first{*loop, address, support::echo};
    REQUIRE(error_of_listening() == EADDRINUSE);
    REQUIRE(support::is_served(RawSocket::connected_to(address)));
  });
}

TEST_CASE_METHOD(UnixFixture, "a file that is no socket is left alone") {
  std::ofstream{path} << "precious";
  REQUIRE(error_of_listening() == EADDRINUSE);
  std::string content;
  std::ifstream{path} >> content;
  REQUIRE(content == "precious");
}

TEST_CASE_METHOD(UnixFixture, "a file that somebody else has put in its place stays") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, address, support::echo};
    REQUIRE(::rename(path.c_str(), (path + ".old").c_str()) == 0);
    TcpAcceptor successor{*loop, address, support::echo};
    acceptor.close();
    REQUIRE(support::is_served(RawSocket::connected_to(address)));
    ::unlink((path + ".old").c_str());
  });
}

TEST_CASE_METHOD(UnixFixture, "a child process leaves its parent's file") {
  in_thread([&] {
    std::optional<TcpAcceptor> acceptor{std::in_place, *loop, address, support::echo};
    REQUIRE(support::in_child([&] { acceptor->close(); }).status == 0);
    REQUIRE(exists());
    REQUIRE(support::in_child([&] { acceptor.reset(); }).status == 0);
    REQUIRE(exists());
    REQUIRE(support::is_served(RawSocket::connected_to(address)));
  });
}

TEST_CASE_METHOD(UnixFixture, "an acceptor with an abstract name serves, and leaves no file") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, Address::unix_any(), support::echo};  // the kernel names it
    const Address name = acceptor.local_address();
    REQUIRE(!name.abstract_name().empty());
    REQUIRE(support::is_served(RawSocket::connected_to(name)));
    acceptor.close();
    const RawSocket late = RawSocket::open(AF_UNIX);
    const int connected = ::connect(late.get(), name.data(), name.size());
    REQUIRE(connected != 0);
    TcpAcceptor again{*loop, name, support::echo};
    REQUIRE(support::is_served(RawSocket::connected_to(name)));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "connect reaches a UNIX listener") {
  in_thread([&] {
    const support::Listener listener{Address::unix_any(), 1};
    auto socket = connect(listener.address(), support::long_time);
    REQUIRE(socket);
    RawSocket peer = listener.accept();
    REQUIRE(support::ping_pong(*socket, peer));
    REQUIRE(connect(Address::unix_abstract("nobody").value()).error() ==
            std::errc::connection_refused);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "connect waits for room in a UNIX listener's backlog") {
  in_thread([&] {
    support::Listener listener{Address::unix_any(), 0};  // there is room for one
    const Address address = listener.address();
    const RawSocket first = RawSocket::connected_to(address);
    const auto start = [&] {
      auto thread = loop->spawn([&] { return Outcome{connect(address).error()}; }).value();
      REQUIRE(support::until_parked(thread));
      REQUIRE(thread.info().wait_reason.starts_with("connect fd "));
      return thread;
    };
    Thread second = start();
    const RawSocket peer = listener.accept();
    REQUIRE(!second.join().value().error);  // it waits to be accepted
    REQUIRE(connect(address, 5ms).error() == std::errc::timed_out);
    REQUIRE(connect(address, no_wait).error() == std::errc::timed_out);
    Thread cancelled = start();
    cancelled.request_stop();
    REQUIRE(cancelled.join().value().error == std::errc::operation_canceled);
    Thread refused = start();
    listener.close();
    REQUIRE(refused.join().value().error == std::errc::connection_refused);
  });
}
