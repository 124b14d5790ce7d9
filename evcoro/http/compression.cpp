#include <evcoro/http/compression.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <evcoro/http/body_filter.hpp>
#include <evcoro/http/detail/codings.hpp>
#include <evcoro/http/detail/conditions.hpp>
#include <evcoro/http/detail/deflater.hpp>
#include <evcoro/http/detail/text.hpp>
#include <evcoro/local.hpp>
#include <evcoro/object_pool.hpp>

namespace evcoro::http {
namespace detail {
namespace {

// Fields of what is not to be changed any more.
constexpr std::array<std::string_view, 6> final_fields{
    "Content-Encoding", "Content-Range", "Content-Digest", "Repr-Digest", "Digest", "Content-MD5"};

bool is_final(const Fields& fields) noexcept {
  bool found = std::ranges::any_of(final_fields, [&](auto name) { return fields.contains(name); });
  for (const auto [name, value] : fields) {
    if (!equals_ignoring_case(name, "Cache-Control")) continue;
    for_each_element(value, [&](std::string_view element) {
      found = found || equals_ignoring_case(element, "no-transform");
    });
  }
  return found;
}

void add_vary(Fields& fields) {
  bool has_it = false;
  for (const auto [name, value] : fields) {
    if (!equals_ignoring_case(name, "Vary")) continue;
    for_each_element(value, [&](std::string_view element) {
      has_it = has_it || element == "*" || equals_ignoring_case(element, "Accept-Encoding");
    });
  }
  if (!has_it) fields.add("Vary", "Accept-Encoding");
}

void weaken_etag(Fields& fields) {
  const std::string etag{fields.get_or("ETag")};
  if (etag.starts_with('"')) fields.set("ETag", "W/" + etag);
}

// Whether the client has said by its strong ETag that it has the body as it is.
bool has_uncompressed(const Fields& request, const Fields& response) {
  const std::string_view etag = response.get_or("ETag");
  for (const auto [name, value] : request) {
    const bool is_condition = equals_ignoring_case(name, "If-None-Match");
    if (is_condition && lists_tag(value, etag, false)) return true;
  }
  return false;
}

}  // namespace

// CompressionState is what the copies of a Compression share.
class CompressionState {
 public:
  explicit CompressionState(CompressionOptions options)
      : options_(std::move(options)),
        gzips_(maker(Coding::gzip), {.capacity_per_loop = options_.kept_per_loop}),
        deflates_(maker(Coding::deflate), {.capacity_per_loop = options_.kept_per_loop}) {}

  bool is_worth_it(const Fields& fields, std::optional<std::uint64_t> length) const {
    if (length && *length < options_.min_size) return false;
    const std::string_view field = fields.get_or("Content-Type");
    const std::string_view type = trim(field.substr(0, field.find(';')));
    return std::ranges::any_of(options_.types, [&](std::string_view each) {
      const bool is_kind = each.ends_with('/');
      return equals_ignoring_case(is_kind ? type.substr(0, each.size()) : type, each);
    });
  }

  // take() is empty if there are too many.
  Pooled<Deflater> take(Coding coding) {
    if (std::size_t* const count = counter()) {
      if (*count >= options_.most_per_loop) return {};
    }
    Pooled<Deflater> taken = (coding == Coding::gzip ? gzips_ : deflates_).take();
    taken->reset();
    if (std::size_t* const count = counter()) ++*count;
    return taken;
  }
  void give_back(Pooled<Deflater> deflater) noexcept {
    if (!deflater) return;
    deflater.reset();
    if (std::size_t* const count = counter()) --*count;
  }

 private:
  ObjectPool<Deflater>::Create maker(Coding coding) const {
    return [coding, level = options_.level] { return std::make_unique<Deflater>(coding, level); };
  }

  // nullptr outside of loops.
  std::size_t* counter() const {
    Loop* const loop = Loop::current();
    return loop == nullptr ? nullptr : &counts_.get(*loop);
  }

  const CompressionOptions options_;
  ObjectPool<Deflater> gzips_;
  ObjectPool<Deflater> deflates_;
  LoopLocal<std::size_t> counts_;  // of those that are out
};

namespace {

// Compressor is the filter of one response.
class Compressor final : public BodyFilter {
 public:
  Compressor(CompressionState& state, const Request& request) noexcept
      : state_(state), request_(request) {}
  ~Compressor() override { state_.give_back(std::move(deflater_)); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  bool begin(Response& response, std::optional<std::uint64_t> length) override {
    Fields& fields = response.fields();
    const bool is_unmodified = response.status() == Status::not_modified;
    if (is_final(fields) || !(is_unmodified || state_.is_worth_it(fields, length))) return false;
    add_vary(fields);
    const Coding coding = accepted_codings(request_.fields()).best();
    if (coding == Coding::identity) return false;
    // It says of the body that the client has what it would say of the one that it would get.
    if (is_unmodified && !has_uncompressed(request_.fields(), fields)) weaken_etag(fields);
    if (is_unmodified || response.status() == Status::no_content) return false;
    deflater_ = state_.take(coding);
    if (!deflater_) return false;
    fields.add("Content-Encoding", name_of(coding));
    fields.erase("Accept-Ranges");
    weaken_etag(fields);
    return true;
  }

  bool pass(std::string_view data, Pass how, std::string& out) override {
    return deflater_->pass(data, how, out);
  }

 private:
  CompressionState& state_;
  const Request& request_;
  Pooled<Deflater> deflater_;
};

template <class Function>
void compress(CompressionState& state, Request& request, Response& response, Function&& go_on) {
  Compressor compressor{state, request};
  response.with_filter(compressor, go_on);
}

}  // namespace
}  // namespace detail

Compression::Compression(Options options) {
  if (options.level < 1 || options.level > 9) {
    throw std::invalid_argument("a level of compression is between 1 and 9");
  }
  state_ = std::make_shared<detail::CompressionState>(std::move(options));
}

void Compression::operator()(Request& request, Response& response, const Next& next) const {
  detail::compress(*state_, request, response, [&] { next(); });
}

Handler Compression::wrap(Handler handler) const {
  return [state = state_, handler = std::move(handler)](Request& request, Response& response) {
    detail::compress(*state, request, response, [&] { handler(request, response); });
  };
}

}  // namespace evcoro::http
