#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include <corothread/scheduler.hpp>
#include <evcoro/detail/inbox.hpp>
#include <evcoro/detail/process.hpp>
#include <evcoro/error.hpp>

namespace evcoro::detail {
namespace {

template <class Node>
void push(std::atomic<Node*>& newest, Node& node) noexcept {
  node.next = newest.load(std::memory_order_relaxed);
  while (!newest.compare_exchange_weak(node.next, &node)) {
  }
}

// take_in_order() empties the list and returns it, oldest first.
template <class Node>
Node* take_in_order(std::atomic<Node*>& newest) noexcept {
  if (newest.load() == nullptr) return nullptr;
  Node* newest_first = newest.exchange(nullptr);
  Node* in_order = nullptr;
  while (newest_first != nullptr) {
    Node* const next = newest_first->next;
    newest_first->next = in_order;
    in_order = std::exchange(newest_first, next);
  }
  return in_order;
}

}  // namespace

Inbox::Inbox() : process_(watch_forks()), descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::system_error(system_error(), "Loop: eventfd");
}

Inbox::~Inbox() { ::close(descriptor_); }

void Inbox::discard_posts() noexcept {
  while (Posted* each = take_posts()) {  // destroying one may post another
    while (each != nullptr) delete std::exchange(each, each->next);
  }
}

void Inbox::write_descriptor() const noexcept {
  const std::uint64_t one = 1;
  while (::write(descriptor_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void Inbox::notify() noexcept {
  if (!is_foreign() && is_first_to_notify()) write_descriptor();
}

void Inbox::post(std::unique_ptr<Posted> function) noexcept {
  push(posts_, *function.release());
  if (is_closed_) return discard_posts();
  notify();
}

void Inbox::close() noexcept {
  is_closed_ = true;
  discard_posts();
}

bool Inbox::add(RemoteWake& wake) noexcept {
  push(wakes_, wake);
  return !is_notified_.load();
}

void Inbox::acknowledge() noexcept {
  std::uint64_t count = 0;
  while (::read(descriptor_, &count, sizeof count) < 0 && errno == EINTR) {
  }
  is_notified_ = false;
}

void Inbox::deliver_wakes() noexcept {
  for (RemoteWake* each = take_in_order(wakes_); each != nullptr;) {
    RemoteWake& wake = *std::exchange(each, each->next);
    wake.is_delivered = true;
    wake.task->scheduler()->wake(*wake.task, corothread::Wake::ready);
  }
}

Posted* Inbox::take_posts() noexcept { return take_in_order(posts_); }

}  // namespace evcoro::detail
