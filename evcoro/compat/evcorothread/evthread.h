// The name of evcoro/evthread.h in EVCOROTHREAD's own sources.
#pragma once

#include <corothread/cthread.h>
#include <evcoro/evthread.h>
