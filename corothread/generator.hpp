// Generator: a coroutine as a C++20 input range.
//
//   Generator<int> squares{pool, [](auto& yield) {
//     for (int i = 1; i <= 3; ++i) yield(i * i);
//   }};
//   for (int square : squares) std::cout << square << ' ';  // 1 4 9
//
// Elements are not copied, but for a const one where T isn't: yield those from a Generator<const
// T>. A reference to what is yielded is good until the iterator advances.
//
// The body starts at begin(). It may block, in a thread; an exception that leaves it is thrown by
// begin() or ++.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

#include <corothread/coroutine.hpp>

namespace evcoro::corothread {

namespace detail {

template <class T>
class GeneratorFrame : public CoroutineFrame {
 public:
  using CoroutineFrame::CoroutineFrame;
  T* element = nullptr;
};

}  // namespace detail

// GeneratorYield is what the body calls with each element.
template <class T>
class GeneratorYield {
 public:
  explicit GeneratorYield(detail::GeneratorFrame<T>& frame) noexcept : frame_(frame) {}

  void operator()(T& element) {
    frame_.require_inside();
    frame_.element = std::addressof(element);
    frame_.suspend();
  }
  void operator()(T&& element) { (*this)(element); }
  void operator()(const T& element) requires(!std::is_const_v<T> && std::copy_constructible<T>) {
    T copy = element;
    (*this)(copy);
  }

 private:
  detail::GeneratorFrame<T>& frame_;
};

template <class T>
class Generator : public std::ranges::view_base {
  static_assert(std::is_object_v<T>, "Generator<T> yields objects; its range's references are T&");

 public:
  class Iterator {
   public:
    using value_type = std::remove_cv_t<T>;
    using difference_type = std::ptrdiff_t;

    T& operator*() const noexcept { return *frame_->element; }
    T* operator->() const noexcept { return frame_->element; }
    Iterator& operator++() {
      frame_->require(CoroutineState::suspended);
      frame_->proceed();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& iterator, std::default_sentinel_t) noexcept {
      return iterator.frame_->state() == CoroutineState::ended;
    }

   private:
    friend class Generator;
    explicit Iterator(detail::GeneratorFrame<T>& frame) noexcept : frame_(&frame) {}
    detail::GeneratorFrame<T>* frame_;
  };

  // Takes a stack from pool; body is called with a GeneratorYield<T>&. Throws as Coroutine does.
  template <class Body>
  Generator(stacks::StackPool& pool, Body&& body, const Origin& origin = {})
      : frame_(detail::make_frame<BodyFrame<std::decay_t<Body>>>(pool, origin,
                                                                 std::forward<Body>(body))) {}

  Generator(Generator&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Generator& operator=(Generator&& other) noexcept {
    if (this != &other)
      detail::CoroutineFrame::destroy(std::exchange(frame_, std::exchange(other.frame_, nullptr)));
    return *this;
  }
  ~Generator() { detail::CoroutineFrame::destroy(frame_); }

  // begin() starts the body; it may be called once. A second call throws std::logic_error.
  Iterator begin() {
    auto& frame = *frame_;  // the body may move this handle
    frame.require(CoroutineState::initial);
    frame.proceed();
    return Iterator{frame};
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  template <class Body>
  class BodyFrame final : public detail::GeneratorFrame<T> {
   public:
    template <class B>
    BodyFrame(const Origin& origin, B&& body)
        : detail::GeneratorFrame<T>(origin), body_(std::forward<B>(body)) {}

   private:
    void run() override {
      GeneratorYield<T> yield{*this};
      body_(yield);
    }
    Body body_;
  };

  detail::GeneratorFrame<T>* frame_;
};

}  // namespace evcoro::corothread
