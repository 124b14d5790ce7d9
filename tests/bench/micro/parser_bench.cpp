// The head of a browser's request: by llhttp with callbacks that note where the target and the
// fields are, which is the least that is of use; without any; and by ours, which checks the head
// and its limits, too, and knows what it says of body and connection. One item is one head; 1000
// are one iteration.
#include <benchmark/benchmark.h>
#include <llhttp/llhttp.h>

#include <string_view>
#include <vector>

#include <evcoro/http/without_io.hpp>

namespace {

using evcoro::http::RequestParser;

constexpr int heads = 1000;

constexpr std::string_view text =
    "GET /index.html?page=1 HTTP/1.1\r\n"
    "Host: www.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef\r\n"
    "\r\n";

struct Spans {
  struct Span {
    const char* begin = nullptr;
    const char* end = nullptr;
  };

  // note() begins a span, or goes on with the last one.
  static int note(std::vector<Span>& spans, const char* at, std::size_t size) {
    if (!spans.empty() && spans.back().end == at) {
      spans.back().end = at + size;
    } else {
      spans.push_back({at, at + size});
    }
    return 0;
  }
  static Spans& of(llhttp_t* machine) { return *static_cast<Spans*>(machine->data); }

  std::vector<Span> target;
  std::vector<Span> names;
  std::vector<Span> values;
};

llhttp_settings_t noting_settings() {
  llhttp_settings_t settings{};
  settings.on_url = [](llhttp_t* machine, const char* at, std::size_t size) {
    return Spans::note(Spans::of(machine).target, at, size);
  };
  settings.on_header_field = [](llhttp_t* machine, const char* at, std::size_t size) {
    return Spans::note(Spans::of(machine).names, at, size);
  };
  settings.on_header_value = [](llhttp_t* machine, const char* at, std::size_t size) {
    return Spans::note(Spans::of(machine).values, at, size);
  };
  return settings;
}

void by_llhttp(benchmark::State& state, llhttp_settings_t settings) {
  settings.on_headers_complete = [](llhttp_t*) { return int{HPE_PAUSED}; };
  Spans spans;
  for (auto _ : state) {
    for (int i = 0; i < heads; ++i) {
      spans.target.clear();
      spans.names.clear();
      spans.values.clear();
      llhttp_t machine;
      llhttp_init(&machine, HTTP_REQUEST, &settings);
      machine.data = &spans;
      if (llhttp_execute(&machine, text.data(), text.size()) != HPE_PAUSED) {
        return state.SkipWithError("llhttp finds no head");
      }
      benchmark::DoNotOptimize(spans);
    }
  }
  state.SetItemsProcessed(state.iterations() * heads);
}

void by_llhttp_that_notes(benchmark::State& state) { by_llhttp(state, noting_settings()); }
BENCHMARK(by_llhttp_that_notes)->Name("parser/llhttp");

void by_llhttp_alone(benchmark::State& state) { by_llhttp(state, llhttp_settings_t{}); }
BENCHMARK(by_llhttp_alone)->Name("parser/llhttp_without_callbacks");

void by_evcoro(benchmark::State& state) {
  RequestParser parser;
  for (auto _ : state) {
    for (int i = 0; i < heads; ++i) {
      parser.start();
      if (parser.read(text) != RequestParser::State::whole) {
        return state.SkipWithError("the parser finds no head");
      }
      benchmark::DoNotOptimize(parser.keeps_alive());
    }
  }
  state.SetItemsProcessed(state.iterations() * heads);
}
BENCHMARK(by_evcoro)->Name("parser/evcoro");

}  // namespace
