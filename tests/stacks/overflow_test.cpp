// What the SIGSEGV handler does with the rest of the process; the reports of real coroutines are
// tested in corothread/overflow_test.cpp.
#include <stacks/overflow.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <stacks/report.hpp>
#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/process.hpp>

using namespace evcoro::stacks;
using support::contains;
using support::in_child;

namespace {

void print(std::string_view text) {
  static_cast<void>(::write(STDOUT_FILENO, text.data(), text.size()));
}

std::byte* const read_only =
    static_cast<std::byte*>(::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

void fault() { *static_cast<volatile std::byte*>(read_only) = std::byte{1}; }

void plain_handler(int) {
  print("the application's plain handler\n");
  ::_exit(42);
}

void handler_with_info(int, siginfo_t* info, void*) {
  print(info->si_addr == read_only ? "it knows the address\n" : "elsewhere\n");
  ::_exit(43);
}

void install_handler_with_info() {
  struct sigaction action {};
  action.sa_sigaction = handler_with_info;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &action, nullptr);
}

// As if a coroutine were running on the first stack of this pool.
const Stack* running = nullptr;

bool find_running(StackUser& user) noexcept {
  user = {running, "reader", 7, "server.cpp", 12};
  return true;
}

// Touches stack's guard, depth bytes below its start.
void overflow(const Stack& stack, std::size_t depth) {
  *static_cast<volatile std::byte*>(stack.start - depth) = std::byte{1};
}

void pretend_to_run_on(Stack* stack) {
  running = stack;
  set_stack_user_lookup(find_running);
}

}  // namespace

TEST_CASE("a fault that is no overflow kills as usual, and nothing is reported") {
  const auto ended = in_child([] {
    install_overflow_handler();
    fault();
  });
  REQUIRE(ended.signal == SIGSEGV);
  REQUIRE_THAT(ended.output, !contains("evcoro"));
}

TEST_CASE("a fault beside the running stack's guard is no overflow") {
  const auto ended = in_child([] {
    install_overflow_handler();
    StackPool pool{{.capacity = 2}};
    std::error_code error;
    Stack* const other = pool.take(error);
    pretend_to_run_on(pool.take(error));
    overflow(*other, other->size() + 1);
  });
  REQUIRE(ended.signal == SIGSEGV);
  REQUIRE_THAT(ended.output, !contains("evcoro"));
}

TEST_CASE("an overflow is reported with name, place, size, use and setting") {
  const auto guard = GENERATE(StackPool::Guard::automatic, StackPool::Guard::page_protect);
  const auto ended = in_child([&] {
    install_overflow_handler();
    StackPool pool{{.capacity = 1, .guard = guard, .size_setting = "--pages"}};
    std::error_code error;
    Stack* const stack = pool.take(error);
    pretend_to_run_on(stack);
    std::printf("size %zu bytes\n", stack->size());
    std::fflush(stdout);
    overflow(*stack, stack->size() + 1000);
  });
  INFO(ended.output);
  REQUIRE(ended.signal == SIGSEGV);
  StackPool same{{.capacity = 1}};
  std::error_code error;
  Stack* const stack = same.take(error);
  const std::size_t size = stack->size();
  same.give_back(*stack);
  REQUIRE_THAT(ended.output, contains("evcoro: stack overflow in coroutine thread 'reader' (id 7), "
                                      "spawned at server.cpp:12\n"));
  REQUIRE_THAT(ended.output, contains("stack size " + std::to_string(size) + " bytes, used " +
                                      std::to_string(size + 1000) + "; raise --pages\n"));
}

TEST_CASE("a report goes to the application's sink") {
  const auto ended = in_child([] {
    install_overflow_handler();
    set_report_sink([](const char* text, std::size_t size) noexcept {
      print("sink: ");
      print({text, size});
    });
    StackPool pool{{.capacity = 1}};
    std::error_code error;
    Stack* const stack = pool.take(error);
    pretend_to_run_on(stack);
    overflow(*stack, stack->size() + 1);
  });
  REQUIRE(ended.signal == SIGSEGV);
  REQUIRE_THAT(ended.output, contains("sink: evcoro: stack overflow"));
}

TEST_CASE("an application's own handler gets other faults") {
  auto ended = in_child([] {
    std::signal(SIGSEGV, plain_handler);
    install_overflow_handler();
    fault();
  });
  REQUIRE(ended.output == "the application's plain handler\n");
  REQUIRE(ended.status == 42);

  ended = in_child([] {
    install_handler_with_info();
    install_overflow_handler();
    install_overflow_handler();  // does not become its own predecessor
    fault();
  });
  REQUIRE(ended.output == "it knows the address\n");
  REQUIRE(ended.status == 43);
}

TEST_CASE("an application's own handler runs after an overflow's report") {
  const auto ended = in_child([] {
    install_handler_with_info();
    install_overflow_handler();
    StackPool pool{{.capacity = 1}};
    std::error_code error;
    Stack* const stack = pool.take(error);
    pretend_to_run_on(stack);
    overflow(*stack, stack->size() + 1);
  });
  REQUIRE_THAT(ended.output, contains("evcoro: stack overflow"));
  REQUIRE_THAT(ended.output, contains("elsewhere\n"));
  REQUIRE(ended.status == 43);
}

TEST_CASE("an application's handler keeps the flags that it was installed with") {
  const auto once = in_child([] {
    struct sigaction action {};
    action.sa_handler = [](int) { print("once\n"); };
    action.sa_flags = SA_RESETHAND;
    ::sigaction(SIGSEGV, &action, nullptr);
    install_overflow_handler();
    fault();
  });
  REQUIRE(support::died_of_a_fault(once));
  REQUIRE_THAT(once.output, contains("once\n"));
  REQUIRE(once.output.find("once") == once.output.rfind("once"));
}

TEST_CASE("an application's handler may leave by longjmp, again and again") {
  if (support::under_sanitizer()) support::skip("TSan counts on handlers that return");
  const auto nested = in_child([] {
    static std::jmp_buf recovery;
    struct sigaction action {};
    action.sa_handler = [](int) { std::longjmp(recovery, 1); };
    action.sa_flags = SA_NODEFER;
    ::sigaction(SIGSEGV, &action, nullptr);
    install_overflow_handler();
    static int faults = 0;
    setjmp(recovery);
    print(faults == 0 ? "begin\n" : "recovered\n");
    if (++faults <= 3) fault();
  });
  REQUIRE(nested.output == "begin\nrecovered\nrecovered\nrecovered\n");
}

TEST_CASE("an application's handler that returns from an overflow doesn't get it again and again") {
  const auto ended = in_child([] {
    struct sigaction action {};
    action.sa_handler = [](int) { print("handled\n"); };
    action.sa_flags = SA_RESETHAND;
    ::sigaction(SIGSEGV, &action, nullptr);
    install_overflow_handler();
    StackPool pool{{.capacity = 1}};
    std::error_code error;
    Stack* const stack = pool.take(error);
    pretend_to_run_on(stack);
    overflow(*stack, stack->size() + 1);
  });
  REQUIRE(support::died_of_a_fault(ended));
  REQUIRE(ended.output.find("stack overflow") == ended.output.rfind("stack overflow"));
  REQUIRE(ended.output.find("handled") == ended.output.rfind("handled"));
  REQUIRE_THAT(ended.output, contains("handled\n"));
}

TEST_CASE("a SIGSEGV that a process sends keeps its meaning") {
  auto ended = in_child([] {
    install_overflow_handler();
    ::kill(::getpid(), SIGSEGV);
    print("survived");
  });
  REQUIRE(ended.signal == SIGSEGV);
  REQUIRE_THAT(ended.output, !contains("survived"));

  ended = in_child([] {
    std::signal(SIGSEGV, plain_handler);
    install_overflow_handler();
    ::kill(::getpid(), SIGSEGV);
  });
  REQUIRE(ended.status == 42);

  ended = in_child([] {
    std::signal(SIGSEGV, SIG_IGN);
    install_overflow_handler();
    ::kill(::getpid(), SIGSEGV);
    print("survived");
    fault();  // can't be ignored
  });
  REQUIRE_THAT(ended.output, contains("survived"));
  REQUIRE(ended.signal == SIGSEGV);
}

TEST_CASE("each OS thread gets a signal stack, unless it has one of its own") {
  const auto ended = in_child([] {
    install_overflow_handler();
    bool prepared = false;
    bool own_kept = false;
    std::thread{[&] {
      prepare_os_thread();
      stack_t current{};
      ::sigaltstack(nullptr, &current);
      prepared = (current.ss_flags & SS_DISABLE) == 0 && current.ss_size >= 64 * 1024;
    }}.join();
    std::thread{[&] {
      std::vector<char> memory(256 * 1024);
      stack_t own{};
      own.ss_sp = memory.data();
      own.ss_size = memory.size();
      ::sigaltstack(&own, nullptr);
      prepare_os_thread();
      stack_t current{};
      ::sigaltstack(nullptr, &current);
      own_kept = current.ss_sp == own.ss_sp;
      own.ss_flags = SS_DISABLE;
      ::sigaltstack(&own, nullptr);
    }}.join();
    if (prepared) print("prepared ");
    if (own_kept) print("kept");
  });
  if (!support::under_sanitizer()) REQUIRE_THAT(ended.output, contains("prepared"));
  REQUIRE_THAT(ended.output, contains("kept"));
}

TEST_CASE("an alternate signal stack that the application installs later stays") {
  struct Look {
    ~Look() {
      stack_t current{};
      ::sigaltstack(nullptr, &current);
      print((current.ss_flags & SS_DISABLE) != 0 ? "gone\n" : "in place\n");
      current.ss_flags = SS_DISABLE;
      ::sigaltstack(&current, nullptr);
    }
    void make() {}
  };
  const auto ended = in_child([] {
    install_overflow_handler();
    std::vector<char> memory(256 * 1024);
    std::thread{[&] {
      static thread_local Look look;  // destroyed after the library's own
      look.make();
      prepare_os_thread();
      stack_t own{};
      own.ss_sp = memory.data();
      own.ss_size = memory.size();
      ::sigaltstack(&own, nullptr);
    }}.join();
  });
  REQUIRE_THAT(ended.output, contains("in place\n"));
}

TEST_CASE("without the handler an OS thread gets no signal stack") {
  if (support::under_sanitizer()) support::skip("sanitizers give OS threads a signal stack");
  bool untouched = false;
  std::thread{[&] {
    prepare_os_thread();
    stack_t current{};
    ::sigaltstack(nullptr, &current);
    untouched = (current.ss_flags & SS_DISABLE) != 0;
  }}.join();
  REQUIRE(untouched);
}
