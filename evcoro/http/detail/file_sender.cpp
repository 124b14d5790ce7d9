#include <evcoro/http/detail/file_sender.hpp>

#include <sys/random.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/http/detail/codings.hpp>
#include <evcoro/http/detail/plain.hpp>
#include <evcoro/http/detail/ranges.hpp>

namespace evcoro::http::detail {
namespace {

// "bytes 0-99/1000"
std::string content_range(const Range& range, std::uint64_t size) {
  return "bytes " + std::to_string(range.offset) + "-" +
         std::to_string(range.offset + range.size - 1) + "/" + std::to_string(size);
}

// A line that isn't in the file, for it can't be guessed.
std::string make_boundary() {
  std::uint64_t random[2]{};
  static_cast<void>(::getrandom(random, sizeof random, 0));
  return "evcoro-" + std::to_string(random[0]) + "-" + std::to_string(random[1]);
}

class FileSender {
 public:
  FileSender(Response& response, const OpenFile& file) noexcept
      : response_(response), file_(file) {}

  void send_whole() {
    response_.fields().add("Content-Type", file_.type);
    send_part({0, file_.size});
  }

  void send_ranges(const Ranges& ranges) {
    if (ranges.state != Ranges::State::partial) return send_whole();
    response_.set_status(Status::partial_content);
    if (ranges.list.size() > 1) return send_multipart(ranges.list);
    response_.fields().add("Content-Type", file_.type);
    response_.fields().add("Content-Range", content_range(ranges.list[0], file_.size));
    send_part(ranges.list[0]);
  }

 private:
  std::string_view content(const Range& range) const noexcept {
    return std::string_view{file_.content}.substr(range.offset, range.size);
  }

  void send_part(const Range& range) {
    if (file_.is_small) return static_cast<void>(response_.send(content(range)));
    response_.send_file(file_.descriptor.get(), range.offset, range.size);
  }

  std::error_code write_part(const Range& range) {
    if (file_.is_small) return response_.write(content(range));
    return response_.send_file(file_.descriptor.get(), range.offset, range.size);
  }

  std::string part_head(const Range& range, std::string_view boundary) const {
    std::string head{"\r\n--"};
    head.append(boundary).append("\r\nContent-Type: ").append(file_.type);
    head.append("\r\nContent-Range: ").append(content_range(range, file_.size));
    return head.append("\r\n\r\n");
  }

  void send_multipart(const std::vector<Range>& ranges) {
    const std::string boundary = make_boundary();
    const std::string end = "\r\n--" + boundary + "--\r\n";
    std::uint64_t length = end.size();
    for (const Range& range : ranges) length += part_head(range, boundary).size() + range.size;
    response_.fields().add("Content-Type", "multipart/byteranges; boundary=" + boundary);
    response_.set_content_length(length);
    for (const Range& range : ranges) {
      if (response_.write(part_head(range, boundary)) || write_part(range)) return;
    }
    if (!response_.write(end)) response_.end();
  }

  Response& response_;
  const OpenFile& file_;
};

bool prefers_gzip(const Request& request) {
  const Codings accepted = accepted_codings(request.fields());
  return accepted.gzip > 0 && accepted.gzip >= accepted.identity;
}

void add_fields(Response& response, const OpenFile& file, const FilesOptions& options) {
  Fields& fields = response.fields();
  fields.add("ETag", file.etag);
  fields.add("Last-Modified", file.modified_text);
  if (!options.cache_control.empty()) fields.add("Cache-Control", options.cache_control);
}

Ranges wanted_ranges(const Request& request, const OpenFile& file, const FilesOptions& options) {
  const Fields& asked = request.fields();
  const auto range = asked.get("Range");
  const bool has_ranges = range && request.method() == Method::get && asked.count("Range") == 1 &&
                          options.max_ranges > 0 && allows_ranges(asked, file.validators());
  return has_ranges ? parse_ranges(*range, file.size, options.max_ranges) : Ranges{};
}

void refuse_ranges(Response& response, const OpenFile& file) {
  response.fields().add("Content-Range", "bytes */" + std::to_string(file.size));
  send_plain(response, Status::range_not_satisfiable);
}

}  // namespace

void send_open_file(Request& request, Response& response, const OpenFile& file,
                    const FilesOptions& options) {
  const bool sends_gzip = file.gzip != nullptr && prefers_gzip(request);
  const OpenFile& chosen = sends_gzip ? *file.gzip : file;
  // The others are about the file, not about a refusal: that must be neither decoded nor cached.
  if (options.precompressed) response.fields().add("Vary", "Accept-Encoding");
  switch (check_conditions(request.fields(), true, chosen.validators())) {
    case Verdict::not_modified:
      add_fields(response, chosen, options);
      response.set_status(Status::not_modified);
      response.send("");
      return;
    case Verdict::failed:
      send_plain(response, Status::precondition_failed);
      return;
    case Verdict::send:
      break;
  }
  const Ranges ranges = wanted_ranges(request, chosen, options);
  if (ranges.state == Ranges::State::unsatisfiable) return refuse_ranges(response, chosen);
  add_fields(response, chosen, options);
  response.fields().add("Accept-Ranges", "bytes");
  if (sends_gzip) response.fields().add("Content-Encoding", "gzip");
  FileSender{response, chosen}.send_ranges(ranges);
}

}  // namespace evcoro::http::detail
