// RequestWriter: sends a request: the head, and the body in one piece or as it is produced.
//
// A server may answer before it has got all of the body, and then perhaps takes no more of it. So
// it is looked for an answer between the pieces, not at each of many small ones, and now and then
// while nothing is taken; when there is one, the rest is not sent. An answer of success (2xx) ends
// it only if all of that is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/http/client_request.hpp>
#include <evcoro/http/detail/response_reader.hpp>
#include <evcoro/http/url.hpp>
#include <evcoro/io/owned_stream.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::http::detail {

// RequestPlan is what is asked for after a number of redirects. It refers to all of that.
struct RequestPlan {
  const ClientRequest& request;
  Method method;
  const Url& url;
  const Fields& fields;
  std::string_view user_agent;
  std::string_view proxy_authorization;  // the field, or ""; for a proxy's eyes alone
  bool has_body;                         // the request's has not been left out
  bool is_proxied;                       // the proxy is asked for the whole URL

  bool is_produced() const noexcept { return has_body && request.produce != nullptr; }
  bool awaits_continue() const noexcept {
    return request.expects_continue && (is_produced() || (has_body && !request.body.empty()));
  }
};

class RequestWriter {
 public:
  RequestWriter(OwnedStream& stream, ResponseReader& reader, std::string& out,
                TimePoint deadline) noexcept
      : stream_(stream), reader_(reader), out_(out), deadline_(deadline) {}

  // append_head() puts the head together, flush() sends what is there. Throws std::bad_alloc.
  void append_head(const RequestPlan& plan);
  std::error_code flush();

  // send_body() sends what is there, and the body. Throws what the producer does.
  std::error_code send_body(const RequestPlan& plan);

  // These are BodyWriter's.
  std::error_code write(std::string_view data);
  std::error_code append(std::string_view data);
  std::error_code flush_appended();

  // stream_error() is what the stream has said, or connection_lost if it was answered early; an
  // error that is not the producer's own.
  std::error_code stream_error() const noexcept { return stream_error_; }

 private:
  bool is_answered();
  bool is_time_to_look(std::size_t size) noexcept;
  std::error_code send(std::string_view data);
  std::error_code send_in_slices(std::string_view data);
  void put_part(std::string_view data);
  std::error_code send_part(std::string_view data);
  std::error_code produce(const RequestPlan& plan);
  std::error_code check_length(std::size_t size) const noexcept;
  void append_fields(const RequestPlan& plan);
  void append_body_fields(const RequestPlan& plan);

  OwnedStream& stream_;
  ResponseReader& reader_;
  std::string& out_;
  const TimePoint deadline_;
  std::error_code stream_error_;
  bool is_chunked_ = false;
  bool has_length_ = false;
  std::uint64_t left_ = 0;      // of what was announced
  std::string appended_;        // and not yet sent: no more than a small piece
  TimePoint next_look_ = {};    // at the latest
  std::size_t since_look_ = 0;  // bytes
};

}  // namespace evcoro::http::detail
