#include <evcoro/net/socket_activation.h>

#include <cerrno>

#include <evcoro/net/socket_activation.hpp>
#include <stacks/stacks_c.hpp>

using evcoro::ActivatedSocket;

int EVACTIVATION_take(void (*visit)(int fd, const char* name, void* ctx), void* ctx) noexcept {
  if (visit == nullptr) return evcoro::stacks::fail(EINVAL);
  auto sockets = evcoro::take_activated_sockets();
  if (!sockets) return evcoro::stacks::fail(sockets.error());
  for (ActivatedSocket& each : *sockets) visit(each.release(), each.name.c_str(), ctx);
  return static_cast<int>(sockets->size());
}
