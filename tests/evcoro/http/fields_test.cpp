// Fields, methods, statuses, and what is in targets.
#include <evcoro/http/error.hpp>
#include <evcoro/http/fields.hpp>
#include <evcoro/http/method.hpp>
#include <evcoro/http/status.hpp>
#include <evcoro/http/uri.hpp>
#include <support/catch.hpp>
#include <support/failing_new.hpp>

using namespace evcoro::http;

TEST_CASE("fields: several may have a name whose case doesn't matter") {
  Fields fields;
  CHECK(fields.empty());
  CHECK(!fields.get("A"));
  CHECK(fields.get_or("A", "none") == "none");
  CHECK(!fields.add("Accept", "a"));
  CHECK(!fields.add("Host", " b\t"));
  CHECK(!fields.add("ACCEPT", "c"));
  CHECK(fields.size() == 3);
  CHECK(fields.get("accept") == "a");
  CHECK(fields.get("hOST") == "b");
  CHECK(fields.count("Accept") == 2);
  CHECK(!fields.set("accept", "d"));
  CHECK(fields.count("Accept") == 1);
  CHECK(fields.get("Accept") == "d");
  CHECK(fields[0].name == "Host");
  CHECK(fields.erase("HOST") == 1);
  CHECK(fields.erase("HOST") == 0);
  std::string all;
  for (const auto [name, value] : fields) all.append(name).append("=").append(value);
  CHECK(all == "accept=d");
}

TEST_CASE("fields: they may be made of their own text") {
  Fields fields;
  fields.add("A", std::string(100, 'a'));
  for (int i = 0; i < 20; ++i) CHECK(!fields.add("B", *fields.get("A")));
  CHECK(!fields.set("A", *fields.get("B")));
  CHECK(fields.get("A") == std::string(100, 'a'));
  const Fields copy = fields;
  fields.clear();
  CHECK(copy.size() == 21);
  CHECK(copy.get("B") == std::string(100, 'a'));
}

TEST_CASE("methods: names") {
  for (const char* name : {"GET", "DELETE", "M-SEARCH", "SOURCE", "PATCH"}) {
    CHECK(to_string(to_method(name).value()) == name);
  }
  CHECK(!to_method("CONNECT"));
  CHECK(!to_method("get"));
  CHECK(!to_method(""));
  CHECK(to_string(Method{200}).empty());
}

TEST_CASE("statuses: reasons") {
  CHECK(reason_phrase(Status::ok) == "OK");
  CHECK(reason_phrase(Status::uri_too_long) == "URI Too Long");
  CHECK(reason_phrase(Status::http_version_not_supported) == "HTTP Version Not Supported");
  CHECK(reason_phrase(Status{299}).empty());
}

TEST_CASE("targets: percent encoding") {
  CHECK(percent_decode("caf%C3%a9+x").value() == "caf\xc3\xa9+x");
  CHECK(percent_decode("%00").value() == std::string(1, '\0'));
  for (const char* bad : {"%", "%1", "%1g", "%g1", "a%", "% 1", "%+1"}) {
    CHECK(percent_decode(bad).error() == Errc::malformed);
  }
  CHECK(percent_encode("a b/\xc3\xa9~") == "a%20b%2F%C3%A9~");
}

TEST_CASE("targets: parameters of a query") {
  const QueryParameters parameters{"&a=b&&c&d==e&%66=%67+h&x=%zz&x=1&"};
  std::string all;
  for (const auto [name, value] : parameters)
    all.append(name).append(":").append(value).append(";");
  CHECK(all == "a:b;c:;d:=e;%66:%67+h;x:%zz;x:1;");
  CHECK(parameters.get("c") == "");
  CHECK(parameters.get("f") == "g h");
  CHECK(parameters.get("x") == "1");
  CHECK(!parameters.get("y"));
  CHECK(QueryParameters{""}.begin() == QueryParameters{""}.end());
}

TEST_CASE("fields: one for which there is no memory takes no other's place") {
  const std::string value(100, 'v');
  support::fail_each_new([&](support::FailingNew& failing) {
    Fields fields;
    CHECK(!fields.add("A", "1"));
    CHECK(!fields.add("B", "2"));
    const bool is_set = failing.run([&] { static_cast<void>(fields.set("a", value)); });
    CHECK(fields.get("A") == (is_set ? value : "1"));
    CHECK(fields.count("A") == 1);
    CHECK(fields.get("B") == "2");
  });
}

TEST_CASE("errors: messages and errnos") {
  for (int i = 1; i <= static_cast<int>(Errc::connection_lost); ++i) {
    const std::error_code error = static_cast<Errc>(i);
    CHECK(error.message() != "unknown error");
    CHECK(error.default_error_condition().category() == std::generic_category());
  }
  CHECK(std::error_code{Errc::body_too_slow} == std::errc::timed_out);
  CHECK(std::string{error_category().name()} == "evcoro.http");
  CHECK(error_category().message(99) == "unknown error");
}
