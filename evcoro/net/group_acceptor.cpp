#include <evcoro/net/group_acceptor.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <mutex>
#include <string>

#include <evcoro/detail/acceptor_libevent.hpp>
#include <evcoro/detail/hand_out.hpp>
#include <evcoro/detail/listener.hpp>
#include <evcoro/detail/socket_libevent.hpp>
#include <evcoro/detail/spawn_request.hpp>
#include <evcoro/loop_group.hpp>
#include <evcoro/sync/latch.hpp>

namespace evcoro {
namespace detail {

// ArrivalRequest spawns a connection's thread on the loop that it was sent to.
class ArrivalRequest final : public SpawnRequest {
 public:
  explicit ArrivalRequest(Departure departure)
      : SpawnRequest({.name = departure.name, .where = departure.where}),
        departure_(std::move(departure)) {}

  std::error_code start(Loop& loop) override {
    auto* const state =
        SocketState::make(loop.core(), departure_.descriptor.get(), departure_.is_tcp);
    if (state == nullptr) return system_error(ENOMEM);
    static_cast<void>(departure_.descriptor.release());
    Socket socket{*state};
    if (!set_own_rates(*state)) return system_error(ENOMEM);
    auto thread = loop.spawn(options(), Connection{std::move(departure_.handler),
                                                   std::move(departure_.end), std::move(socket)});
    if (!thread) return thread.error();
    thread->detach();
    return {};
  }

 private:
  // What a connection's thread runs; the socket is closed before the end is told.
  struct Connection {
    void operator()() {
      (*handler)(socket);
      socket.close();
    }
    std::shared_ptr<const ConnectionHandler> handler;
    std::shared_ptr<void> end;
    Socket socket;
  };

  bool set_own_rates(SocketState& state) const {
    const auto bucket = [](const std::optional<Rate>& rate) {
      return rate ? std::make_shared<TokenBucket>(*rate) : nullptr;
    };
    return state.set_bandwidth(Throttle::own,
                               {bucket(departure_.receive_rate), bucket(departure_.send_rate)});
  }

  Departure departure_;
};

// GroupHandOut gives each connection to the loop that has the fewest.
class GroupHandOut final : public HandOut {
 public:
  GroupHandOut(LoopGroup& group, std::vector<std::size_t> room)
      : group_(group), room_(std::move(room)), active_(room_.size()) {}

  bool has_room() const noexcept override {
    for (std::size_t i = 0; i < room_.size(); ++i) {
      if (active_[i] < room_[i]) return true;
    }
    return false;
  }

  std::size_t choose() noexcept override {
    std::size_t best = room_.size();
    for (std::size_t i = 0; i < room_.size(); ++i) {
      const std::size_t place = (next_ + i) % room_.size();
      if (active_[place] >= room_[place]) continue;
      if (best == room_.size() || active_[place] < active_[best]) best = place;
    }
    next_ = (best + 1) % room_.size();
    ++active_[best];
    return best;
  }

  void give_back(std::size_t place) noexcept override { --active_[place]; }

  void send(std::size_t place, Departure departure) override {
    group_.admit(place, std::make_unique<ArrivalRequest>(std::move(departure)));
  }

 private:
  LoopGroup& group_;
  const std::vector<std::size_t> room_;  // connections that each loop takes
  std::vector<std::size_t> active_;
  std::size_t next_ = 0;
};

namespace {

Spread resolve(const GroupAcceptorOptions& options, const Address& address) {
  if (options.spread != Spread::automatic) return options.spread;
  const bool is_internet = address.family() == AF_INET || address.family() == AF_INET6;
  const bool may_be_spread_by_kernel =
      is_internet && options.acceptor.when_full == WhenFull::reject;
  return may_be_spread_by_kernel ? Spread::reuse_port : Spread::hand_out;
}

[[noreturn]] void refuse(const char* why) { throw std::system_error(system_error(EINVAL), why); }

void require_sharable(const AcceptorOptions& options, Spread spread) {
  if (options.reserve != 0) refuse("GroupAcceptor: a reserve belongs to one loop");
  if (options.bandwidth.receive != nullptr || options.bandwidth.send != nullptr)
    refuse("GroupAcceptor: a bandwidth of all connections belongs to one loop");
  if (options.stacks != nullptr) refuse("GroupAcceptor: a pool of stacks belongs to one loop");
  if (options.accept_rate != nullptr && spread == Spread::reuse_port)
    refuse("GroupAcceptor: an accept_rate belongs to one loop; use Spread::hand_out");
}

void add(TcpAcceptor::Counters& sum, const TcpAcceptor::Counters& counters) noexcept {
  sum.accepted += counters.accepted;
  sum.refused += counters.refused;
  sum.waiting += counters.waiting;
  sum.active += counters.active;
  sum.peak += counters.peak;
  sum.refused_no_stack += counters.refused_no_stack;
  sum.refused_max_connections += counters.refused_max_connections;
  sum.refused_rate += counters.refused_rate;
  sum.refused_max_per_address += counters.refused_max_per_address;
}

}  // namespace
}  // namespace detail

namespace {

std::unique_ptr<stacks::StackPool> make_drain_stack() {
  return std::make_unique<stacks::StackPool>(
      stacks::StackPool::Options{.capacity = 1, .stack_size = 64 * 1024});
}

}  // namespace

GroupAcceptor::GroupAcceptor(LoopGroup& group, const Address& address, ConnectionFactory factory,
                             Options options, Tag)
    : group_(group), spread_(detail::resolve(options, address)) {
  detail::require_sharable(options.acceptor, spread_);
  if (spread_ == Spread::hand_out) {
    open_one(address, std::move(factory), std::move(options));
  } else {
    open_on_each(address, factory, options);
  }
}

void GroupAcceptor::open_one(const Address& address, ConnectionFactory factory, Options options) {
  std::vector<std::size_t> room(group_.size());
  for (std::size_t i = 0; i < room.size(); ++i) {
    group_.call_on(i, [&] {
      room[i] = std::min(options.max_per_loop, group_.loop(i).stacks().statistics().capacity);
    });
  }
  acceptors_.emplace_back();
  group_.call_on(0, [&] {
    auto listener = detail::Listener::open(address, options.acceptor);
    auto hand_out = std::make_unique<detail::GroupHandOut>(group_, std::move(room));
    acceptors_[0].drain_stack = make_drain_stack();
    acceptors_[0].acceptor.reset(new TcpAcceptor(group_.loop(0), std::move(listener),
                                                 std::move(factory), std::move(options.acceptor),
                                                 std::move(hand_out)));
    address_ = acceptors_[0].acceptor->local_address();
  });
}

void GroupAcceptor::open_on_each(Address address, const ConnectionFactory& factory,
                                 const Options& options) {
  AcceptorOptions each_options = options.acceptor;
  each_options.reuse_port = true;
  if (each_options.max_connections != SIZE_MAX) {
    each_options.max_connections =
        (each_options.max_connections + group_.size() - 1) / group_.size();
  }
  each_options.max_connections = std::min(each_options.max_connections, options.max_per_loop);
  acceptors_.resize(group_.size());
  for (std::size_t i = 0; i < group_.size(); ++i) {
    acceptors_[i].loop = i;
    try {
      group_.call_on(i, [&] {
        acceptors_[i].acceptor.reset(
            new TcpAcceptor(group_.loop(i), address, factory, each_options, TcpAcceptor::Tag{}));
        acceptors_[i].drain_stack = make_drain_stack();
        address = acceptors_[i].acceptor->local_address();  // the kernel may have chosen the port
      });
    } catch (...) {
      destroy_all();
      throw;
    }
  }
  address_ = address;
}

GroupAcceptor::~GroupAcceptor() {
  close();
  destroy_all();
}

void GroupAcceptor::destroy_all() noexcept {
  if (group_.is_foreign()) return acceptors_.clear();  // in a child process it is closed only
  for (Place& each : acceptors_) {
    group_.call_on(each.loop, [&] {
      each.acceptor.reset();
      each.drain_stack.reset();
    });
  }
}

void GroupAcceptor::close() noexcept {
  if (group_.is_foreign()) return;
  for (Place& each : acceptors_) {
    if (each.acceptor != nullptr) group_.call_on(each.loop, [&] { each.acceptor->close(); });
  }
}

std::error_code GroupAcceptor::drain(Timeout timeout) {
  if (is_draining_.exchange(true)) return make_error_code(std::errc::device_or_resource_busy);
  const struct Draining {
    std::atomic<bool>& is_draining;
    ~Draining() { is_draining = false; }
  } draining{is_draining_};
  const TimePoint deadline = timeout.deadline();
  std::vector<RemoteThread<std::error_code>> drains;
  for (const Place& each : acceptors_) {
    // On a stack of its own: the connections may have all others.
    const SpawnOptions options{.name = "drain", .stacks = each.drain_stack.get()};
    drains.push_back(group_.spawn_on(each.loop, options,
                                     [&each, deadline] { return each.acceptor->drain(deadline); }));
  }
  std::error_code error;
  for (auto& each : drains) {
    const auto drained = each.join();
    if (!error) error = drained ? *drained : drained.error();
  }
  return error;
}

// --- counters ---

struct AskedCounters::State {
  explicit State(std::size_t loops) noexcept : missing(loops) {}

  void add(const TcpAcceptor::Counters& counters) {
    const std::lock_guard lock{mutex};
    detail::add(sum, counters);
  }

  Latch missing;
  std::mutex mutex;  // guards sum
  TcpAcceptor::Counters sum;
};

Result<TcpAcceptor::Counters> AskedCounters::wait(Timeout timeout) const {
  if (const auto error = state_->missing.wait(timeout)) return error;
  const std::lock_guard lock{state_->mutex};
  return state_->sum;
}

AskedCounters GroupAcceptor::ask_counters() const {
  auto state = std::make_shared<AskedCounters::State>(acceptors_.size());
  for (const Place& each : acceptors_) {
    Loop& loop = group_.loop(each.loop);
    loop.core().require_own_process("GroupAcceptor::ask_counters");
    loop.post([state, asked = std::weak_ptr{each.acceptor->core_}] {
      if (const auto core = asked.lock()) state->add(core->counters());
      state->missing.count_down();
    });
  }
  return AskedCounters{std::move(state)};
}

GroupAcceptor::Counters GroupAcceptor::counters() const {
  Counters sum;
  for (const Place& each : acceptors_) {
    group_.call_on(each.loop, [&] { detail::add(sum, each.acceptor->counters()); });
  }
  return sum;
}

}  // namespace evcoro
