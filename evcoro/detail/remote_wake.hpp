// RemoteWake: the wake-up of a parked thread by another OS thread, on its way by an Inbox. It lies
// with the thread, which stays where it is until it is delivered.
#pragma once

#include <corothread/task.hpp>

namespace evcoro::detail {

struct RemoteWake {
  corothread::Task* task = nullptr;
  RemoteWake* next = nullptr;
  bool is_delivered = false;  // for the OS thread of who sleeps
};

}  // namespace evcoro::detail
