// The name of evcoro/evthread.h in the article that introduced EVCOROTHREAD.
#pragma once

#include <corothread/cthread.h>
#include <evcoro/evthread.h>
