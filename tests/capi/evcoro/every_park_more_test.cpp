// More blocking calls of the C face, cancelled at each of their suspensions; see
// every_park_fixture.hpp.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

#include <evcoro/child.h>
#include <evcoro/file.h>
#include <evcoro/io/stream.h>
#include <evcoro/net/datagram.h>
#include <evcoro/net/socket.h>
#include <evcoro/signals.h>
#include <event2/event.h>
#include <capi/evcoro/every_park_fixture.hpp>
#include <evcoro/offload.hpp>
#include <support/pipe.hpp>

using support::after;
using support::CFixture;
using support::moment;

namespace {

// These let no other thread run.
void fill_queue(int descriptor, const std::string& data) {
  while (::send(descriptor, data.data(), data.size(), MSG_DONTWAIT) > 0) {
  }
}
void empty_queue(int descriptor) {
  std::array<char, 65536> buffer;
  while (::recv(descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
  }
}

EVDATAGRAM* bound_datagram(EVTHREAD* self) {
  EVDATAGRAM* const socket = EVDATAGRAM_open(self, AF_INET);
  const auto any_port = evcoro::Address::loopback(AF_INET, 0);
  CHECK(EVDATAGRAM_bind(socket, any_port.data(), any_port.size()) == 0);
  return socket;
}

// Two sockets for UNIX datagrams, connected with each other; their thread closes them.
struct DatagramPair {
  explicit DatagramPair(EVTHREAD* self) {
    int ends[2];
    CHECK(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
    one = EVDATAGRAM_init(self, ends[0]);
    other = EVDATAGRAM_init(self, ends[1]);
  }

  void fill() const { fill_queue(EVDATAGRAM_fd(one), "x"); }
  void empty() const { empty_queue(EVDATAGRAM_fd(other)); }

  EVDATAGRAM* one = nullptr;
  EVDATAGRAM* other = nullptr;
};

// Two sockets that are connected with each other; their thread closes them.
struct StreamPair {
  explicit StreamPair(EVTHREAD* self) {
    EVSOCKET* ends[2];
    CHECK(EVSOCKET_pair(self, ends) == 0);
    one = ends[0];
    other = ends[1];
  }

  void fill() const { fill_queue(EVSOCKET_fd(one), std::string(65536, 'x')); }
  void empty() const { empty_queue(EVSOCKET_fd(other)); }

  EVSOCKET* one = nullptr;
  EVSOCKET* other = nullptr;
};

}  // namespace

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: datagrams that are waited for") {
  CHECK(cancel_at_every_park([this](EVTHREAD* self) {
          EVDATAGRAM* const socket = bound_datagram(self);
          EVDATAGRAM* const sender = bound_datagram(self);
          SOCKADDR to;
          CHECK(EVDATAGRAM_local_address(socket, &to) == 0);
          trickle(
              [=]() mutable {
                CHECK(EVDATAGRAM_send_to(sender, "x", 1, 0, SOCKADDR_saddr(&to),
                                         SOCKADDR_length(&to), EVTIMEOUT_NOW) == 1);
              },
              3);
          char byte;
          int result = 1;
          for (int i = 0; i < 2 && result > 0; ++i) {
            result = EVDATAGRAM_recv_from(socket, &byte, 1, 0, nullptr, nullptr, EVTIMEOUT_NEVER);
          }
          if (result < 0) return result;
          EVDATAGRAM_BATCH* const batch = EVDATAGRAM_BATCH_init(2, 10);
          result = EVDATAGRAM_recv_batch(socket, batch, EVTIMEOUT_NEVER);
          return after(result, [&] { EVDATAGRAM_BATCH_free(batch); });
        }) >= 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: datagrams that need room") {
  CHECK(cancel_at_every_park([this](EVTHREAD* self) {
          const DatagramPair pair{self};
          pair.fill();
          trickle([&] { pair.empty(); });
          const int result = EVDATAGRAM_send_to(pair.one, "x", 1, 0, nullptr, 0, EVTIMEOUT_NEVER);
          CHECK((result == 1) == (result >= 0));
          if (result < 0) return result;
          pair.fill();
          EVDATAGRAM_BATCH* const batch = EVDATAGRAM_BATCH_init(2, 10);
          CHECK(EVDATAGRAM_BATCH_add(batch, "x", 1, nullptr) == 0);
          CHECK(EVDATAGRAM_BATCH_add(batch, "y", 1, nullptr) == 0);
          std::size_t sent = 0;
          const int all = EVDATAGRAM_send_batch(pair.one, batch, 0, EVTIMEOUT_NEVER, &sent);
          return after(all, [&] {
            CHECK((sent == 2) == (all >= 0));
            EVDATAGRAM_BATCH_free(batch);
          });
        }) >= 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: buffers and descriptors to receive") {
  const support::RawPipe passed;
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          const StreamPair pair{self};
          const int descriptor = passed.reader();
          trickle(
              [&pair, descriptor] {
                CHECK(EVSOCKET_send_descriptors(pair.other, "x", 1, &descriptor, 1,
                                                EVTIMEOUT_NOW) == 0);
              },
              3);
          char byte;
          const iovec buffer{&byte, 1};
          int result = EVSOCKET_peek(pair.one, &byte, 1, EVTIMEOUT_NEVER);
          for (int i = 0; i < 2 && result > 0; ++i) {
            result = EVSOCKET_recv_vector(pair.one, &buffer, 1, 0, EVTIMEOUT_NEVER);
          }
          if (result < 0) return result;
          int received = -1;
          std::size_t count = 1;
          result =
              EVSOCKET_recv_descriptors(pair.one, &byte, 1, &received, &count, EVTIMEOUT_NEVER);
          if (result < 0) return result;
          CHECK(count == 1);
          ::close(received);
          return result;
        }) >= 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: buffers, files and descriptors to send") {
  const std::string data = support::pattern(300'000);
  const support::OwnedNumber file{::memfd_create("data", MFD_CLOEXEC)};
  REQUIRE(::write(file.get(), data.data(), data.size()) == 300'000);
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          const StreamPair pair{self};
          trickle([&] { pair.empty(); });
          char* const begin = const_cast<char*>(data.data());
          const iovec parts[] = {{begin, 100'001}, {begin + 100'001, data.size() - 100'001}};
          std::size_t sent = 0;
          int result = EVSOCKET_send_vector(pair.one, parts, 2, 0, EVTIMEOUT_NEVER, &sent);
          CHECK((sent == data.size()) == (result >= 0));
          if (result < 0) return result;
          result = EVSOCKET_send_file(pair.one, file.get(), 0, data.size(), EVTIMEOUT_NEVER, &sent);
          CHECK((sent == data.size()) == (result >= 0));
          if (result < 0) return result;
          pair.fill();
          const int descriptor = file.get();
          return EVSOCKET_send_descriptors(pair.one, "x", 1, &descriptor, 1, EVTIMEOUT_NEVER);
        }) >= 3);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: a writer that needs room") {
  const std::string data = support::pattern(400'000);
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          const StreamPair pair{self};
          EVWRITER* const writer = EVWRITER_init(self, pair.one, 0);
          trickle([&] { pair.empty(); });
          std::size_t taken = 0;
          int result = EVWRITER_write(writer, data.data(), data.size(), &taken, EVTIMEOUT_NEVER);
          CHECK((taken == data.size()) == (result >= 0));
          if (result < 0) return result;
          CHECK(EVWRITER_write(writer, "rest", 4, nullptr, EVTIMEOUT_NOW) == 0);
          pair.fill();
          result = EVWRITER_flush(writer, EVTIMEOUT_NEVER);
          CHECK(EVWRITER_buffered(writer) == (result < 0 ? 4 : 0));
          return result;
        }) >= 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: an open file") {
  const std::string path = "/tmp/evcoro-park-" + std::to_string(::getpid());
  const auto is_busy = [] {
    const auto counters = evcoro::WorkerPool::shared().counters();
    return counters.running + counters.waiting > 0;
  };
  CHECK(cancel_at_every_park(
            [&](EVTHREAD* self) {
              char buffer[3];
              EVFILE* const file =
                  EVFILE_open(self, path.c_str(), O_RDWR | O_CREAT, 0600, EVTIMEOUT_NEVER);
              if (file == nullptr) return -1;
              if (EVFILE_write(file, "abc", 3, EVTIMEOUT_NEVER) < 0) return -1;
              if (EVFILE_pwrite(file, "def", 3, 3, EVTIMEOUT_NEVER) < 0) return -1;
              if (EVFILE_read(file, buffer, 3, EVTIMEOUT_NEVER) < 0) return -1;
              if (EVFILE_pread(file, buffer, 3, 0, EVTIMEOUT_NEVER) < 0) return -1;
              if (EVFILE_size(file, EVTIMEOUT_NEVER) < 0) return -1;
              if (EVFILE_truncate(file, 2, EVTIMEOUT_NEVER) != 0) return -1;
              if (EVFILE_sync(file, EVTIMEOUT_NEVER) != 0) return -1;
              return EVFILE_close(file, EVTIMEOUT_NEVER);
            },
            [&] {
              while (is_busy()) EVTHREAD_yield();
            }) == 9);
  ::unlink(path.c_str());
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: children") {
  support::skip_without_pidfd();
  const char* const arguments[] = {"sleep", "60", nullptr};
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          EVCOMMAND command{};
          command.arguments = arguments;
          command.flags = EVCHILD_KILL;
          EVCHILD* const child = EVCHILD_start(self, &command);
          trickle([=] { CHECK(EVCHILD_kill(child, SIGKILL) == 0); }, 1);
          EVCHILD_STATUS status;
          const int result = EVCHILD_wait(child, &status, EVTIMEOUT_NEVER);
          if (result == 0) CHECK(status.signal == SIGKILL);
          return result;
        }) >= 1);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          const pid_t child = ::fork();
          if (child == 0) {
            ::pause();
            ::_exit(0);
          }
          trickle([=] { CHECK(::kill(child, SIGKILL) == 0); }, 1);
          EVCHILD_STATUS status;
          const int result = EVCHILD_wait_pid(child, &status, EVTIMEOUT_NEVER);
          if (result == 0) CHECK(status.signal == SIGKILL);
          if (result == 0) return 0;
          return after(result, [=] {  // it is as it was
            ::kill(child, SIGKILL);
            CHECK(::waitpid(child, nullptr, 0) == child);
          });
        }) >= 1);
  const char* const script[] = {"sh", "-c", "echo out; sleep 0.01", nullptr};
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          EVCOMMAND command{};
          command.arguments = script;
          command.out.kind = EVREDIRECT_SOCKET;
          EVCOMMAND_RESULT results;
          const int result = EVCOMMAND_run(&command, nullptr, 0, 1000, &results, EVTIMEOUT_NEVER);
          return after(result, [&] { EVCOMMAND_RESULT_clear(&results); });
        }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: signals") {
  const int number = SIGUSR1;
  REQUIRE(EVSIGNALS_block(&number, 1) == 0);
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          EVSIGNALS* const signals = EVSIGNALS_init(self, &number, 1);
          trickle([] { ::kill(::getpid(), SIGUSR1); });
          int result = SIGUSR1;
          for (int i = 0; i < 3 && result > 0; ++i) {
            result = EVSIGNALS_wait(signals, nullptr, EVTIMEOUT_NEVER);
          }
          return after(result, [&] { EVSIGNALS_free(signals); });
        }) >= 2);
}

// It can't be called off, only ended by its deadline. It cancels all other threads, so its own one
// is cancelled from outside.
TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: shutdown in a thread") {
  struct Ending {
    EVTHREAD* thread;
    std::uint64_t number;  // of the park at which it is cancelled
    bool was_cancelled;
    int left;
  };
  const auto linger = [](EVTHREAD* self, EVSOCKET*, void* times) {
    EVTHREAD_park(EVTIMEOUT_NEVER);
    EVTHREAD_acknowledge_cancellation();
    for (int i = *static_cast<const int*>(times); i > 0; --i) EVTHREAD_delay(self, moment);
  };
  const auto end = [](EVTHREAD* self, EVSOCKET*, void* context) {
    Ending& ending = *static_cast<Ending*>(context);
    ending.left = EVLOOP_shutdown(EVTHREAD_loop(self), EVTIMEOUT_NEVER);
  };
  const auto cancel = [](const EVTHREAD_INFO* info, void* context) {
    Ending& ending = *static_cast<Ending*>(context);
    const bool is_it = info->name == std::string{"ending"} && info->state == std::string{"parked"};
    if (!is_it || info->parks < ending.number || ending.was_cancelled) return;
    ending.was_cancelled = true;
    CHECK(EVTHREAD_cancel(ending.thread, EVCANCEL_USER) == 0);
  };
  const std::array<int, 3> times{1, 2, 3};
  Ending ending{nullptr, 0, true, -1};
  while (ending.was_cancelled) {
    ending = {nullptr, ending.number + 1, false, -1};
    for (const int& each : times) {
      EVTHREAD* const thread = EVTHREAD_init(loop, linger, const_cast<int*>(&each));
      REQUIRE(EVTHREAD_start(thread, nullptr) == 0);
    }
    EVTHREAD_OPTIONS options{};
    options.name = "ending";
    ending.thread = EVTHREAD_init_ex(loop, end, &ending, &options);
    REQUIRE(EVTHREAD_start(ending.thread, nullptr) == 0);
    while (EVLOOP_threads(loop, cancel, &ending) > 0) {
      event_base_loop(EVLOOP_base(loop), EVLOOP_ONCE);
    }
    CHECK(ending.left == 0);
  }
  CHECK(ending.number >= 2);
}
