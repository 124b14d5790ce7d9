// Access logs: their lines, files, and what becomes of them when the sink is slow.
#include <evcoro/http/access_log.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <evcoro/http/detail/log_line.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop_group.hpp>
#include <support/acceptor.hpp>
#include <support/failing_new.hpp>
#include <support/folder.hpp>
#include <support/http.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::LoopFixture;

namespace {

// Lines is a sink that keeps what it is given.
struct Lines {
  LogSink sink() {
    return [this](std::string_view lines) {
      const std::lock_guard lock{mutex};
      all += lines;
      ++calls;
    };
  }
  std::mutex mutex;
  std::string all;
  int calls = 0;
};

std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n" + std::string{fields} + "\r\n";
}

// without_time() replaces what stands in brackets.
std::string without_time(std::string line) {
  for (std::size_t at = 0; (at = line.find('[', at)) != std::string::npos; ++at) {
    line.replace(at, line.find(']', at) + 1 - at, "[]");
  }
  return line;
}

// logged() is what is logged of what a server says to text.
std::string logged(std::string text, const Handler& handler = support::echo_body,
                   AccessLogOptions options = {}, const Address& peer = {}) {
  Lines lines;
  {
    AccessLog log{lines.sink(), options};
    support::PieceStream stream{{std::move(text)}};
    ServeOptions serving;
    serving.observers.push_back(log.observer());
    serve(stream, handler, serving, peer);
  }
  return without_time(lines.all);
}

}  // namespace

TEST_CASE("access log: lines in both formats") {
  const std::string request = get("/a?b=c", "Referer: http://x/\r\nUser-Agent: test/1\r\n");
  CHECK(logged(request) == "- - - [] \"GET /a?b=c HTTP/1.1\" 200 2 \"http://x/\" \"test/1\"\n");
  CHECK(logged(request, support::echo_body, {.format = LogFormat::common}) ==
        "- - - [] \"GET /a?b=c HTTP/1.1\" 200 2\n");
  CHECK(logged(get("/")) == "- - - [] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"\n");
  CHECK(logged("HEAD / HTTP/1.0\r\n\r\n") == "- - - [] \"HEAD / HTTP/1.0\" 200 - \"-\" \"-\"\n");
  CHECK(logged(get("/1") + get("/22")) ==
        "- - - [] \"GET /1 HTTP/1.1\" 200 2 \"-\" \"-\"\n"
        "- - - [] \"GET /22 HTTP/1.1\" 200 3 \"-\" \"-\"\n");
}

TEST_CASE("access log: the client's address and the time") {
  std::string out;
  const auto peer = [&](std::string_view text) {
    out.clear();
    const Address address = Address::parse(text).value();
    const Exchange exchange{.peer = address,
                            .request = nullptr,
                            .status = Status::bad_request,
                            .bytes = 12,
                            .duration = 1'234'567'890ns,
                            .error = {}};
    evcoro::http::detail::append_log_line(out, exchange,
                                          evcoro::http::detail::Timestamp{784'111'777s},
                                          {.format = LogFormat::common, .duration = true});
    return out;
  };
  CHECK(peer("10.0.0.1:80") == "10.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"-\" 400 12 1.234567\n");
  CHECK(peer("[::1]:80").starts_with("::1 - - ["));
  CHECK(peer("unix:/a b\n").starts_with("unix: - - ["));
}

TEST_CASE("access log: nobody breaks out of his place") {
  std::string out;
  evcoro::http::detail::append_escaped(out, "a\"b\\c\r\n\t\x01\x1b[31m\x7f\xC3\xA9 z");
  CHECK(out == "a\\x22b\\x5Cc\\x0D\\x0A\\x09\\x01\\x1B[31m\\x7F\\xC3\\xA9 z");
  const std::string line =
      logged(get("/\"%0a", "User-Agent: x\" 200 1\t\\\xff\r\nReferer: \"\r\n"));
  CHECK(line ==
        "- - - [] \"GET /\\x22%0a HTTP/1.1\" 200 5 \"\\x22\" "
        "\"x\\x22 200 1\\x09\\x5C\\xFF\"\n");
}

TEST_CASE("access log: what has become of the response") {
  const auto status = [](const std::string& line) {
    const std::size_t quote = line.find("\" ");
    return line.substr(quote + 2, line.find(" \"", quote + 2) - quote - 2);
  };
  CHECK(status(logged(get("/"), [](Request&, Response& response) {
          response.set_status(Status::not_found);
          response.send("none");
        })) == "404 4");
  CHECK(status(logged(get("/"), [](Request&, Response&) {})) == "200 -");
  CHECK(status(logged("nonsense\r\n\r\n")).starts_with("501 "));
  CHECK(logged("GET / HTTP/1.1\r\n\r\n").find("\"-\" 400 12 \"-\" \"-\"\n") != std::string::npos);
  CHECK(status(logged("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
                      [](Request& request, Response&) { CHECK(!request.read_body()); }))
            .starts_with("413 "));
  CHECK(status(logged("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
                      [](Request&, Response& response) { CHECK(response.upgrade("a")); })) ==
        "101 -");
  CHECK(logged("").empty());
  CHECK(logged("GET / HT").empty());
}

TEST_CASE("access log: a handler that throws") {
  Lines lines;
  {
    AccessLog log{lines.sink()};
    support::PieceStream stream{{get("/")}};
    ServeOptions options;
    options.observers.push_back(log.observer());
    const auto thrower = [](Request&, Response&) { throw std::runtime_error{"oops"}; };
    CHECK_THROWS_AS(serve(stream, thrower, options), std::runtime_error);
  }
  CHECK(lines.all.find("\" 500 22 ") != std::string::npos);
}

TEST_CASE("access log: bytes that were really sent") {
  Lines lines;
  {
    AccessLog log{lines.sink()};
    support::PieceStream stream{{get("/")}};
    stream.room = 0;
    ServeOptions options;
    options.observers.push_back(log.observer());
    serve(
        stream, [](Request&, Response& response) { response.send(std::string(100'000, 'x')); },
        options);
  }
  CHECK(lines.all.find("\" 200 - ") != std::string::npos);
}

TEST_CASE("access log: a file that is renamed and made anew") {
  const support::TemporaryFolder folder;
  LogFile file{(folder / "log").string()};
  AccessLog log{file};
  const auto ask = [&](std::string_view target) {
    support::PieceStream stream{{get(target)}};
    ServeOptions options;
    options.observers.push_back(log.observer());
    serve(stream, support::echo_body, options);
    log.flush();
  };
  ask("/1");
  std::filesystem::rename(folder / "log", folder / "log.1");
  ask("/2");
  file.reopen();
  ask("/3");
  CHECK(std::ranges::count(folder.read("log.1"), '\n') == 2);
  CHECK(folder.read("log.1").find("/2 ") != std::string::npos);
  CHECK(std::ranges::count(folder.read("log"), '\n') == 1);
  CHECK(folder.read("log").find("/3 ") != std::string::npos);
  CHECK_THROWS_AS(LogFile{(folder / "none/log").string()}, std::system_error);
  std::filesystem::rename(folder / "log", folder / "log.2");
  std::filesystem::create_directory(folder / "log");
  file.reopen();  // which is no file: the one before is kept
  ask("/4");
  CHECK(std::ranges::count(folder.read("log.2"), '\n') == 2);
  CHECK(log.dropped() == 0);
}

TEST_CASE("access log: a pipe that is read and one that isn't") {
  const support::TemporaryFolder folder;
  const std::string path = (folder / "pipe").string();
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_AS(LogFile{path}, std::system_error);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(::fcntl(reader, F_SETFL, 0) == 0);
  const std::string much(1 << 20, 'x');  // more than there is room for
  std::optional<LogFile> file{path};
  std::thread writer{[&] {
    try {
      (*file)(much);
    } catch (const std::system_error&) {  // it doesn't arrive, then
    }
    file.reset();
  }};
  std::string arrived;
  char buffer[4096];
  for (ssize_t in = 0; (in = ::read(reader, buffer, sizeof buffer)) > 0;) {
    arrived.append(buffer, static_cast<std::size_t>(in));
  }
  writer.join();
  ::close(reader);
  CHECK(arrived == much);
}

TEST_CASE("access log: a sink that blocks loses lines and no time") {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_entered = false;
  bool may_go = false;
  std::size_t written = 0;
  {
    AccessLog log{[&](std::string_view lines) {
                    std::unique_lock lock{mutex};
                    is_entered = true;
                    changed.notify_all();
                    changed.wait(lock, [&] { return may_go; });
                    written += static_cast<std::size_t>(std::ranges::count(lines, '\n'));
                  },
                  {.interval = 0ms, .most_buffered = 1000}};
    ServeOptions options;
    options.observers.push_back(log.observer());
    const auto ask = [&](int count) {
      std::string text;
      for (int i = 0; i < count; ++i) text += get("/");
      support::PieceStream stream{{text}};
      serve(stream, support::echo_body, options);
    };
    ask(1);
    {
      std::unique_lock lock{mutex};
      changed.wait(lock, [&] { return is_entered; });
    }
    ask(100);
    CHECK(log.dropped() > 0);
    CHECK(log.dropped() < 100);
    written += log.dropped();
    {
      const std::lock_guard lock{mutex};
      may_go = true;
    }
    changed.notify_all();
  }
  CHECK(written == 101);
}

TEST_CASE("access log: a sink that throws is counted and an observer may outlive the log") {
  ServeOptions options;
  {
    AccessLog log{[](std::string_view) { throw std::runtime_error{"disk full"}; }};
    options.observers.push_back(log.observer());
    support::PieceStream stream{{get("/") + get("/")}};
    serve(stream, support::echo_body, options);
    log.flush();
    CHECK(log.dropped() == 2);
  }
  support::PieceStream stream{{get("/")}};
  serve(stream, support::echo_body, options);
  CHECK(support::parse_replies(stream.sent).size() == 1);
}

TEST_CASE("access log: in a child process it does nothing and waits for nobody") {
  Lines lines;
  {
    auto log = std::make_unique<AccessLog>(lines.sink());
    ServeOptions options;
    options.observers.push_back(log->observer());
    const auto ask = [&](std::string_view target) {
      support::PieceStream stream{{get(target)}};
      serve(stream, support::echo_body, options);
    };
    ask("/parent");
    log->flush();  // and now the OS thread waits for more
    const support::Ended ended = support::in_child([&] {
      ::alarm(static_cast<unsigned>(std::chrono::seconds{support::long_time}.count()));
      ask("/child");
      log->flush();
      log.reset();
      ask("/child");
    });
    CHECK(ended.signal == 0);
    // To Valgrind what belongs to the parent's OS thread is lost in the child.
    CHECK((ended.status == 0 || support::running_on_valgrind()));
  }
  CHECK(std::ranges::count(lines.all, '\n') == 1);
}

TEST_CASE("access log: of a group of loops all lines are whole") {
  Lines lines;
  {
    AccessLog log{lines.sink(), {.interval = 1ms}};
    LoopGroup group{{.loops = 2, .stacks = support::connection_stacks(16)}};
    ServerOptions options;
    options.observers.push_back(log.observer());
    Server server{group, support::loopback(), support::echo_body, options};
    for (int i = 0; i < 8; ++i) {
      const auto client = support::RawSocket::connected_to(server.local_address());
      for (int j = 0; j < 50; ++j) {
        client.send(get("/x"));
        std::string all;
        while (!all.ends_with("/x")) all += client.recv();
      }
    }
    CHECK(!server.drain(support::long_time));
  }
  CHECK(std::ranges::count(lines.all, '\n') == 400);
  std::size_t found = 0;
  for (std::size_t at = 0;
       (at = lines.all.find("\"GET /x HTTP/1.1\" 200 2 \"-\" \"-\"\n", at)) != std::string::npos;
       ++at) {
    ++found;
  }
  CHECK(found == 400);
}

TEST_CASE_METHOD(LoopFixture, "access log: without memory for a line nothing else fails") {
  in_thread([&] {
    int lost = 0;
    const int failures = support::fail_each_new([&](support::FailingNew& failing) {
      std::atomic<int> lines = 0;
      AccessLog log{[&](std::string_view text) {
        lines += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
      }};
      const ExchangeObserver observer = log.observer();
      const Address peer = support::loopback();
      CHECK(failing.run([&] { observer({peer, nullptr, Status::ok, 1, {}, {}}); }));
      log.flush();
      CHECK(lines + static_cast<int>(log.dropped()) == 1);
      lost += static_cast<int>(log.dropped());
    });
    CHECK(failures > 0);
    CHECK(lost > 0);
  });
}
