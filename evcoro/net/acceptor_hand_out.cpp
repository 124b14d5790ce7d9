// AcceptorCore, connections that go to other loops.
#include <memory>
#include <utility>

#include <evcoro/detail/acceptor_libevent.hpp>

namespace evcoro::detail {

// EndOfHandedOver comes back to the acceptor's loop when a connection is gone; if that has gone
// before, it is destroyed without having touched the acceptor.
class AcceptorCore::EndOfHandedOver final : public Posted {
 public:
  EndOfHandedOver(std::shared_ptr<AcceptorCore> acceptor,
                  std::list<HandedOver>::iterator connection) noexcept
      : acceptor_(std::move(acceptor)), connection_(connection) {}

  void run() override {
    const std::unique_ptr<EndOfHandedOver> self{this};
    acceptor_->hand_out_->give_back(connection_->place);
    PendingQueue held = connection_->slot.leave();
    acceptor_->handed_over_.erase(connection_);
    acceptor_->connection_ended(std::move(held));
  }

  // guard() posts it when the last copy of what it returns goes, in whatever OS thread.
  static std::shared_ptr<void> guard(std::unique_ptr<EndOfHandedOver> end, Inbox& inbox) {
    struct Poster {
      explicit Poster(Inbox& its_inbox) noexcept : inbox(its_inbox) { inbox.ref(); }
      Poster(const Poster&) = delete;
      Poster& operator=(const Poster&) = delete;
      ~Poster() {
        if (end != nullptr) inbox.post(std::move(end));
        inbox.unref();
      }
      Inbox& inbox;
      std::unique_ptr<EndOfHandedOver> end;
    };
    auto poster = std::make_shared<Poster>(inbox);
    poster->end = std::move(end);
    return poster;
  }

 private:
  std::shared_ptr<AcceptorCore> acceptor_;
  std::list<HandedOver>::iterator connection_;
};

void AcceptorCore::hand_over(const Pending& pending, Clients::Slot& slot) noexcept {
  OwnedDescriptor descriptor{pending.descriptor};
  std::list<HandedOver> added;
  bool has_begun = false;
  try {
    Accepted accepted{pending.descriptor, pending.peer};
    if (ask_factory(accepted)) {
      added.push_back({.place = 0, .slot = std::move(slot)});
      auto end = EndOfHandedOver::guard(
          std::make_unique<EndOfHandedOver>(shared_from_this(), added.begin()), loop_->inbox());
      const std::size_t place = added.front().place = hand_out_->choose();
      handed_over_.splice(handed_over_.end(), added);
      connection_began();
      has_begun = true;
      hand_out_->send(place, {.descriptor = std::move(descriptor),
                              .is_tcp = is_tcp_,
                              .handler = std::move(accepted.handler_),
                              .name = accepted.name_.empty() ? options_.name : accepted.name_,
                              .receive_rate = options_.receive_rate,
                              .send_rate = options_.send_rate,
                              .where = options_.where,
                              .end = std::move(end)});
    }
  } catch (...) {
    report("factory");
    if (!added.empty()) end_turn(added.front().slot);
  }
  ++(has_begun ? counters_.accepted : counters_.refused);
  end_turn(slot);
}

}  // namespace evcoro::detail
