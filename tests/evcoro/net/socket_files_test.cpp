// Files that are sent, and descriptors that are passed.
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <evcoro/scope.hpp>
#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::receive;
using support::receive_all;

namespace {

bool is_canceled(std::error_code error) { return error == std::errc::operation_canceled; }

// A file that has no name, with this text.
class File {
 public:
  explicit File(const std::string& text) : file_(std::tmpfile()) {
    if (file_ == nullptr) support::throw_errno("tmpfile");
    std::fwrite(text.data(), 1, text.size(), file_);
    std::fflush(file_);
  }
  ~File() { std::fclose(file_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return ::fileno(file_); }

 private:
  std::FILE* file_;
};

std::span<std::byte> bytes(std::string& text) { return std::as_writable_bytes(std::span{text}); }

bool closes_on_exec(int descriptor) { return (::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0; }

// Whether what is written to the one descriptor comes out at the other.
bool are_connected(int writer, int reader) {
  char byte = 0;
  return ::write(writer, "x", 1) == 1 && ::read(reader, &byte, 1) == 1 && byte == 'x';
}

struct RawPipe {
  RawPipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) support::throw_errno("pipe2");
  }
  ~RawPipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  int ends[2];
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a file is sent, as much of it as one likes") {
  const std::string text = support::pattern(3'000'000);
  const File file{text};
  in_thread([&] {
    auto tcp = support::connected_sockets(*loop, {.send = 16384});
    SocketPair local = evcoro::socketpair().value();
    Pipe ends = pipe().value();
    for (auto [writer, reader] : {std::pair{&tcp.one, &tcp.other},
                                  {&local.one, &local.other},
                                  {&ends.writer, &ends.reader}}) {
      Thread sender = loop->spawn([&, writer = writer] {
                            return writer->send_file(file.get(), 0, text.size(), long_time).count;
                          })
                          .value();
      REQUIRE(receive_all(*reader, text.size()).text == text);
      REQUIRE(sender.join().value() == text.size());
      REQUIRE(writer->send_file(file.get(), 1000, 10, long_time).count == 10);
      REQUIRE(receive(*reader).text == text.substr(1000, 10));
      REQUIRE(writer->send_file(file.get(), 0, 0, long_time).count == 0);
    }
    const off_t position = ::lseek(file.get(), 0, SEEK_CUR);
    REQUIRE(position == static_cast<off_t>(text.size()));  // where writing has left it
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a file that is too short is an error, with the count") {
  const File file{"0123456789"};
  in_thread([&] {
    SocketPair pair = evcoro::socketpair().value();
    const IoResult out = pair.one.send_file(file.get(), 4, 100, long_time);
    REQUIRE(out.count == 6);
    REQUIRE(out.error == Errc::file_too_short);
    REQUIRE(out.error == std::errc::no_message_available);
    REQUIRE(receive(pair.other).text == "456789");
    REQUIRE(pair.one.send_file(file.get(), 100, 1).error == Errc::file_too_short);
    REQUIRE(pair.one.send_file(-1, 0, 1).error == std::errc::bad_file_descriptor);
    REQUIRE(Socket{}.send_file(file.get(), 0, 1).error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a file to whom has gone is an error, and no SIGPIPE") {
  REQUIRE(::signal(SIGPIPE, [](int) { std::abort(); }) != SIG_ERR);
  const File file{"0123456789"};
  in_thread([&] {
    SocketPair pair = evcoro::socketpair().value();
    pair.other.close();
    const IoResult out = pair.one.send_file(file.get(), 0, 10, long_time);
    REQUIRE(out.error == std::errc::broken_pipe);
  });
  ::signal(SIGPIPE, SIG_DFL);
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: a file that is sent") {
  const std::string text = support::pattern(600'000);
  const File file{text};
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      SocketPair pair = evcoro::socketpair().value();
      std::string all;
      Thread reader = loop->spawn([&] {
                            while (true) {
                              const auto in = receive(pair.other, 100'000);
                              if (in.text.empty()) return;
                              all += in.text;
                            }
                          })
                          .value();
      const IoResult out = pair.one.send_file(file.get(), 0, text.size());
      CHECK(is_canceled(out.error) == cancelled);
      this_thread::acknowledge_cancellation();
      pair.one.close();
      if (is_canceled(reader.join(long_time).error())) {
        this_thread::acknowledge_cancellation();
        CHECK(reader.join());
      }
      CHECK(all == text.substr(0, out.count));
    });
    CHECK(parks >= 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "descriptors are passed, with data") {
  in_thread([&] {
    SocketPair pair = evcoro::socketpair().value();
    std::string buffer(100, ' ');
    std::array<int, 4> received{};
    Thread reader =
        loop->spawn([&] { return pair.other.recv_descriptors(bytes(buffer), received, long_time); })
            .value();
    REQUIRE(support::until_parked(reader));
    const RawPipe passed;
    const IoResult out = pair.one.send_descriptors(as_bytes("two"), passed.ends, long_time);
    REQUIRE(out.count == 3);
    const auto in = reader.join().value();
    REQUIRE(in);
    REQUIRE(in.count == 3);
    REQUIRE(in.descriptor_count == 2);
    REQUIRE(closes_on_exec(received[0]));
    REQUIRE(closes_on_exec(received[1]));
    REQUIRE(are_connected(passed.ends[1], received[0]));
    REQUIRE(are_connected(received[1], passed.ends[0]));
    ::close(received[0]);
    ::close(received[1]);
    REQUIRE(pair.one.send("plain"));
    const auto plain = pair.other.recv_descriptors(bytes(buffer), received, long_time);
    REQUIRE(plain.count == 5);
    REQUIRE(plain.descriptor_count == 0);
    REQUIRE(pair.one.send_descriptors(as_bytes("none"), {}, long_time));
    REQUIRE(receive(pair.other).text == "none");
    pair.one.close();
    const auto end = pair.other.recv_descriptors(bytes(buffer), received, long_time);
    REQUIRE(end);
    REQUIRE(end.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "descriptors that there is no room for are closed, and that is said") {
  in_thread([&] {
    SocketPair pair = evcoro::socketpair().value();
    const RawPipe passed;
    std::string buffer(100, ' ');
    const std::size_t before = support::open_descriptors();
    const std::vector<int> many(253, passed.ends[0]);
    std::vector<int> room(many.size());
    for (const std::size_t sent : {2u, 3u, 5u, 253u}) {
      for (const std::size_t kept : {std::size_t{0}, std::size_t{1}, sent - 1}) {
        REQUIRE(pair.one.send_descriptors(as_bytes("abc"), std::span{many}.first(sent)));
        const auto in =
            pair.other.recv_descriptors(bytes(buffer), std::span{room}.first(kept), long_time);
        REQUIRE(in.error == Errc::descriptors_lost);
        REQUIRE(in.error == std::errc::message_size);
        REQUIRE(in.count == 3);
        REQUIRE(in.descriptor_count == 0);
        REQUIRE(support::open_descriptors() == before);
      }
    }
    REQUIRE(pair.one.send_descriptors(as_bytes("abc"), many));
    const auto all = pair.other.recv_descriptors(bytes(buffer), room, long_time);
    REQUIRE(all.descriptor_count == many.size());
    for (const int each : room) ::close(each);
    REQUIRE(pair.one.send_descriptors(as_bytes("abc"), many));
    REQUIRE(receive(pair.other).text == "abc");  // recv() drops them
    REQUIRE(support::open_descriptors() == before);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "descriptors that the process has no numbers for are an error") {
  if (support::running_on_valgrind()) support::skip("Valgrind keeps RLIMIT_NOFILE to itself");
  in_thread([&] {
    SocketPair pair = evcoro::socketpair().value();
    const RawPipe passed;
    std::string buffer(100, ' ');
    std::array<int, 2> room{};
    REQUIRE(pair.one.send_descriptors(as_bytes("abc"), passed.ends));
    const std::size_t before = support::open_descriptors();
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const int next = ::dup(0);  // the lowest number that is free
    const rlimit lower{static_cast<rlim_t>(next) + 1, limit.rlim_max};
    ::close(next);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lower) == 0);
    const auto in = pair.other.recv_descriptors(bytes(buffer), room, long_time);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    REQUIRE(in.error == Errc::descriptors_lost);
    REQUIRE(support::open_descriptors() == before);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "descriptors: what can't be is an error") {
  in_thread([&] {
    auto tcp = support::connected_sockets(*loop);
    SocketPair pair = evcoro::socketpair().value();
    const RawPipe passed;
    std::string buffer(1, ' ');
    std::array<int, 1> room{};
    const std::vector<int> many(254, passed.ends[0]);
    const auto send = [&](Socket& socket, std::string_view data, std::span<const int> each) {
      return socket.send_descriptors(as_bytes(data), each, no_wait).error;
    };
    REQUIRE(send(tcp.one, "x", passed.ends) == std::errc::operation_not_supported);
    REQUIRE(send(pair.one, "", passed.ends) == std::errc::invalid_argument);
    REQUIRE(send(pair.one, "x", many) == std::errc::invalid_argument);
    REQUIRE(send(pair.one, "x", std::span{many}.first(1)) == std::error_code{});
    REQUIRE(pair.other.recv_descriptors({}, room).error == std::errc::invalid_argument);
    const std::array<int, 1> closed{-1};
    REQUIRE(send(pair.one, "x", closed) == std::errc::bad_file_descriptor);
    Socket none;
    REQUIRE(send(none, "x", passed.ends) == std::errc::bad_file_descriptor);
    REQUIRE(none.recv_descriptors(bytes(buffer), room).error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: descriptors that are waited for") {
  in_thread([&] {
    const RawPipe passed;
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      SocketPair pair = evcoro::socketpair().value();
      std::string buffer(10, ' ');
      std::array<int, 1> room{};
      Thread sender = loop->spawn([&] {
                            (void)this_thread::sleep_for(100us);
                            (void)pair.one.send_descriptors(as_bytes("x"), {passed.ends, 1});
                          })
                          .value();
      auto in = pair.other.recv_descriptors(bytes(buffer), room);
      CHECK(is_canceled(in.error) == cancelled);
      this_thread::acknowledge_cancellation();
      if (cancelled) in = pair.other.recv_descriptors(bytes(buffer), room, long_time);
      CHECK(in.descriptor_count == 1);
      if (in.descriptor_count == 1) ::close(room[0]);
    });
    CHECK(parks >= 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a socket may be moved while descriptors are sent on it") {
  in_thread([&] {
    SocketPair pair = evcoro::socketpair().value();
    const RawPipe passed;
    const std::string data = support::pattern(1 << 20);
    auto sender = std::make_unique<Socket>(std::move(pair.one));
    Thread sending = loop->spawn([&] {
                           return sender->send_descriptors(as_bytes(data), passed.ends, long_time);
                         })
                         .value();
    REQUIRE(support::until_parked(sending));
    const Socket moved = std::move(*sender);
    sender.reset();
    std::array<int, 2> received{};
    std::string buffer(data.size(), ' ');
    const auto first = pair.other.recv_descriptors(bytes(buffer), received, long_time);
    REQUIRE(first.descriptor_count == 2);
    for (const int each : received) ::close(each);
    std::string rest(data.size() - first.count, ' ');
    REQUIRE(pair.other.recv_all(bytes(rest), long_time).count == rest.size());
    REQUIRE(buffer.substr(0, first.count) + rest == data);
    REQUIRE(sending.join().value().count == data.size());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: descriptors that need room") {
  in_thread([&] {
    const RawPipe passed;
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      SocketPair pair = evcoro::socketpair().value();
      const std::string block(65536, 'x');
      while (pair.one.send(block, no_wait)) {
      }
      std::size_t arrived = 0;
      Thread reader = loop->spawn([&] {
                            std::string buffer(100'000, ' ');
                            std::array<int, 1> room{};
                            while (true) {
                              const auto in = pair.other.recv_descriptors(bytes(buffer), room);
                              if (in.count == 0) return;
                              arrived += in.descriptor_count;
                              if (in.descriptor_count == 1) ::close(room[0]);
                            }
                          })
                          .value();
      const IoResult out = pair.one.send_descriptors(as_bytes("x"), {passed.ends, 1});
      CHECK(is_canceled(out.error) == cancelled);
      CHECK(out.count == (cancelled ? 0 : 1));
      const Scope cleaning_up{long_time, Scope::Shielded{}};
      pair.one.close();
      CHECK(reader.join());
      CHECK(arrived == out.count);
    });
    CHECK(parks >= 1);
  });
}
