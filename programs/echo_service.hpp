// EchoService: sends back what it receives. A request is what came in one piece.
#pragma once

#include <evcoro/loop_group.hpp>
#include <evcoro/net/group_acceptor.hpp>
#include <programs/service.hpp>
#include <programs/settings.hpp>

namespace programs {

class EchoService final : public Service {
 public:
  // Throws std::system_error, whose what() names the address.
  EchoService(evcoro::LoopGroup& group, const evcoro::Address& address, const Settings& settings);

  evcoro::Address local_address() const override { return acceptor_.local_address(); }
  Counters counters() const override { return acceptor_.counters(); }
  std::error_code drain() override { return acceptor_.drain(); }

 private:
  evcoro::GroupAcceptor acceptor_;
};

}  // namespace programs
