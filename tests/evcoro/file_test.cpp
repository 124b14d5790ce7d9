#include <evcoro/file.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <evcoro/offload.hpp>
#include <support/every_park.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;

namespace {

class FileFixture : public support::LoopFixture {
 public:
  FileFixture() {
    std::string pattern = "/tmp/evcoro-file-XXXXXX";
    directory = ::mkdtemp(pattern.data());
    path = directory + "/file";
  }
  ~FileFixture() noexcept(false) {
    ::unlink(path.c_str());
    ::rmdir(directory.c_str());
  }

  std::string directory;
  std::string path;
};

std::span<std::byte> writable(std::string& text) { return std::as_writable_bytes(std::span{text}); }

// Lets the workers do all that has been left to them: a File that is held in one is closed then.
bool workers_rest() {
  return support::eventually([] {
    const auto counters = WorkerPool::shared().counters();
    return counters.running + counters.waiting == 0;
  });
}

}  // namespace

TEST_CASE_METHOD(FileFixture, "a file is written, read, measured, cut and closed") {
  in_thread([&] {
    File file = File::open(path, O_RDWR | O_CREAT, 0600, long_time).value();
    struct stat status;
    REQUIRE(::fstat(file.native_handle(), &status) == 0);
    REQUIRE((status.st_mode & 0777) == 0600);
    REQUIRE(file.write("hello, ").count == 7);
    REQUIRE(file.write("world", long_time).count == 5);
    REQUIRE(file.pwrite("W", 7).count == 1);
    REQUIRE(!file.sync(long_time));
    REQUIRE(file.size().value() == 12);
    std::string text(100, '.');
    const IoResult at_end = file.read(writable(text));
    REQUIRE(!at_end.error);
    REQUIRE(at_end.count == 0);
    const IoResult in = file.pread(writable(text), 2, long_time);
    REQUIRE(!in.error);
    REQUIRE(text.substr(0, in.count) == "llo, World");
    REQUIRE(file.pread({}, 0).count == 0);
    REQUIRE(!file.truncate(5));
    REQUIRE(file.size(long_time).value() == 5);
    const int descriptor = file.native_handle();
    REQUIRE(!file.close(long_time));
    REQUIRE(::fcntl(descriptor, F_GETFD) == -1);
    REQUIRE(file.native_handle() == -1);
    REQUIRE(file.read(writable(text)).error == std::errc::bad_file_descriptor);
    REQUIRE(file.close() == std::errc::bad_file_descriptor);
  });
}

TEST_CASE_METHOD(FileFixture, "what is longer than a piece is written and read whole") {
  const std::string much = support::pattern((5 << 20) / 2);
  in_thread([&] {
    File file = File::open(path, O_RDWR | O_CREAT).value();
    const IoResult out = file.write(much, long_time);
    REQUIRE(!out.error);
    REQUIRE(out.count == much.size());
    std::string text(3 << 20, '\0');
    const IoResult in = file.pread(writable(text), 1, long_time);
    REQUIRE(!in.error);
    text.resize(in.count);
    REQUIRE(text == much.substr(1));
    REQUIRE(file.pwrite(much, much.size()).count == much.size());
    REQUIRE(read_file(path, much.size() * 2, long_time).value() == much + much);
  });
}

TEST_CASE_METHOD(FileFixture, "read_file and write_file are one call each") {
  in_thread([&] {
    REQUIRE(!write_file(path, "a longer text", long_time));
    REQUIRE(!write_file(path, "some text", long_time));
    REQUIRE(read_file(path, 9, long_time).value() == "some text");
    REQUIRE(read_file(path, 8, long_time).error() == std::errc::message_size);
    REQUIRE(read_file("/dev/null", 0).value().empty());
    REQUIRE(read_file(path + "-not", 9).error() == std::errc::no_such_file_or_directory);
  });
}

TEST_CASE_METHOD(FileFixture, "what the system says is returned") {
  in_thread([&] {
    REQUIRE(File::open(path, O_RDONLY).error() == std::errc::no_such_file_or_directory);
    REQUIRE(write_file(directory, "x") == std::errc::is_a_directory);
    File file = File::open("/dev/full", O_WRONLY).value();
    const IoResult out = file.write("text");
    REQUIRE(out.error == std::errc::no_space_on_device);
    REQUIRE(out.count == 0);
    std::string text(10, '\0');
    REQUIRE(file.read(writable(text)).error == std::errc::bad_file_descriptor);
    REQUIRE(File::adopt(-1).error() == std::errc::bad_file_descriptor);
    REQUIRE(file.read(writable(text), no_wait).error == std::errc::timed_out);
  });
  REQUIRE(File::open(path, O_RDONLY).error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(FileFixture, "a read that is left touches no buffer, and keeps the file open") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  in_thread([&] {
    File file = File::adopt(ends[0]).value();  // a file that can be held up
    auto buffer = std::make_unique<std::string>(10, '.');
    do {  // perhaps it begins too late on a busy machine
      const auto error = file.read(writable(*buffer), 20ms).error;
      REQUIRE(error == std::errc::timed_out);
    } while (WorkerPool::shared().counters().running == 0);
    std::string second(10, '.');
    Thread reader = loop->spawn([&] { return file.read(writable(second)).error; }).value();
    REQUIRE(support::until_parked(reader));
    reader.request_stop();
    REQUIRE(reader.join().value() == std::errc::operation_canceled);
    file = {};
    REQUIRE(::fcntl(ends[0], F_GETFD) >= 0);
    REQUIRE(*buffer == "..........");
    buffer.reset();  // the sanitizers look after it
    REQUIRE(::write(ends[1], "late", 4) == 4);
    ::close(ends[1]);
    REQUIRE(workers_rest());
    REQUIRE(support::eventually([&] { return ::fcntl(ends[0], F_GETFD) == -1; }));
    REQUIRE(second == "..........");
  });
}

TEST_CASE_METHOD(FileFixture, "cancelled at each park: files") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      std::error_code error;
      const auto note = [&](std::error_code each) {
        if (!error) error = each;
      };
      {
        std::string text(3, '\0');
        auto file = File::open(path, O_RDWR | O_CREAT);
        note(file.error());
        if (file) {
          note(file->write("abc").error);
          note(file->pwrite("d", 3).error);
          note(file->pread(writable(text), 0).error);
          note(file->read(writable(text)).error);
          note(file->size().error());
          note(file->truncate(2));
          note(file->sync());
          note(file->close());
        }
        note(write_file(path, "text"));
        note(read_file(path, 100).error());
      }
      CHECK((error == std::errc::operation_canceled) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      CHECK(workers_rest());
    });
    CHECK(parks == 11);
    CHECK(workers_rest());
  });
}

TEST_CASE_METHOD(FileFixture, "many threads of a loop use one file") {
  in_thread([&] {
    File file = File::open(path, O_RDWR | O_CREAT, long_time).value();
    std::vector<Thread<bool>> threads;
    for (std::size_t i = 0; i < 30; ++i) {
      const auto use = [&file, i] {
        const std::string text = support::pattern(1000, static_cast<unsigned>(i));
        std::string read(1000, '\0');
        for (int round = 0; round < 10; ++round) {
          if (!file.pwrite(text, i * 1000, long_time)) return false;
          if (!file.pread(writable(read), i * 1000, long_time) || read != text) return false;
        }
        return true;
      };
      threads.push_back(loop->spawn(use).value());
    }
    for (auto& each : threads) REQUIRE(each.join().value());
    REQUIRE(file.size().value() == 30'000);
  });
}

TEST_CASE_METHOD(FileFixture, "a file may be closed, and go, while threads read and write it") {
  const std::string text = support::pattern(3 << 20);
  in_thread([&] {
    REQUIRE(!write_file(path, text, long_time));
    for (const bool writes : {false, true}) {
      auto file = std::make_unique<File>(File::open(path, O_RDWR, 0, long_time).value());
      std::string buffer = text;
      Thread user = loop->spawn([&] {
                          return writes ? file->write(buffer, long_time)
                                        : file->read(writable(buffer), long_time);
                        })
                        .value();
      REQUIRE(!this_thread::yield());  // it begins
      REQUIRE(!file->close());
      file.reset();
      REQUIRE(user.join().value().count == text.size());
    }
    REQUIRE(read_file(path, SIZE_MAX, long_time).value() == text);
  });
}
