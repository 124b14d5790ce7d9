#define _GNU_SOURCE
#include <evcoro/file.h>
#include <evcoro/offload.h>

#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fixture.h"

// Work is what a job is given; discarded counts those that the job has had to free.
typedef struct Work {
  int input;
  int output;
  sem_t* gate;
} Work;
static sem_t discarded;

static Work* new_work(int input, sem_t* gate) {
  Work* const work = calloc(1, sizeof *work);
  work->input = input;
  work->gate = gate;
  return work;
}

static void discard(void* ctx) {
  free(ctx);
  sem_post(&discarded);
}

static int times_two(void* ctx) {
  Work* const work = ctx;
  if (work->gate != NULL) {
    while (sem_wait(work->gate) != 0) {
    }
  }
  work->output = work->input * 2;
  return work->input;
}

static void offload_some(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVWORKERS* const workers = EVWORKERS_init(1, 0);
  REQUIRE_C(workers != NULL);
  for (int i = 0; i < 2; ++i) {
    Work* const work = new_work(21, NULL);
    int result = 0;
    REQUIRE_C(EVOFFLOAD_run(i == 0 ? workers : NULL, times_two, work, discard, long_time(),
                            &result) == 0);
    REQUIRE_C(result == 21);
    REQUIRE_C(work->output == 42);
    free(work);
  }
  sem_t gate;
  REQUIRE_C(sem_init(&gate, 0, 0) == 0);
  REQUIRE_ERRNO(
      EVOFFLOAD_run(workers, times_two, new_work(1, &gate), discard, milliseconds(100), NULL) == -1,
      ETIMEDOUT);
  int count = 0;
  REQUIRE_C(sem_getvalue(&discarded, &count) == 0);
  if (count == 0) {  // it has begun, as it should but on a very busy machine
    REQUIRE_ERRNO(
        EVOFFLOAD_try_run(workers, times_two, new_work(1, NULL), discard, long_time(), NULL) == -1,
        EAGAIN);
    REQUIRE_C(sem_wait(&discarded) == 0);
    REQUIRE_C(sem_post(&gate) == 0);
  }
  REQUIRE_C(sem_wait(&discarded) == 0);
  REQUIRE_ERRNO(EVOFFLOAD_run(workers, NULL, NULL, NULL, long_time(), NULL) == -1, EINVAL);
  REQUIRE_C(EVWORKERS_free(workers) == 0);
}

TEST_CASE_C(c_offload, "in C a job is offloaded, and its context freed when it is left") {
  Fixture f;
  set_up(&f);
  REQUIRE_C(sem_init(&discarded, 0, 0) == 0);
  run_in_thread(&f, offload_some, NULL);
  tear_down(&f);
}

TEST_CASE_C(c_offload_outside, "in C, outside of threads nothing is offloaded") {
  Work work = {1, 0, NULL};
  REQUIRE_ERRNO(EVOFFLOAD_run(NULL, times_two, &work, NULL, EVTIMEOUT_NEVER, NULL) == -1, EPERM);
  REQUIRE_C(work.output == 0);
  REQUIRE_ERRNO(EVWORKERS_init(0, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVWORKERS_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVFILE_write_all("/dev/null", "x", 1, EVTIMEOUT_NEVER) == -1, EPERM);
}

static void use_files(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const char* const path = ctx;
  EVFILE* const file = EVFILE_open(thread, path, O_RDWR | O_CREAT, 0600, long_time());
  REQUIRE_C(file != NULL);
  REQUIRE_C(EVFILE_write(file, "hello", 5, long_time()) == 5);
  REQUIRE_C(EVFILE_pwrite(file, "J", 1, 0, long_time()) == 1);
  char buffer[10] = "";
  REQUIRE_C(EVFILE_read(file, buffer, sizeof buffer, long_time()) == 0);
  REQUIRE_C(EVFILE_pread(file, buffer, sizeof buffer, 0, long_time()) == 5);
  REQUIRE_C(strcmp(buffer, "Jello") == 0);
  REQUIRE_C(EVFILE_sync(file, long_time()) == 0);
  REQUIRE_C(EVFILE_truncate(file, 4, long_time()) == 0);
  REQUIRE_C(EVFILE_size(file, long_time()) == 4);
  REQUIRE_ERRNO(EVFILE_size(file, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(fcntl(EVFILE_fd(file), F_GETFD) == FD_CLOEXEC);
  REQUIRE_C(EVFILE_close(file, long_time()) == 0);
  char* data = NULL;
  size_t size = 0;
  REQUIRE_C(EVFILE_read_all(path, 4, &data, &size, long_time()) == 0);
  REQUIRE_C(size == 4 && strcmp(data, "Jell") == 0);
  free(data);
  REQUIRE_ERRNO(EVFILE_read_all(path, 3, &data, &size, long_time()) == -1, EMSGSIZE);
  REQUIRE_C(EVFILE_write_all(path, "other", 5, long_time()) == 0);
  REQUIRE_ERRNO(EVFILE_open(thread, "/no/such", O_RDONLY, 0, long_time()) == NULL, ENOENT);
  REQUIRE_ERRNO(EVFILE_adopt(thread, -1) == NULL, EBADF);
  REQUIRE_ERRNO(EVFILE_read(NULL, buffer, 1, long_time()) == -1, EINVAL);
  REQUIRE_C(EVFILE_adopt(thread, open(path, O_RDONLY | O_CLOEXEC)) !=
            NULL);  // closed with the thread
}

TEST_CASE_C(c_files, "in C files are opened, read, written, and closed with their thread") {
  char path[] = "/tmp/evcoro-c-file-XXXXXX";
  const int made = mkstemp(path);
  REQUIRE_C(made >= 0);
  close(made);
  Fixture f;
  set_up(&f);
  run_in_thread(&f, use_files, path);
  tear_down(&f);
  REQUIRE_C(unlink(path) == 0);
}
