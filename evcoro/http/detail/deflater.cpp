#include <evcoro/http/detail/deflater.hpp>

#include <zlib.h>

#include <cstddef>
#include <new>

namespace evcoro::http::detail {
namespace {

constexpr int window_bits = 15;
constexpr int gzip_wrapping = 16;  // to be added to it
constexpr int memory_level = 8;
constexpr std::size_t piece = 8 * 1024;

int to_flush(BodyFilter::Pass how) noexcept {
  switch (how) {
    case BodyFilter::Pass::flush:
      return Z_SYNC_FLUSH;
    case BodyFilter::Pass::end:
      return Z_FINISH;
    case BodyFilter::Pass::more:
      break;
  }
  return Z_NO_FLUSH;
}

}  // namespace

struct Deflater::Stream {
  z_stream state{};
};

Deflater::Deflater(Coding coding, int level) : stream_(std::make_unique<Stream>()) {
  const int bits = coding == Coding::gzip ? window_bits + gzip_wrapping : window_bits;
  const int error =
      deflateInit2(&stream_->state, level, Z_DEFLATED, bits, memory_level, Z_DEFAULT_STRATEGY);
  if (error != Z_OK) throw std::bad_alloc{};
}

Deflater::~Deflater() { deflateEnd(&stream_->state); }

void Deflater::reset() noexcept { deflateReset(&stream_->state); }

bool Deflater::pass(std::string_view data, BodyFilter::Pass how, std::string& out) {
  z_stream& state = stream_->state;
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  state.avail_in = static_cast<uInt>(data.size());
  do {
    const std::size_t size = out.size();
    out.resize(size + piece);
    state.next_out = reinterpret_cast<Bytef*>(out.data() + size);
    state.avail_out = piece;
    const int result = deflate(&state, to_flush(how));
    out.resize(size + piece - state.avail_out);
    if (result == Z_STREAM_ERROR) return false;
  } while (state.avail_out == 0);
  return true;
}

}  // namespace evcoro::http::detail
