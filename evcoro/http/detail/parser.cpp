#include <evcoro/http/detail/parser.hpp>

#include <algorithm>
#include <cstring>

#include <evcoro/http/detail/controls.hpp>
#include <evcoro/http/detail/fields_access.hpp>
#include <evcoro/http/detail/text.hpp>

namespace evcoro::http::detail {
namespace {

constexpr std::size_t most_digits = 16;  // of a chunk's size
constexpr std::size_t most_extensions = 64;
constexpr std::size_t most_entries = 16 * 1024;  // memory for all is there from the beginning

// Whether size is beyond limit and extra, whose sum may overflow.
bool exceeds(std::size_t size, std::size_t limit, std::size_t extra) noexcept {
  return size > extra && size - extra > limit;
}

}  // namespace

constinit const llhttp_settings_t Parser::settings_ = [] {
  llhttp_settings_t made{};
  made.on_header_field = on_field;
  made.on_headers_complete = pause;
  made.on_chunk_header = pause;
  made.on_message_complete = pause;
  return made;
}();

int Parser::pause(llhttp_t*) noexcept { return HPE_PAUSED; }

// The name of a field, or a further part of it, if that ends with the text that was there.
int Parser::on_field(llhttp_t* machine, const char* at, std::size_t size) noexcept {
  Parser& parser = self(machine);
  std::vector<FieldEntry>& entries = *parser.entries_;
  const auto begin = static_cast<std::uint32_t>(at - parser.text_);
  const bool goes_on = begin == parser.name_end_;
  parser.name_end_ = begin + static_cast<std::uint32_t>(size);
  if (goes_on) {
    entries.back().name_size += static_cast<std::uint32_t>(size);
    return 0;
  }
  if (entries.size() == parser.most_fields_) {
    parser.failure_ = Status::request_header_fields_too_large;
    return HPE_USER;
  }
  if (entries.size() == entries.capacity()) __builtin_unreachable();  // see prepare()
  entries.push_back({.name = begin, .name_size = static_cast<std::uint32_t>(size)});
  return 0;
}

// No memory is needed in a callback then.
void Parser::prepare(Fields& fields, std::size_t most) {
  fields.clear();
  entries_ = &FieldsAccess::entries(fields);
  most_fields_ = std::min(most, most_entries);
  entries_->reserve(most_fields_);
}

void Parser::start(const Limits& limits, Fields& fields, Method answers) {
  prepare(fields, limits.fields);
  limits_ = &limits;
  answers_ = answers;
  fields_ = &fields;
  failure_ = Status::none;
  name_end_ = 0;  // which is that of none
  is_paused_ = false;
  fed_ = 0;
  llhttp_init(&machine_, kind_ == Kind::request ? HTTP_REQUEST : HTTP_RESPONSE, &settings_);
  machine_.data = this;
}

bool Parser::feed(std::string_view text) noexcept {
  if (text.size() == fed_) return false;
  text_ = text.data();
  if (is_paused_) llhttp_resume(&machine_);
  is_paused_ = false;
  const auto error = llhttp_execute(&machine_, text.data() + fed_, text.size() - fed_);
  if (error == HPE_PAUSED) {
    fed_ = static_cast<std::size_t>(llhttp_get_error_pos(&machine_) - text.data());
    is_paused_ = true;
    return true;
  }
  fed_ = text.size();
  if (error != HPE_OK && failure_ == Status::none) failure_ = to_status(error);
  return false;
}

Status Parser::to_status(llhttp_errno_t error) const noexcept {
  const char* const place = llhttp_get_error_pos(&machine_);
  switch (error) {
    case HPE_INVALID_METHOD:
      return is_token_character(*place) ? Status::not_implemented : Status::bad_request;
    case HPE_INVALID_CONSTANT:  // the methods of RTSP, behind the others
      return machine_.method > HTTP_PRI ? Status::not_implemented : Status::bad_request;
    case HPE_INVALID_VERSION:
      return std::strcmp(llhttp_get_error_reason(&machine_), "Invalid HTTP version") == 0
                 ? Status::http_version_not_supported
                 : Status::bad_request;
    case HPE_PAUSED_H2_UPGRADE:
      return Status::http_version_not_supported;
    default:
      return Status::bad_request;
  }
}

Parser::Found Parser::fail(Status status) noexcept {
  failure_ = kind_ == Kind::request ? status : Status::bad_gateway;
  return {State::failed, 0};
}

// --- the head ---

// What of a head is longer than its limit before it is whole. The line's end may be there already,
// and the first byte of what follows.
Status Parser::check_size(std::size_t size) const noexcept {
  if (entries_->empty()) {
    return exceeds(size, limits_->request_line, 4) ? Status::uri_too_long : Status::none;
  }
  const std::size_t begin = entries_->front().name;
  return exceeds(size - begin, limits_->fields_size, 2) ? Status::request_header_fields_too_large
                                                        : Status::none;
}

Parser::Found Parser::read_head(std::string_view text, Head& head) noexcept {
  if (!feed(text)) {
    if (failure_ == Status::none) failure_ = check_size(text.size());
    return failure_ == Status::none ? Found{} : fail(failure_);
  }
  const std::string_view whole = text.substr(0, fed_);
  const Status status =
      kind_ == Kind::request
          ? read_request_head(whole, static_cast<Method>(machine_.method), *limits_, *fields_, head)
          : read_response_head(whole, answers_, *limits_, *fields_, head);
  if (status != Status::none) return fail(status);
  const bool is_chunked = (machine_.flags & F_CHUNKED) != 0;  // to llhttp, who reads the chunks
  if (head.framing == Framing::chunked && !is_chunked) return fail(Status::bad_request);
  return {State::whole, fed_};
}

// --- a chunked body ---

void Parser::start_body(Fields& trailers) {
  prepare(trailers, limits_->trailers);
  trailers_ = &trailers;
  name_end_ = 0;
  is_first_chunk_ = true;
  is_in_trailers_ = false;
  fed_ = 0;
  extensions_ = 0;
  chunk_left_ = 0;
}

Parser::Found Parser::check_frame_size(std::size_t size) noexcept {
  const bool is_too_long = is_in_trailers_
                               ? exceeds(size - last_size_, limits_->fields_size, 2)
                               : exceeds(size, limits_->chunk_extension, 2 + most_digits + 2);
  if (!is_too_long) return {};
  return fail(is_in_trailers_ ? Status::request_header_fields_too_large : Status::bad_request);
}

// llhttp has found it well-formed, but for the number of its digits.
bool Parser::is_chunk_head(std::string_view line) noexcept {
  line.remove_prefix(is_first_chunk_ ? 0 : 2);
  line.remove_suffix(2);
  std::size_t digits = 0;
  while (digits < line.size() && hex_value(line[digits]) >= 0) ++digits;
  const std::size_t extension = line.size() - digits;
  extensions_ += extension;
  return digits <= most_digits && extension <= limits_->chunk_extension &&
         (extensions_ + most_extensions - 1) / most_extensions <= limits_->chunk_extension &&
         has_no_more_controls(line, 0);
}

Parser::Found Parser::finish_trailers(std::string_view text) noexcept {
  const std::string_view section = text.substr(last_size_, fed_ - last_size_);
  if (exceeds(section.size(), limits_->fields_size, 2)) {
    return fail(Status::request_header_fields_too_large);
  }
  if (!has_no_more_controls(section, 2 * (entries_->size() + 1))) return fail(Status::bad_request);
  const Status status = read_fields(section, *limits_, last_size_, *entries_);
  if (status != Status::none) return fail(status);
  FieldsAccess::borrow(*trailers_, text.data());
  return {State::whole, fed_};
}

Parser::Found Parser::read_frame(std::string_view text) noexcept {
  while (feed(text)) {
    if (is_in_trailers_) return finish_trailers(text);
    if (!is_chunk_head(text.substr(0, fed_))) return fail(Status::bad_request);
    is_first_chunk_ = false;
    chunk_left_ = machine_.content_length;
    if (chunk_left_ > 0) {
      const Found found{State::chunk, fed_};
      fed_ = 0;
      return found;
    }
    is_in_trailers_ = true;
    last_size_ = fed_;
  }
  return failure_ == Status::none ? check_frame_size(text.size()) : fail(failure_);
}

// At most chunk_left() bytes.
void Parser::pass_data(std::string_view data) noexcept {
  if (is_paused_) llhttp_resume(&machine_);
  is_paused_ = false;
  static_cast<void>(llhttp_execute(&machine_, data.data(), data.size()));
  chunk_left_ -= data.size();
}

}  // namespace evcoro::http::detail
