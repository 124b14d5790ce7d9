// Addresses of UNIX sockets, as they are and as the kernel has them.
#include <sys/un.h>

#include <memory>
#include <string>

#include <support/network.hpp>
#include <support/process.hpp>

#include <support/catch.hpp>

using namespace evcoro;
using namespace std::string_literals;
using support::RawSocket;

namespace {

Address path(std::string_view text) { return Address::unix_path(text).value(); }
Address abstract(std::string_view name) { return Address::unix_abstract(name).value(); }

// What the kernel says that a socket is bound to, once it is bound to address.
Address bound_to(const sockaddr* address, socklen_t size) {
  const RawSocket socket = RawSocket::open(AF_UNIX);
  if (::bind(socket.get(), address, size) != 0) support::throw_errno("bind");
  sockaddr_storage storage{};
  socklen_t stored = sizeof storage;
  auto* const name = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(socket.get(), name, &stored) != 0) support::throw_errno("getsockname");
  return {name, stored};
}

Address bound_to(const Address& address) { return bound_to(address.data(), address.size()); }

// A directory for sockets, which takes them with it.
class Directory {
 public:
  Directory() {
    if (::mkdtemp(name_.data()) == nullptr) support::throw_errno("mkdtemp");
  }
  ~Directory() {
    if (!file_.empty()) ::unlink(file_.c_str());
    ::rmdir(name_.c_str());
  }
  // A path in it of this many characters.
  const std::string& path_of(std::size_t size) {
    file_ = name_ + "/";
    file_.resize(size, 'x');
    return file_;
  }

 private:
  std::string name_ = "/tmp/evcoro-XXXXXX";
  std::string file_;
};

}  // namespace

TEST_CASE("a UNIX socket's address is a path or an abstract name") {
  REQUIRE(path("/run/x.sock").family() == AF_UNIX);
  REQUIRE(path("/run/x.sock").path() == "/run/x.sock");
  REQUIRE(path("/run/x.sock").abstract_name().empty());
  REQUIRE(path("/run/x.sock").port() == 0);
  REQUIRE(path("/run/x.sock").size() == 2 + 11 + 1);
  REQUIRE(abstract("name").abstract_name() == "name");
  REQUIRE(abstract("name").path().empty());
  REQUIRE(abstract("name").size() == 2 + 1 + 4);
  REQUIRE(abstract("a\0b"s).abstract_name() == "a\0b"s);
  REQUIRE(Address::unix_any().size() == 2);
  REQUIRE(Address::unix_any().path().empty());
  REQUIRE(Address::any(AF_INET, 1).path().empty());
}

TEST_CASE("UNIX addresses are equal when kind and name are") {
  REQUIRE(path("x") == path("x"));
  REQUIRE(path("x") != path("xx"));
  REQUIRE(path("x") != abstract("x"));
  REQUIRE(abstract("x") != abstract("x\0"s));
  REQUIRE(abstract("") != Address::unix_any());
  REQUIRE(path("x") != Address::any(AF_INET, 0));
}

TEST_CASE("a UNIX path that doesn't fit is an error, and never cut") {
  REQUIRE(path(std::string(Address::max_path, 'x')).path() == std::string(107, 'x'));
  REQUIRE(abstract(std::string(107, 'x')).abstract_name() == std::string(107, 'x'));
  for (const std::size_t size : {108u, 109u, 200u, 256u, 300u, 70000u}) {
    const std::string name(size, 'x');
    REQUIRE(Address::unix_path(name).error() == std::errc::filename_too_long);
    REQUIRE(Address::unix_abstract(name).error() == std::errc::filename_too_long);
    REQUIRE(Address::parse("unix:" + name).error() == std::errc::filename_too_long);
    REQUIRE(Address::parse("unix:@" + name).error() == std::errc::filename_too_long);
  }
  REQUIRE(Address::unix_path("").error() == std::errc::invalid_argument);
  REQUIRE(Address::unix_path("a\0b"s).error() == std::errc::invalid_argument);
}

TEST_CASE("what to_string prints of a UNIX address parse reads as the same") {
  for (const Address& each :
       {path("/run/x.sock"), path("relative"), path("1.2.3.4:80"), path("with space\n"),
        abstract("name"), abstract(""), abstract("a\0b"s), abstract("@/x")}) {
    CAPTURE(each.to_string());
    REQUIRE(Address::parse(each.to_string()).value() == each);
  }
  REQUIRE(path("/run/x.sock").to_string() == "unix:/run/x.sock");
  REQUIRE(abstract("name").to_string() == "unix:@name");
  REQUIRE(path("@name").to_string() == "unix:./@name");  // the same file
  REQUIRE(Address::unix_any().to_string() == "unix:");
  REQUIRE(Address::parse("unix:").error() == Errc::no_address);
  REQUIRE(Address::parse("unix:a\0b"s).error() == std::errc::invalid_argument);
  REQUIRE(Address::parse("unix").error() == Errc::no_address);
}

TEST_CASE("the kernel gives back the UNIX addresses that it is given") {
  Directory directory;
  REQUIRE(bound_to(path(directory.path_of(30))) == path(directory.path_of(30)));
  const std::string unique = "evcoro-test-" + std::to_string(::getpid());
  REQUIRE(bound_to(abstract(unique)) == abstract(unique));
  REQUIRE(bound_to(abstract(unique + "\0x"s)).abstract_name() == unique + "\0x"s);
  REQUIRE(bound_to(Address::unix_any()).abstract_name().size() == 5);  // it chooses one
}

TEST_CASE("a UNIX path as long as the kernel lets it be is read whole") {
  Directory directory;
  REQUIRE(bound_to(path(directory.path_of(107))).path() == directory.path_of(107));
  ::unlink(directory.path_of(107).c_str());
  // One more leaves no room for a NUL; of that the kernel says a size beyond the struct.
  sockaddr_storage storage{};  // Valgrind looks for a NUL
  auto& full = reinterpret_cast<sockaddr_un&>(storage);
  full.sun_family = AF_UNIX;
  directory.path_of(108).copy(full.sun_path, sizeof full.sun_path);
  const Address address = bound_to(reinterpret_cast<const sockaddr*>(&full), sizeof full);
  REQUIRE(address.path() == directory.path_of(108));
  REQUIRE(address.size() == sizeof full);
}

TEST_CASE("what lies behind a UNIX path makes no difference") {
  const auto local = std::make_unique<sockaddr_un>();
  std::memset(local.get(), 'x', sizeof *local);
  local->sun_family = AF_UNIX;
  std::strcpy(local->sun_path, "/tmp/socket");
  const auto* const address = reinterpret_cast<const sockaddr*>(local.get());
  REQUIRE(Address(address, sizeof *local) == path("/tmp/socket"));
  REQUIRE(Address(address, sizeof *local).size() == 2 + 12);
  REQUIRE(Address(address, 2 + 4) == path("/tmp"));  // without a NUL
  REQUIRE(Address(address, 2) == Address::unix_any());
  REQUIRE(Address(address, 1).family() == AF_UNSPEC);
}
