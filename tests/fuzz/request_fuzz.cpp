// A server is sent anything: its answers are well formed, and the same however the bytes come.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

#include <evcoro/http/serve.hpp>
#include <evcoro/http/uri.hpp>
#include <fuzz/fuzz.hpp>
#include <support/http_reply.hpp>
#include <support/pieces.hpp>

using namespace evcoro::http;

namespace {

// The body is encoded so that none can look like a response.
void echo(Request& request, Response& response) {
  for (const auto [name, value] : request.fields())
    response.fields().add("X-" + std::string{name}, value);
  const auto body = request.read_body();
  if (body) response.send(percent_encode(*body));
}

// What is sent to pieces.
std::string answer(std::deque<std::string> pieces) {
  support::PieceStream stream{std::move(pieces)};
  ServeOptions options;
  options.limits.requests = 5;
  options.limits.body = 1000;
  serve(stream, echo, options);
  return stream.sent;
}

void erase_all(std::string& text, std::string_view begin, std::size_t size) {
  for (std::size_t at = 0; (at = text.find(begin, at)) != text.npos;) text.erase(at, size);
}

// What doesn't depend on when the bytes came: not the time; not 100 (Continue), which isn't sent
// when the body is there already; not the one of two broken rules that a refusal is for.
std::string essence(std::string sent) {
  constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  erase_all(sent, "\r\nDate: ", 37);
  erase_all(sent, go_on, go_on.size());
  std::size_t refusal = 0;
  for (const std::string_view line : {"HTTP/1.1 400 ", "HTTP/1.1 414 ", "HTTP/1.1 431 "}) {
    if (const std::size_t last = sent.rfind(line); last != sent.npos)
      refusal = std::max(refusal, last + 1);
  }
  if (refusal != 0) sent.erase(refusal);
  return sent;
}

// The first line of the request, which decides whether it was HEAD, is the client's to know.
void require_well_formed(std::string_view sent) {
  try {
    while (!sent.empty()) {
      const support::Reply reply = support::parse_reply(sent);
      fuzz::require(reply.status >= 100 && reply.status < 600, "a status that is none");
    }
  } catch (const std::exception& error) {
    fuzz::require(false, error.what());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::to_text(data, size);
  const std::string whole = answer({std::string{text}});
  if (text.find("HEAD") == text.npos) require_well_formed(whole);
  const std::string in_pieces = answer(fuzz::cut(text, static_cast<std::uint32_t>(size)));
  fuzz::require(essence(whole) == essence(in_pieces), "the answer depends on how the bytes come");
  return 0;
}
