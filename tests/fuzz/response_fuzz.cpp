// The head of a response: accepted or not, it doesn't depend on how much is there at once.
#include <algorithm>
#include <string>

#include <evcoro/http/detail/parser.hpp>
#include <fuzz/fuzz.hpp>

using namespace evcoro::http;
using detail::Parser;

namespace {

std::string read(std::string_view text, std::size_t step) {
  const Limits limits;
  Parser parser{Parser::Kind::response};
  Fields fields;
  detail::Head head;
  parser.start(limits, fields, Method::get);
  std::size_t end = std::min(step, text.size());
  while (true) {
    const Parser::Found found = parser.read_head(text.substr(0, end), head);
    if (found.state == Parser::State::failed) return "failed";
    if (found.state == Parser::State::more && end == text.size()) return "more";
    end = std::min(end + step, text.size());
    if (found.state == Parser::State::more) continue;
    std::string all = std::to_string(found.size) + " " +
                      std::to_string(static_cast<int>(head.status)) + " " +
                      std::to_string(head.length);
    for (const auto [name, value] : fields) {
      fuzz::require(value.find_first_of("\r\n\0", 0, 3) == value.npos, "a line break in a value");
      all.append(name).append(":").append(value).append(";");
    }
    return all;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::to_text(data, size);
  const std::string whole = read(text, std::max<std::size_t>(size, 1));
  for (const std::size_t step : {1, 3}) {
    fuzz::require(read(text, step) == whole, "the head depends on how the bytes come");
  }
  return 0;
}
