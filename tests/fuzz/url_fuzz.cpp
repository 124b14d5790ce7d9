// Targets: what was decoded and is encoded again is the same when it is decoded; a router finds its
// way.
#include <string>

#include <evcoro/http/router.hpp>
#include <evcoro/http/uri.hpp>
#include <fuzz/fuzz.hpp>
#include <support/pieces.hpp>

using namespace evcoro::http;

namespace {

Router routes() {
  const auto parameters = [](Request& request, Response& response) {
    response.send(std::string{request.parameter("a")} + "," + std::string{request.parameter("b")});
  };
  Router router;
  router.get("/x/:a", parameters).get("/x/:a/y", parameters).get("/x/y/*b", parameters);
  router.post("/x/:a/:b", parameters).get("/", parameters);
  return router;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::to_text(data, size);
  if (const auto decoded = percent_decode(text)) {
    fuzz::require(percent_decode(percent_encode(*decoded)).value() == *decoded, "encoding");
  }
  fuzz::require(percent_decode(percent_encode(text)).value() == text, "encoding of anything");
  for (const auto [name, value] : QueryParameters{text}) {
    fuzz::require(name.size() + value.size() <= size, "a parameter that is too long");
  }
  static const Router router = routes();
  support::PieceStream stream{{"GET " + std::string{text} + " HTTP/1.1\r\nHost: x\r\n\r\n"}};
  serve(stream, router);
  return 0;
}
