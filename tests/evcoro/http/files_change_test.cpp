// Files that change while they are served.
#include <unistd.h>

#include <evcoro/http/server.hpp>
#include <support/acceptor.hpp>
#include <support/site.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::get;
using support::LoopFixture;
using support::request_for;
using support::Site;
using support::status;

namespace fs = std::filesystem;

TEST_CASE_METHOD(LoopFixture, "files: what is kept open is noticed when it changes") {
  const Site site;
  const Files files = site.files({.cache_time = std::chrono::hours{1}});
  in_thread([&] {
    const std::size_t before = support::open_descriptors();
    const std::string etag = get(files, "/a.txt").field("ETag");
    CHECK(support::open_descriptors() == before + 1);
    CHECK(get(files, "/a.txt").body == "0123456789");
    CHECK(support::open_descriptors() == before + 1);

    site.whole.replace("site/a.txt", "replaced");
    CHECK(get(files, "/a.txt").body == "replaced");
    CHECK(get(files, "/a.txt").field("ETag") != etag);

    site.whole.write("site/a.txt", "written to");
    CHECK(get(files, "/a.txt").body == "written to");

    fs::remove(site.path("a.txt"));
    CHECK(status(files, "/a.txt") == 404);
    CHECK(support::open_descriptors() == before);
  });
}

TEST_CASE_METHOD(LoopFixture, "files: a loop keeps so many open and goes back for more") {
  const Site site;
  for (int i = 0; i < 10; ++i) site.whole.write("site/" + std::to_string(i), std::to_string(i));
  const Files few = site.files({.cache_files = 3});
  const Files none = site.files({.cache_files = 0});
  in_thread([&] {
    const std::size_t before = support::open_descriptors();
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 10; ++i) {
        CHECK(get(few, "/" + std::to_string(i)).body == std::to_string(i));
        CHECK(get(none, "/" + std::to_string(i)).body == std::to_string(i));
      }
    }
    CHECK(support::open_descriptors() == before + 3);
  });
}

TEST_CASE_METHOD(LoopFixture, "files: without time nothing is kept for another look") {
  const Site site;
  const Files files = site.files({.cache_time = std::chrono::milliseconds{-1}});
  in_thread([&] {
    for (int i = 0; i < 3; ++i) CHECK(get(files, "/a.txt").body == "0123456789");
    fs::create_hard_link(site.path("a.txt"), site.path("other"));
    site.whole.replace("site/a.txt", "replaced");
    CHECK(get(files, "/a.txt").body == "replaced");
  });
}

TEST_CASE_METHOD(LoopFixture, "files: over a socket while files are replaced") {
  const Site site;
  const std::string one = support::pattern(300'000, 1);
  const std::string two = support::pattern(200'000, 2);
  site.whole.write("site/large", one);
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    Server server{*loop, support::loopback(), site.files(), options};
    const auto client = support::RawSocket::connected_to(server.local_address());
    const auto receive = [&](std::size_t size) {
      std::string all = support::reply(client, size);
      REQUIRE(all.size() == size);
      return all;
    };
    for (int i = 0; i < 4; ++i) {
      const std::string& now = i % 2 == 0 ? one : two;
      site.whole.replace("site/large", now);
      client.send(request_for("/large"));
      std::string all;
      while (all.find("\r\n\r\n") == std::string::npos) all += receive(1);
      // It is being sent: the file that the client is getting stays the same.
      site.whole.replace("site/large", "short");
      CHECK(receive(now.size()) == now);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "files: one that becomes shorter ends the connection") {
  const Site site;
  constexpr std::size_t size = 64 << 20;
  site.whole.write("site/large", "");
  fs::resize_file(site.path("large"), size);
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    ServerOptions options;
    options.acceptor.stacks = &others;
    options.acceptor.send_buffer = 64 * 1024;
    Server server{*loop, support::loopback(), site.files(), options};
    const auto client = support::RawSocket::connected_to(server.local_address());
    client.send(request_for("/large") + request_for("/a.txt"));
    CHECK(support::reply(client, 1000).size() == 1000);
    fs::resize_file(site.path("large"), 1000);
    std::size_t received = 0;
    CHECK(support::eventually([&] {
      received += support::arrived(client, 1 << 20).size();
      return support::has_ended(client);
    }));
    CHECK(received < size);
  });
}

TEST_CASE_METHOD(LoopFixture, "files: a compressed sibling is noticed when it changes") {
  const Site site;
  site.whole.write("site/a.txt.gz", "gzipped");
  const Files files = site.files({.precompressed = true, .cache_time = std::chrono::hours{1}});
  const auto body = [&] { return get(files, "/a.txt", "Accept-Encoding: gzip\r\n").body; };
  in_thread([&] {
    CHECK(body() == "gzipped");
    site.whole.replace("site/a.txt.gz", "replaced");
    CHECK(body() == "replaced");
    fs::remove(site.path("a.txt.gz"));
    CHECK(body() == "0123456789");
  });
}

TEST_CASE_METHOD(LoopFixture, "files: what is too old is closed when something else is asked for") {
  const Site site;
  for (int i = 0; i < 5; ++i) site.whole.write("site/" + std::to_string(i), std::to_string(i));
  const Files files = site.files({.cache_time = std::chrono::milliseconds{1}});
  in_thread([&] {
    const std::size_t before = support::open_descriptors();
    for (int i = 0; i < 5; ++i) CHECK(status(files, "/" + std::to_string(i)) == 200);
    CHECK(!this_thread::sleep_for(std::chrono::milliseconds{2}));
    CHECK(status(files, "/a.txt") == 200);
    CHECK(support::open_descriptors() == before + 1);
  });
}
