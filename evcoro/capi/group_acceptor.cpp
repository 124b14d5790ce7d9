#include <evcoro/net/group_acceptor.h>

#include <memory>
#include <utility>

#include <evcoro/capi/acceptor.hpp>
#include <evcoro/capi/group.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/net/group_acceptor.hpp>

using namespace evcoro::capi;
using evcoro::Errc;
using evcoro::GroupAcceptor;
using evcoro::GroupAcceptorOptions;
using evcoro::Spread;

static_assert(EVSPREAD_AUTOMATIC == static_cast<int>(Spread::automatic) &&
              EVSPREAD_HAND_OUT == static_cast<int>(Spread::hand_out) &&
              EVSPREAD_REUSE_PORT == static_cast<int>(Spread::reuse_port));

struct tagEVGROUPACCEPTOR {
  tagEVGROUPACCEPTOR(EVLOOPGROUP& its_group, const SOCKADDR& address,
                     evcoro::ConnectionFactory factory, GroupAcceptorOptions options)
      : group(its_group),
        acceptor(its_group.group, to_address(address), std::move(factory), std::move(options)) {}

  const EVLOOPGROUP& group;
  GroupAcceptor acceptor;
};

namespace {

// False, with errno, unless acceptor can be used here.
bool may_be_used(const EVGROUPACCEPTOR* acceptor, bool has_arguments) noexcept {
  if (acceptor == nullptr || !has_arguments) return fail(EINVAL), false;
  return !acceptor->group.is_foreign() || (fail(Errc::parents_loop), false);
}

template <class Counters>
int store_counters(EVGROUPACCEPTOR* acceptor, Counters* counters) noexcept try {
  if (!may_be_used(acceptor, counters != nullptr)) return -1;
  evcoro::capi::store(acceptor->acceptor.counters(), *counters);
  return 0;
} catch (...) {
  return fail_as_caught();
}

}  // namespace

int EVGROUPACCEPTOR_OPTIONS_init(EVGROUPACCEPTOR_OPTIONS* options) noexcept {
  if (options == nullptr) return fail(EINVAL);
  *options = {};
  return EVTCPACCEPTOR_OPTIONS_init(&options->acceptor);
}

EVGROUPACCEPTOR* EVGROUPACCEPTOR_init(EVLOOPGROUP* group,
                                      const EVGROUPACCEPTOR_OPTIONS* options) noexcept try {
  if (group == nullptr || options == nullptr) return refuse(EINVAL);
  const EVTCPACCEPTOR_OPTIONS& from = options->acceptor;
  if (from.address == nullptr || from.factory == nullptr || from.stacks != nullptr ||
      options->spread < EVSPREAD_AUTOMATIC || options->spread > EVSPREAD_REUSE_PORT) {
    return refuse(EINVAL);
  }
  if (group->is_foreign()) return refuse(Errc::parents_loop);
  const auto callbacks =
      std::make_shared<const Callbacks>(Callbacks{.factory = from.factory,
                                                  .factory_ctx = from.factory_ctx,
                                                  .discard = from.discard,
                                                  .refuse = from.refuse});
  GroupAcceptorOptions to;
  to.spread = static_cast<Spread>(options->spread);
  if (options->max_per_loop > 0) to.max_per_loop = options->max_per_loop;
  to_options(from, callbacks, "EVGROUPACCEPTOR_init", to.acceptor);
  return new EVGROUPACCEPTOR(*group, *from.address, to_factory(callbacks), std::move(to));
} catch (...) {
  fail_as_caught();
  return nullptr;
}

EVSPREAD EVGROUPACCEPTOR_spread(EVGROUPACCEPTOR* acceptor) noexcept {
  if (acceptor == nullptr) return fail(EINVAL), EVSPREAD_AUTOMATIC;
  return static_cast<EVSPREAD>(acceptor->acceptor.spread());
}

int EVGROUPACCEPTOR_counters(EVGROUPACCEPTOR* acceptor, EVTCPACCEPTOR_COUNTERS* counters) noexcept {
  return store_counters(acceptor, counters);
}

int EVGROUPACCEPTOR_refusals(EVGROUPACCEPTOR* acceptor, EVTCPACCEPTOR_REFUSALS* refusals) noexcept {
  return store_counters(acceptor, refusals);
}

int EVGROUPACCEPTOR_local_address(EVGROUPACCEPTOR* acceptor, SOCKADDR* address) noexcept {
  if (acceptor == nullptr || address == nullptr) return fail(EINVAL);
  return evcoro::capi::store(acceptor->acceptor.local_address(), *address);
}

int EVGROUPACCEPTOR_drain(EVGROUPACCEPTOR* acceptor, struct timeval timeout) noexcept try {
  if (!may_be_used(acceptor, true)) return -1;
  return finish(acceptor->acceptor.drain(to_timeout(timeout)));
} catch (...) {
  return fail_as_caught();
}

void EVGROUPACCEPTOR_close(EVGROUPACCEPTOR* acceptor) noexcept { delete acceptor; }
