// Order: what happened in a test in C, a letter for each.
#pragma once

#include "fixture.h"

typedef struct Order {
  Fixture f;
  char text[16];
  EVTHREAD* thread;
} Order;

static inline void note(Order* order, char what) { order->text[strlen(order->text)] = what; }
