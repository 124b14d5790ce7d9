// ClientExchange: one request and its response on a connection, which it holds until the body has
// been read.
//
//   run()    send the head (and the body)     <-- 100, or some time, if that is asked for
//     |
//     |      receive heads, until the final one
//     v
//   recv()   the body; at its end: give_back(), or close() if the connection can't be used again
//     |
//     v
//   ~        the rest of a body that is there already; else close()
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include <evcoro/http/client.hpp>
#include <evcoro/http/detail/client_pool.hpp>
#include <evcoro/http/detail/request_writer.hpp>
#include <evcoro/http/detail/response_reader.hpp>
#include <evcoro/http/detail/workspace.hpp>

namespace evcoro::http::detail {

class ClientExchange {
 public:
  // Throws std::bad_alloc.
  ClientExchange(ClientPool::Lease lease, std::shared_ptr<const ClientOptions> options,
                 TimePoint deadline);
  ~ClientExchange();
  ClientExchange(const ClientExchange&) = delete;
  ClientExchange& operator=(const ClientExchange&) = delete;

  // run() is over when the head of the response is there. Throws what a producer does.
  std::error_code run(const RequestPlan& plan);

  // is_unheard() says whether the server may well not have seen the request: the connection was
  // lost before anything came back.
  bool is_unheard(std::error_code error) const noexcept;

  const Head& head() const noexcept { return reader_.head(); }
  const Workspace& workspace() const noexcept { return *workspace_; }

  // recv() and read_all() are those of ClientResponse.
  IoResult recv(std::span<std::byte> buffer, Timeout timeout);
  Result<std::string> read_all(std::uint64_t limit, Timeout timeout);
  std::uint64_t body_limit() const noexcept { return options_->limits.body; }
  bool is_complete() const noexcept { return reader_.is_over(); }

  // drain() reads what is left of the body, if that is little and comes soon.
  void drain();

  Result<OwnedStream> upgrade();
  void close() noexcept { lease_.close(); }

 private:
  std::error_code send(RequestWriter& writer, const RequestPlan& plan);
  std::error_code await_continue();
  std::error_code await_head();
  std::error_code finish_head(const RequestPlan& plan);
  void settle() noexcept;
  void skip_rest(Timeout timeout);
  std::error_code fail(std::error_code error) noexcept;

  ClientPool::Lease lease_;
  const std::shared_ptr<const ClientOptions> options_;
  const TimePoint deadline_;
  PooledWorkspace workspace_;
  ResponseReader reader_;
  bool is_sent_ = false;  // the whole request
  std::error_code failure_;
};

}  // namespace evcoro::http::detail
