// The tests' main(): the framework's, and two options beside, which come last:
//
//   test_evcoro --each-forked FILE...   runs every test case of some source files in a process of
//                                       its own, as ctest does, but forked: what starting the
//                                       program costs under a slow tool (Valgrind) is paid once
//   test_evcoro ... --back-end NAME     lets libevent use its back end of this name: poll or select
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#define CATCH_CONFIG_RUNNER
#include <support/catch.hpp>
#include <support/process.hpp>

namespace {

// The name as a pattern that matches it alone.
std::string escaped(const std::string& name) {
  std::string pattern;
  for (const char each : name) {
    if (std::string_view{"\\,[]\"*~"}.find(each) != std::string_view::npos) pattern += '\\';
    pattern += each;
  }
  return pattern;
}

// Writes what a file has to standard output.
void print(std::FILE* file) {
  std::rewind(file);
  char buffer[4096];
  for (std::size_t count; (count = std::fread(buffer, 1, sizeof buffer, file)) > 0;) {
    std::fwrite(buffer, 1, count, stdout);
  }
}

// Runs one test case in a child process, and returns its exit status. What a case says that passes
// isn't printed: a report of hundreds would hide the one that failed.
int run_forked(Catch::Session& session, const std::string& name) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> output{std::tmpfile(), std::fclose};
  if (!output) return EXIT_FAILURE;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(::fileno(output.get()), STDOUT_FILENO);
    ::dup2(::fileno(output.get()), STDERR_FILENO);
    Catch::ConfigData selection = session.configData();
    selection.testsOrTags = {escaped(name)};
    session.useConfigData(selection);
    std::exit(session.run());
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return EXIT_FAILURE;
  if (status == 0) return EXIT_SUCCESS;
  std::printf("TEST CASE: %s\n", name.c_str());
  print(output.get());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Runs the framework once, so that a tool that translates code (Valgrind) need not do that anew in
// each child.
void warm_up(Catch::Session& session) {
  const Catch::ConfigData options = session.configData();
  Catch::ConfigData selection = options;
  selection.testsOrTags = {"no test case"};
  session.useConfigData(selection);
  session.run();
  session.useConfigData(options);
}

// False if a test case fails, or the file has none.
bool run_each_forked(Catch::Session& session, std::string_view file) {
  int found = 0;
  int failed = 0;
  for (const auto& each : Catch::getAllTestCasesSorted(session.config())) {
    const auto& test_case = each.getTestCaseInfo();
    if (!std::string_view{test_case.lineInfo.file}.ends_with(file)) continue;
    ++found;
    const int status = run_forked(session, test_case.name);
    if (status == 0 || status == support::skipped_status) continue;
    ++failed;
    std::printf("FAILED with status %d: %s\n", status, test_case.name.c_str());
  }
  std::printf("%s: %d of %d test cases failed\n", file.data(), failed, found);
  return failed == 0 && found != 0;
}

void choose_back_end(const char* name) {
  support::back_end = name;
  ::setenv("EVENT_NOEPOLL", "1", 1);
  if (support::back_end == "select") ::setenv("EVENT_NOPOLL", "1", 1);
}

}  // namespace

int main(int argc, char** argv) {
  Catch::Session session;
  if (argc >= 3 && std::string_view{argv[argc - 2]} == "--back-end") {
    choose_back_end(argv[argc - 1]);
    argc -= 2;
  }
  if (argc >= 3 && std::string_view{argv[1]} == "--each-forked") {
    warm_up(session);
    bool all_right = true;
    for (int i = 2; i < argc; ++i) all_right = run_each_forked(session, argv[i]) && all_right;
    return all_right ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  return session.run(argc, argv);
}
