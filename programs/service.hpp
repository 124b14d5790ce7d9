// Service: what the server listens for on one port, with a cap of its own on its connections.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <evcoro/net/address.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <programs/traffic.hpp>

namespace programs {

class Service {
 public:
  using Counters = evcoro::TcpAcceptor::Counters;

  Service(std::string name, std::size_t capacity, std::size_t loops)
      : name_(std::move(name)), capacity_(capacity), traffic_(std::make_shared<Traffic>(loops)) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  virtual ~Service() = default;

  const std::string& name() const noexcept { return name_; }
  std::size_t capacity() const noexcept { return capacity_; }  // connections at once
  const Traffic& traffic() const noexcept { return *traffic_; }

  virtual evcoro::Address local_address() const = 0;

  // counters() may be asked for in a thread of any loop, and outside of all.
  virtual Counters counters() const = 0;

  // drain() stops listening, and waits in the calling thread until the connections have ended.
  virtual std::error_code drain() = 0;

 protected:
  // Connections share it: they may outlive the service.
  const std::shared_ptr<Traffic>& shared_traffic() const noexcept { return traffic_; }

 private:
  const std::string name_;
  const std::size_t capacity_;
  const std::shared_ptr<Traffic> traffic_;
};

}  // namespace programs
