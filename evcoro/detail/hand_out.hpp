// HandOut: where the connections of an acceptor go, if not into threads of its own loop.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/net/tcp_acceptor.hpp>

namespace evcoro::detail {

// Departure is a connection on its way to its loop. With it goes what tells the acceptor that it is
// gone: whatever becomes of the connection, when end is destroyed it has ended.
struct Departure {
  OwnedDescriptor descriptor;
  bool is_tcp = true;
  std::shared_ptr<const ConnectionHandler> handler;
  std::string name;
  std::optional<Rate> receive_rate;
  std::optional<Rate> send_rate;
  corothread::SourceLocation where;
  std::shared_ptr<void> end;
};

// All of these are called in the acceptor's OS thread.
class HandOut {
 public:
  virtual ~HandOut() = default;

  // has_room() says whether some loop can take another connection.
  virtual bool has_room() const noexcept = 0;

  // choose() takes a place for a connection, when there is room; give_back() gives it up.
  virtual std::size_t choose() noexcept = 0;
  virtual void give_back(std::size_t place) noexcept = 0;

  // send() sends a connection there. Throws std::bad_alloc.
  virtual void send(std::size_t place, Departure departure) = 0;
};

}  // namespace evcoro::detail
