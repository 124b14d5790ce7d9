// IntrusiveList: a doubly linked list whose links live in its elements, so that linking never
// allocates and an element leaves the list in O(1) without knowing the list.
//
//   struct Waiter : ListLink { ... };
//   IntrusiveList<Waiter> waiters;
//   waiters.push_back(waiter);
//   waiter.unlink();
//
// An element that is destroyed unlinks itself. Not thread-safe.
#pragma once

#include <cstddef>

namespace evcoro::stacks {

// ListLink is the base of an element. It is in at most one list at a time.
class ListLink {
 public:
  ListLink() noexcept = default;
  ~ListLink() { unlink(); }
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;

  bool is_linked() const noexcept { return next_ != this; }

  void unlink() noexcept {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = this;
  }

  void link_before(ListLink& position) noexcept {
    previous_ = position.previous_;
    next_ = &position;
    previous_->next_ = this;
    position.previous_ = this;
  }

  ListLink* next() const noexcept { return next_; }

 private:
  ListLink* next_ = this;
  ListLink* previous_ = this;
};

template <class T>
class IntrusiveList {
 public:
  ~IntrusiveList() {
    while (root_.is_linked()) root_.next()->unlink();
  }

  bool empty() const noexcept { return !root_.is_linked(); }
  void push_back(T& element) noexcept { static_cast<ListLink&>(element).link_before(root_); }
  void push_front(T& element) noexcept {
    static_cast<ListLink&>(element).link_before(*root_.next());
  }
  T& front() noexcept { return static_cast<T&>(*root_.next()); }

  T& pop_front() noexcept {
    T& first = front();
    static_cast<ListLink&>(first).unlink();
    return first;
  }

  // for_each() visits the elements in order. visit may unlink the element that it is given, no
  // other.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (ListLink* link = root_.next(); link != &root_;) {
      ListLink* const next = link->next();
      visit(static_cast<T&>(*link));
      link = next;
    }
  }

  // find() is the first for which matches(element), or nullptr. matches may unlink its element.
  template <class Predicate>
  T* find(Predicate&& matches) const {
    for (ListLink* link = root_.next(); link != &root_;) {
      ListLink* const next = link->next();
      if (matches(static_cast<T&>(*link))) return static_cast<T*>(link);
      link = next;
    }
    return nullptr;
  }

  // all_of() says whether predicate holds of all elements.
  template <class Predicate>
  bool all_of(Predicate&& predicate) const {
    for (ListLink* link = root_.next(); link != &root_; link = link->next()) {
      if (!predicate(static_cast<const T&>(*link))) return false;
    }
    return true;
  }

 private:
  ListLink root_;
};

}  // namespace evcoro::stacks
