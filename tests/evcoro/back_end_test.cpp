#include <event2/event.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <system_error>
#include <vector>

#include <evcoro/net/tcp_acceptor.hpp>
#include <support/contains.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;

namespace {

// Takes all descriptors below limit, and returns them.
std::vector<int> take_descriptors_below(int limit) {
  std::vector<int> taken;
  for (int descriptor; (descriptor = ::dup(0)) >= 0; taken.push_back(descriptor)) {
    if (descriptor < limit) continue;
    ::close(descriptor);
    break;
  }
  return taken;
}

// What makes prints: "made", or the error that it throws.
template <class Make>
void print_outcome(Make&& make) {
  try {
    make();
    std::puts("made");
  } catch (const std::system_error& error) {
    std::printf("%s: %s\n", error.what(),
                error.code() == std::errc::too_many_files_open ? "EMFILE" : "");
  }
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a loop has the back end that this suite runs on") {
  REQUIRE(event_base_get_method(loop->base()) == support::back_end);
}

TEST_CASE("a loop that lacks descriptors throws and leaves none behind") {
  if (support::under_sanitizer()) support::skip("UBSan needs descriptors to look at objects");
  if (support::running_on_valgrind()) support::skip("Valgrind has a limit of its own");
  const auto ended = support::in_child([] {
    event_base* const base = event_base_new();  // libevent itself ends the process if it lacks some
    const rlimit few{64, 64};
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<int> taken = take_descriptors_below(64);
    bool made = false;
    for (std::size_t free = 0; !made && !taken.empty(); ++free) {
      try {
        const Loop loop{{.capacity = 1}, base};
        made = true;
      } catch (const std::system_error&) {
      }
      const std::vector<int> left = take_descriptors_below(64);
      if (left.size() != free) std::puts("leaked");
      for (const int each : left) ::close(each);
      ::close(taken.back());
      taken.pop_back();
    }
    event_base_free(base);
    std::puts(made ? "made at last" : "never made");
  });
  REQUIRE(ended.output == "made at last\n");
}

TEST_CASE("descriptors that are too high for the back end are an error") {
  if (support::running_on_valgrind()) support::skip("Valgrind has a limit of its own");
  const auto ended = support::in_child([] {
    Loop low{{.capacity = 1}};
    take_descriptors_below(1024);
    print_outcome([] { const Loop loop{{.capacity = 1}}; });
    print_outcome([&] {
      const TcpAcceptor acceptor{low, Address::loopback(AF_INET, 0), [](Socket&) {}};
    });
  });
  INFO(ended.output);
  REQUIRE(ended.signal == 0);
  if (support::back_end != "select") {
    REQUIRE(ended.output == "made\nmade\n");
  } else {
    REQUIRE_THAT(ended.output, support::contains("too high for libevent's back end select"));
    REQUIRE_THAT(ended.output, support::contains("EMFILE"));
    REQUIRE_THAT(ended.output, !support::contains("made"));
  }
}
