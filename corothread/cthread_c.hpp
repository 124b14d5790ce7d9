// CThreadParent: what the C face of the layer above needs so that its threads, too, kill the
// CTHREADs that they have started when they end.
//
//   void run() {
//     corothread::CThreadParent parent;
//     proc_(...);
//   }
#pragma once

#include <corothread/cthread.h>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::corothread {

namespace detail {

// CThreadFamily is what a stack has to do with CTHREADs.
struct CThreadFamily {
  CTHREAD* const thread;                    // that runs on it, if any
  stacks::IntrusiveList<CTHREAD> children;  // that were started on it
};

}  // namespace detail

// CThreadParent is the parent of the CTHREADs that are started on the stack where it was made; one
// such stack has one at most. It is to be destroyed there, and kills them then, but for those that
// are running: they go on without a parent.
class EVCORO_API CThreadParent {
 public:
  CThreadParent() noexcept;
  ~CThreadParent();
  CThreadParent(const CThreadParent&) = delete;
  CThreadParent& operator=(const CThreadParent&) = delete;

 private:
  detail::CThreadFamily family_{nullptr, {}};
};

}  // namespace evcoro::corothread
