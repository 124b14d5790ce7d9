// Chapter 2: values travel with each yield and each resume, in both directions.
#include <cstdio>
#include <stdexcept>
#include <string>

#include <corothread/coroutine.hpp>
#include <stacks/stack_pool.hpp>

using evcoro::corothread::Coroutine;
using evcoro::stacks::StackPool;

namespace {

// Values out: the coroutine ends when there are no more.
void count_down(StackPool& pool) {
  // [out]
  Coroutine<int()> countdown(pool, [](auto& yield) {
    for (int i = 3; i > 0; --i) yield(i);
  });
  for (auto value = countdown.start(); value; value = countdown.resume()) {
    std::printf("countdown: %d\n", *value);
  }
  // [/out]
}

// Values both ways: each resume() brings a number, each yield() gives the average so far.
void average_numbers(StackPool& pool) {
  // [both]
  Coroutine<double(double)> average(pool, [](auto& yield, double value) {
    double sum = 0;
    for (int count = 1;; ++count) {
      sum += value;
      value = yield(sum / count);
    }
  });
  std::printf("average: %g\n", average.start(10).value());
  std::printf("average: %g\n", average.resume(20).value());
  std::printf("average: %g\n", average.resume(60).value());
  // [/both]
}

// Exceptions out: what leaves the function is thrown by the resume() that ran it.
void parse_numbers(StackPool& pool) {
  // [exception]
  const auto parse = [](auto& yield, std::string text) {
    while (true) text = yield(std::stoi(text));
  };
  Coroutine<int(std::string)> parser(pool, parse, {.name = "parser"});
  std::printf("parser: %d\n", parser.start("42").value());
  try {
    parser.resume("forty-three");
  } catch (const std::invalid_argument&) {
    std::puts("parser: 'forty-three' is no number");
  }
  try {
    parser.resume("44");
  } catch (const std::logic_error& error) {
    std::printf("error: %s\n", error.what());
  }
  // [/exception]
}

}  // namespace

int main() {
  StackPool pool{{.capacity = 1}};
  count_down(pool);
  average_numbers(pool);
  parse_numbers(pool);
}
