#include <evcoro/deadlock.h>

#include <evcoro/deadlock.hpp>

void EVDEADLOCK_set_reports(int on) noexcept { evcoro::set_deadlock_reports(on != 0); }

int EVDEADLOCK_reports() noexcept { return evcoro::deadlock_reports() ? 1 : 0; }
