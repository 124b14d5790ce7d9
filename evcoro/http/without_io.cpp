#include <evcoro/http/without_io.hpp>

#include <evcoro/http/detail/date.hpp>
#include <evcoro/http/detail/head.hpp>
#include <evcoro/http/detail/head_writer.hpp>
#include <evcoro/http/detail/parser.hpp>

namespace evcoro::http {
namespace {

using detail::Framing;
using detail::HeadWriter;
using detail::Parser;

}  // namespace

struct RequestParser::Reading {
  explicit Reading(const Limits& its) : limits(its) { parser.start(limits, fields); }

  const Limits limits;
  Parser parser{Parser::Kind::request};
  Fields fields;
  detail::Head head;
  std::size_t head_size = 0;
};

RequestParser::RequestParser(const Limits& limits) : reading_(std::make_unique<Reading>(limits)) {}
RequestParser::~RequestParser() = default;

// The fields have their memory from the first time on.
void RequestParser::start() noexcept {
  reading_->parser.start(reading_->limits, reading_->fields);
  reading_->head = {};
}

RequestParser::State RequestParser::read(std::string_view text) noexcept {
  const Parser::Found found = reading_->parser.read_head(text, reading_->head);
  reading_->head_size = found.size;
  if (found.state == Parser::State::failed) {
    reading_->fields.clear();
    reading_->head = {};
    return State::failed;
  }
  return found.state == Parser::State::whole ? State::whole : State::more;
}

std::size_t RequestParser::head_size() const noexcept { return reading_->head_size; }
Method RequestParser::method() const noexcept { return reading_->head.method; }
std::string_view RequestParser::target() const noexcept { return reading_->head.target; }
std::string_view RequestParser::path() const noexcept { return reading_->head.path; }
std::string_view RequestParser::query() const noexcept { return reading_->head.query; }
std::string_view RequestParser::host() const noexcept { return reading_->head.host; }
int RequestParser::minor_version() const noexcept { return reading_->head.minor; }
const Fields& RequestParser::fields() const noexcept { return reading_->fields; }
bool RequestParser::keeps_alive() const noexcept { return reading_->head.keeps_alive; }
Status RequestParser::failure() const noexcept { return reading_->parser.failure(); }

bool RequestParser::has_body() const noexcept { return reading_->head.framing != Framing::none; }

std::optional<std::uint64_t> RequestParser::content_length() const noexcept {
  const detail::Head& head = reading_->head;
  if (head.framing == Framing::length) return head.length;
  if (head.framing == Framing::none && fields().contains("Content-Length")) return 0;
  return std::nullopt;
}

void append_response(std::string& out, const RequestParser& request,
                     const WholeResponse& response) {
  const bool may_have_body =
      response.status != Status::no_content && response.status != Status::not_modified;
  const bool closes = response.closes || !request.keeps_alive();
  {
    const std::size_t own = response.fields ? HeadWriter::size_of(*response.fields) : 0;
    HeadWriter head{out, HeadWriter::room + own};
    head.status_line(response.status);
    const bool has_date = response.fields != nullptr && response.fields->contains("Date");
    if (!has_date) head.text(detail::date_line());
    if (response.fields != nullptr) head.fields(*response.fields);
    if (may_have_body) head.content_length(response.body.size());
    head.end(closes, request.minor_version() == 0);
  }
  if (may_have_body && request.method() != Method::head) out.append(response.body);
}

}  // namespace evcoro::http
