// The delay of the article on EVCOROTHREAD, with the header under its other historic name.
#include <evcorothread/evthread.h>
#include <stdio.h>

void evthread_proc(EVTHREAD* thread, EVSOCKET* socket, void* user_data) {
  struct timeval tv;

  tv.tv_sec = 3;
  tv.tv_usec = 0;

  EVTHREAD_delay(thread, tv);
  puts("three seconds later");
}

int main(void) {
  STACKS stacks;
  EVLOOP* loop;

  CTHREAD_libinit();
  STACKS_init(&stacks, 100, 5);
  loop = EVLOOP_init(&stacks);
  if (EVTHREAD_start(EVTHREAD_init(loop, evthread_proc, 0), 0) != 0) return 1;
  return EVLOOP_run(loop) < 0;
}
