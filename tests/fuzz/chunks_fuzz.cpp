// The frames of a chunked body: what is found in them doesn't depend on how much is there at once.
#include <algorithm>
#include <string>

#include <evcoro/http/detail/parser.hpp>
#include <fuzz/fuzz.hpp>

using namespace evcoro::http;
using detail::Parser;

namespace {

struct Read {
  std::string body;
  std::string trailers;
  bool has_failed = false;  // for the one reason or the other, if there are two
  bool is_whole = false;

  friend bool operator==(const Read&, const Read&) = default;
};

// Reads text, of which step bytes more are there each time that more are needed.
Read read(std::string_view text, std::size_t step) {
  const Limits limits;
  Parser parser{Parser::Kind::request};
  Fields fields;
  Fields trailers;
  detail::Head head;
  const std::string start = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  parser.start(limits, fields);
  fuzz::require(parser.read_head(start, head).state == Parser::State::whole, "the head");
  parser.start_body(trailers);
  Read result;
  std::size_t begin = 0;
  std::size_t end = std::min(step, text.size());
  while (true) {
    const Parser::Found found = parser.read_frame(text.substr(begin, end - begin));
    if (found.state == Parser::State::more && end < text.size()) {
      end = std::min(end + step, text.size());
      continue;
    }
    if (found.state == Parser::State::more) break;
    if (found.state == Parser::State::failed) {
      result.has_failed = parser.failure() != Status::none;
      break;
    }
    begin += found.size;
    if (found.state == Parser::State::whole) {
      result.is_whole = true;
      for (const auto [name, value] : trailers) {
        result.trailers.append(name).append(":").append(value).append(";");
      }
      break;
    }
    const std::uint64_t size = std::min<std::uint64_t>(parser.chunk_left(), text.size() - begin);
    const std::string_view data = text.substr(begin, static_cast<std::size_t>(size));
    result.body += data;
    parser.pass_data(data);
    begin += data.size();
    end = std::max(end, begin);
    if (parser.chunk_left() != 0) break;
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::to_text(data, size);
  const Read whole = read(text, std::max<std::size_t>(size, 1));
  for (const std::size_t step : {1, 2, 7}) {
    fuzz::require(read(text, step) == whole, "the frames depend on how the bytes come");
  }
  return 0;
}
