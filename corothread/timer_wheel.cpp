#include <corothread/timer_wheel.hpp>

#include <algorithm>
#include <bit>
#include <utility>

namespace evcoro::corothread {
namespace {

constexpr unsigned tick_shift = 20;  // a tick is 2^20 ns
constexpr unsigned no_slot = ~0U;

std::int64_t tick_of(TimePoint time) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count() >>
         tick_shift;
}

}  // namespace

TimerWheel::TimerWheel() noexcept {
  for (Slot& slot : slots_) slot.queued_for_ = never;
}

TimerWheel::~TimerWheel() {
  for (Slot& slot : slots_) {
    while (slot.next_ != &slot) disarm(*slot.next_);
  }
}

void TimerWheel::link(TimerNode& node, TimePoint deadline) noexcept {
  disarm(node);
  node.deadline_ = deadline;
  insert(node);
  ++size_;
}

void TimerWheel::unlink(TimerNode& node) noexcept {
  remove(node);
  --size_;
}

void TimerWheel::insert(TimerNode& node) noexcept {
  const std::int64_t tick = std::max(tick_of(node.deadline_), tick_);
  const auto differing = static_cast<std::uint64_t>(tick ^ tick_);
  const auto level = (static_cast<unsigned>(std::bit_width(differing | 1)) - 1) / level_bits;
  const auto slot = static_cast<unsigned>(tick >> (level * level_bits)) % slots_per_level;
  node.slot_ = level * slots_per_level + slot;
  occupied_[level] |= std::uint64_t{1} << slot;
  Slot& root = slots_[node.slot_];
  node.queued_for_ = node.deadline_;
  root.queued_for_ = std::min(root.queued_for_, node.queued_for_);
  node.next_ = &root;
  node.previous_ = std::exchange(root.previous_, &node);
  node.previous_->next_ = &node;
}

void TimerWheel::remove(TimerNode& node) noexcept {
  node.previous_->next_ = node.next_;
  node.next_->previous_ = node.previous_;
  node.next_ = nullptr;
  Slot& root = slots_[node.slot_];
  if (root.next_ != &root) return;
  occupied_[node.slot_ / slots_per_level] &= ~(std::uint64_t{1} << node.slot_ % slots_per_level);
  root.queued_for_ = never;
}

// Moves what is in slot to list, in order, from where disarm() still finds and unlinks it.
void TimerWheel::take_out_all(Slot& slot, Slot& list) noexcept {
  const auto index = static_cast<unsigned>(&slot - slots_.data());
  list.next_ = std::exchange(slot.next_, &slot);
  list.previous_ = std::exchange(slot.previous_, &slot);
  list.next_->previous_ = list.previous_->next_ = &list;
  occupied_[index / slots_per_level] &= ~(std::uint64_t{1} << index % slots_per_level);
  slot.queued_for_ = never;
}

unsigned TimerWheel::first_slot() const noexcept {
  for (unsigned level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    return level * slots_per_level + static_cast<unsigned>(std::countr_zero(occupied_[level]));
  }
  return no_slot;
}

// The first tick of a slot that is occupied: it agrees with the wheel's in all higher bits.
std::int64_t TimerWheel::start_of(unsigned index) const noexcept {
  const unsigned shift = index / slots_per_level * level_bits;
  const std::int64_t higher = tick_ >> (shift + level_bits) << (shift + level_bits);
  return higher | static_cast<std::int64_t>(index % slots_per_level) << shift;
}

TimePoint TimerWheel::next_deadline() const noexcept {
  const unsigned index = first_slot();
  return index == no_slot ? never : slots_[index].queued_for_;
}

void TimerWheel::expire(TimePoint now) noexcept {
  const std::int64_t now_tick = tick_of(now);
  for (unsigned index = first_slot(); index != no_slot; index = first_slot()) {
    const std::int64_t start = start_of(index);
    if (start > now_tick) break;
    tick_ = std::max(tick_, start);
    if (!expire_slot(index, now)) break;
  }
  tick_ = std::max(tick_, now_tick);
}

// Empties a slot that the wheel has reached: what is due in this tick fires, all else goes where
// its deadline belongs now (down, or, if it was put off, further away), and what was disarmed
// lazily is dropped. Returns false if the slot is as it was.
bool TimerWheel::expire_slot(unsigned index, TimePoint now) noexcept {
  Slot list;
  take_out_all(slots_[index], list);
  bool progress = false;
  while (list.next_ != &list) {
    TimerNode& node = *list.next_;
    remove(node);
    const bool dropped = node.deadline_ == never;
    if (!dropped && (node.deadline_ > now || tick_of(node.deadline_) > tick_)) {
      insert(node);
      progress |= node.slot_ != index;
      continue;
    }
    --size_;
    progress = true;
    if (!dropped) node.fire_(node);
  }
  return progress;
}

}  // namespace evcoro::corothread
