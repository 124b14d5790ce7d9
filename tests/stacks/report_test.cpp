#include <stacks/report.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/process.hpp>

using namespace evcoro::stacks;
using support::contains;

namespace {

std::vector<std::string> reports;

void keep(const char* text, std::size_t size) noexcept { reports.emplace_back(text, size); }

// The reports of what body does.
template <class Body>
std::vector<std::string> reports_of(Body body) {
  reports.clear();
  const ReportSink before = set_report_sink(keep);
  body();
  set_report_sink(before);
  return reports;
}

}  // namespace

TEST_CASE("a sink gets each report as a whole") {
  const auto got = reports_of([] {
    ReportLine{} << "evcoro: " << 18446744073709551615ULL << " and " << 0 << "\n"
                 << ReportLine::send;
    report("evcoro: second\n");
  });
  REQUIRE(got ==
          std::vector<std::string>{"evcoro: 18446744073709551615 and 0\n", "evcoro: second\n"});
}

TEST_CASE("setting a sink returns the one before") {
  const ReportSink standard_error = set_report_sink(keep);
  REQUIRE(standard_error != nullptr);
  REQUIRE(set_report_sink(nullptr) == keep);
  REQUIRE(set_report_sink(standard_error) == standard_error);
}

TEST_CASE("a report that is too long is cut, and still ends its line") {
  const auto got = reports_of([] {
    ReportLine{} << "evcoro: " << std::string(1000, 'x') << 7 << "\n" << ReportLine::send;
    ReportLine{} << std::string(511, 'y') << "\n" << ReportLine::send;  // fits exactly
  });
  REQUIRE(got.size() == 2);
  REQUIRE(got[0] == "evcoro: " + std::string(503, 'x') + "\n");
  REQUIRE(got[1] == std::string(511, 'y') + "\n");
}

TEST_CASE("a report may have empty parts") {
  const auto got =
      reports_of([] { ReportLine{} << "a" << std::string_view{} << "b\n"
                                   << ReportLine::send; });
  REQUIRE(got == std::vector<std::string>{"ab\n"});
}

TEST_CASE("a number that doesn't fit is left out") {
  const auto got = reports_of([] {
    ReportLine{} << std::string(509, 'x') << 123456 << "\n" << ReportLine::send;
  });
  REQUIRE(got.size() == 1);
  REQUIRE(got[0] == std::string(509, 'x') + "\n");
}

TEST_CASE("standard error is the default sink, and nullptr restores it") {
  const auto ended = support::in_child([] {
    report("first\n");
    set_report_sink(keep);
    report("second\n");
    set_report_sink(nullptr);
    errno = 17;
    report("third\n");
    if (errno == 17) std::printf("errno kept");
  });
  REQUIRE_THAT(ended.output, contains("first\nthird\n"));
  REQUIRE_THAT(ended.output, !contains("second"));
  REQUIRE_THAT(ended.output, contains("errno kept"));
}

TEST_CASE("a misuse is reported and terminates") {
  const auto ended = support::in_child([] { misuse("don't do that; do this"); });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("evcoro: misuse: don't do that; do this\n"));
}
