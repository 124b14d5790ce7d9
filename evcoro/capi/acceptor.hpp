// What the acceptors of the C face have in common. Private to it.
#pragma once

#include <memory>

#include <evcoro/evthread.h>
#include <evcoro/net/limits.h>
#include <evcoro/net/tcp_acceptor.hpp>

namespace evcoro::capi {

// Callbacks are the application's functions, kept while a connection may need them.
struct Callbacks {
  EVTHREAD_FACTORY plain_factory = nullptr;  // one of the two
  EVTHREAD_FACTORY_EX factory = nullptr;
  void* factory_ctx = nullptr;
  void (*discard)(void* ctx, void* factory_ctx) = nullptr;
  void (*refuse)(EVREFUSAL* refusal, void* factory_ctx) = nullptr;

  bool has_factory() const noexcept { return plain_factory != nullptr || factory != nullptr; }
};

// to_factory() asks them what is to run on a connection.
ConnectionFactory to_factory(std::shared_ptr<const Callbacks> callbacks);

// to_options() stores all but the address and the stacks. where is what people are told without a
// file.
void to_options(const EVTCPACCEPTOR_OPTIONS& from,
                const std::shared_ptr<const Callbacks>& callbacks, const char* where,
                AcceptorOptions& to);

void store(const TcpAcceptor::Counters& from, EVTCPACCEPTOR_COUNTERS& to) noexcept;
void store(const TcpAcceptor::Counters& from, EVTCPACCEPTOR_REFUSALS& to) noexcept;

}  // namespace evcoro::capi
