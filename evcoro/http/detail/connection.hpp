// Connection: one request after the other, on a stream.
//
//   wait_for_request()     idle: no Workspace, only two pages of stack
//        |  something is there: take a Workspace
//        v
//   read_head()            Input, Parser --bad, late--> answer(), the end
//        |
//        v
//   exchange()             the handler, with Request and Response: Body, Output
//        |
//        v
//   settle()               500, or the end of the response; what of the body is left; flush
//        |
//        +-- the next, if the connection is kept
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string_view>

#include <evcoro/http/detail/body.hpp>
#include <evcoro/http/detail/head.hpp>
#include <evcoro/http/detail/input.hpp>
#include <evcoro/http/detail/output.hpp>
#include <evcoro/http/detail/parser.hpp>
#include <evcoro/http/detail/registry.hpp>
#include <evcoro/http/detail/workspace.hpp>
#include <evcoro/http/serve.hpp>

namespace evcoro::http::detail {

class Connection {
 public:
  // entry is nullptr of a connection that nobody drains.
  Connection(AnyStream stream, const Handler& handler, const ServeOptions& options,
             const Address& peer, RegistryEntry* entry) noexcept
      : stream_(stream),
        handler_(handler),
        options_(options),
        peer_(peer),
        entry_(entry),
        output_(stream, options.limits.write_idle),
        body_(stream, input_, output_, parser_, options.limits) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { leave_memory(); }

  void run();

  // These are for Request, Response and Upgraded.
  const ServeOptions& options() const noexcept { return options_; }
  const Address& peer() const noexcept { return peer_; }
  const Head& head() const noexcept { return head_; }
  Workspace& workspace() noexcept { return *workspace_; }
  AnyStream stream() const noexcept { return stream_; }
  Input& input() noexcept { return input_; }
  Output& output() noexcept { return output_; }
  Body& body() noexcept { return body_; }

  // keeps_alive() says whether a further request may follow this one.
  bool keeps_alive() const noexcept;

  // peer_has_left() and wait_for_departure() are as Response's. What comes instead waits in the
  // input for its turn.
  bool peer_has_left();
  std::error_code wait_for_departure(Timeout timeout);

  // grant_last_word() lets a response that begins be sent, though the server has cancelled the
  // thread at the end of its patience.
  void grant_last_word() noexcept {
    if (entry_ != nullptr && entry_->is_cancelled()) output_.grant_last_word(entry_->last_word());
  }

  // flush_response() sends what is complete, unless it may wait for the next response.
  std::error_code flush_response();

  // is_draining() and wait_for_message() are as Upgraded's.
  bool is_draining() const noexcept { return entry_ != nullptr && entry_->is_draining(); }
  std::error_code wait_for_message(Timeout timeout);

 private:
  bool wait_for_request();
  bool wait_without_memory();
  template <class Wait>
  std::error_code wait_idly(bool is_idle, Wait wait);
  void take_memory();
  void leave_memory() noexcept;
  bool read_head();
  bool skip_empty_line() noexcept;
  bool receive_head(bool has_begun, TimePoint& deadline);
  bool exchange();
  bool settle(Response& response);
  Status own_answer(const Response& response) const noexcept;
  bool can_look_ahead() const noexcept;
  IoResult look_ahead();
  bool has_more();
  std::error_code wait_as_idle(TimePoint deadline, bool for_input);
  void report(const Request* request, Status status, std::uint64_t bytes, TimePoint begun) const;
  void report_answer() const;
  std::uint64_t answer_bytes() const noexcept;
  void answer(Status status);
  void append_answer(Status status);
  void linger();

  AnyStream stream_;
  const Handler& handler_;
  const ServeOptions& options_;
  const Address& peer_;
  RegistryEntry* const entry_;
  PooledWorkspace workspace_;
  Parser parser_{Parser::Kind::request};
  Head head_;
  Input input_;
  Output output_;
  Body body_;
  std::exception_ptr exception_;    // the handler's, thrown on when the client has been served
  std::size_t count_ = 0;           // of requests
  bool has_skipped_line_ = false;   // before the head that is being read
  Status answered_ = Status::none;  // by an answer of the library's own
  std::uint64_t answer_begin_ = 0;  // of its body, in the output
  bool has_left_ = false;           // the peer, as far as that was asked
  bool has_unread_ = false;         // the peer may have sent more than was read
};

}  // namespace evcoro::http::detail
