#include <evcoro/result.hpp>

#include <csignal>
#include <memory>
#include <set>
#include <string>

#include <evcoro/error.hpp>
#include <support/contains.hpp>
#include <support/process.hpp>

using namespace evcoro;

namespace {

constexpr Errc all_errors[] = {
    Errc::not_in_a_thread,    Errc::wrong_loop,     Errc::second_reader,      Errc::second_writer,
    Errc::mixed_registration, Errc::no_loop,        Errc::loop_shutting_down, Errc::not_the_owner,
    Errc::parents_loop,       Errc::no_address,     Errc::second_waiter,      Errc::not_pollable,
    Errc::end_of_file,        Errc::unexpected_end, Errc::too_long,           Errc::channel_closed,
    Errc::subscriber_too_slow};

}  // namespace

TEST_CASE("a result holds a value") {
  Result<std::string> result{"text"};
  REQUIRE(result.has_value());
  REQUIRE(result);
  REQUIRE(!result.error());
  REQUIRE(result.value() == "text");
  REQUIRE(*result == "text");
  REQUIRE(result->size() == 4);
  *result += "s";
  REQUIRE(std::move(result).value() == "texts");
}

TEST_CASE("a result holds the reason why there is no value") {
  Result<int> result{std::make_error_code(std::errc::timed_out)};
  REQUIRE(!result.has_value());
  REQUIRE(!result);
  REQUIRE(result.error() == std::errc::timed_out);
  try {
    result.value();
    FAIL("no exception");
  } catch (const std::system_error& error) {
    REQUIRE(error.code() == std::errc::timed_out);
  }
  const Result<int> own = Errc::wrong_loop;
  REQUIRE(own.error() == Errc::wrong_loop);
}

TEST_CASE("a result can be read when it is constant") {
  const Result<std::string> result{"text"};
  REQUIRE(result.value() == "text");
  REQUIRE(*result == "text");
  REQUIRE(result->size() == 4);
  const Result<std::string> none = Errc::no_loop;
  REQUIRE_THROWS_AS(none.value(), std::system_error);
}

TEST_CASE("a result moves what cannot be copied") {
  Result<std::unique_ptr<int>> result{std::make_unique<int>(3)};
  Result<std::unique_ptr<int>> moved = std::move(result);
  const std::unique_ptr<int> taken = *std::move(moved);
  REQUIRE(*taken == 3);
  const std::unique_ptr<int> direct =
      Result<std::unique_ptr<int>>{std::make_unique<int>(4)}.value();
  REQUIRE(*direct == 4);
}

TEST_CASE("a result of nothing says whether all went well") {
  const Result<void> good;
  REQUIRE(good);
  REQUIRE(good.has_value());
  REQUIRE(!good.error());
  good.value();
  const Result<void> bad = Errc::no_loop;
  REQUIRE(!bad);
  REQUIRE(bad.error() == Errc::no_loop);
  REQUIRE_THROWS_AS(bad.value(), std::system_error);
}

TEST_CASE("a result may hold an error_code as its value") {
  const Result<std::error_code> value{std::make_error_code(std::errc::io_error)};
  REQUIRE(value.has_value());
  REQUIRE(!value.error());
  const Result<std::error_code> reason = Failure{std::make_error_code(std::errc::io_error)};
  REQUIRE(!reason.has_value());
  REQUIRE(reason.error() == std::errc::io_error);
}

TEST_CASE("to dereference a result without a value is a misuse") {
  for (const auto use : {+[](Result<std::string>& none) { (void)none->size(); },
                         +[](Result<std::string>& none) { (void)(*none).size(); },
                         +[](Result<std::string>& none) { (void)(*std::move(none)).size(); }}) {
    const support::Ended ended = support::in_child([use] {
      Result<std::string> none = Errc::no_loop;
      use(none);
    });
    REQUIRE(ended.signal == SIGABRT);
    REQUIRE_THAT(ended.output, support::contains("evcoro: misuse: a Result without a value"));
  }
}

TEST_CASE("every error of ours has a message of its own") {
  std::set<std::string> messages;
  for (const Errc each : all_errors) {
    const std::error_code error = each;
    REQUIRE(error.category() == error_category());
    REQUIRE_THAT(error.message(), !support::contains("unknown"));
    messages.insert(error.message());
  }
  REQUIRE(messages.size() == std::size(all_errors));
  REQUIRE(std::string(error_category().name()) == "evcoro");
  REQUIRE(std::error_code(99, error_category()).message() == "unknown error");
}

TEST_CASE("errors of ours compare with those of the standard") {
  const auto is = [](Errc error, std::errc condition) {
    return std::error_code{error} == std::make_error_condition(condition);
  };
  REQUIRE(is(Errc::not_in_a_thread, std::errc::operation_not_permitted));
  REQUIRE(is(Errc::not_the_owner, std::errc::operation_not_permitted));
  REQUIRE(is(Errc::second_reader, std::errc::device_or_resource_busy));
  REQUIRE(is(Errc::second_writer, std::errc::device_or_resource_busy));
  REQUIRE(is(Errc::mixed_registration, std::errc::file_exists));
  REQUIRE(is(Errc::loop_shutting_down, std::errc::operation_canceled));
  REQUIRE(is(Errc::wrong_loop, std::errc::cross_device_link));
  REQUIRE(is(Errc::no_loop, std::errc::no_such_device_or_address));
  REQUIRE(is(Errc::parents_loop, std::errc::no_child_process));
  REQUIRE(is(Errc::no_address, std::errc::invalid_argument));
  REQUIRE(is(Errc::second_waiter, std::errc::device_or_resource_busy));
  REQUIRE(is(Errc::not_pollable, std::errc::operation_not_permitted));
  REQUIRE(is(Errc::end_of_file, std::errc::no_message_available));
  REQUIRE(is(Errc::unexpected_end, std::errc::bad_message));
  REQUIRE(is(Errc::too_long, std::errc::message_size));
  REQUIRE(is(Errc::channel_closed, std::errc::broken_pipe));
  REQUIRE(is(Errc::subscriber_too_slow, std::errc::no_buffer_space));
  REQUIRE(!is(Errc::wrong_loop, std::errc::timed_out));
}
