/* Drives workers.c from many threads at once, for ThreadSanitizer: `make test-tsan`.

   Each thread is a loop: it submits calls, withdraws and abandons some, and reaps the
   rest by its eventfd, while the pool's limits change. Prints the number of calls that
   were made; exits with 1 if one is lost, made twice, or wrong. */

#define _GNU_SOURCE
#include "workers.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOPS 6
#define ROUNDS 150
#define CALLS 24
#define BUSY_POLL 50000  /* nanoseconds */

static hr_pool *pool;
static char folder[] = "/tmp/headrace-drive-XXXXXX";
static atomic_int failures;
static atomic_int made;

static void
expect(int condition, const char *what)
{
    if (!condition) {
        atomic_fetch_add(&failures, 1);
        fprintf(stderr, "not so: %s\n", what);
    }
}

typedef struct {
    hr_work work;
    char path[64];
    char buf[16];
    int withdrawn;
    int abandoned;
    int reaped;
} call;

static void
prepare(call *one, int loop, int number, unsigned *seed)
{
    memset(one, 0, sizeof(*one));
    snprintf(one->path, sizeof(one->path), "%s/%d-%d", folder, loop, number);
    one->work.descriptor = -1;
    one->work.owner = one;
    one->work.path = one->path;
    one->work.buf = one->buf;
    one->work.size = sizeof(one->buf);
    one->work.offset = -1;
    one->work.mode = 0600;
    one->work.lane = number % 7 == 0 ? HR_LANE_WAIT : HR_LANE_WORK;
    switch (rand_r(seed) % 4) {
    case 0:
        one->work.kind = HR_WRITE_FILE;
        one->work.flags = O_WRONLY | O_CREAT | O_TRUNC;
        break;
    case 1: one->work.kind = HR_READ_FILE; break;
    case 2:
        one->work.kind = HR_OPEN;
        one->work.flags = O_RDWR | O_CREAT;
        break;
    default: one->work.kind = HR_STAT; break;
    }
}

static void *
loop(void *argument)
{
    int number = (int)(intptr_t)argument;
    unsigned seed = (unsigned)number + 1;
    hr_inbox inbox = {.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    static _Thread_local call calls[CALLS];
    for (int round = 0; round < ROUNDS; round++) {
        int left = 0;
        for (int i = 0; i < CALLS; i++) {
            prepare(&calls[i], number, i, &seed);
            expect(hr_pool_submit(pool, &inbox, &calls[i].work) == 0, "submitted");
            left++;
        }
        for (int i = 0; i < CALLS; i++) {
            if (rand_r(&seed) % 5 == 0 && hr_work_withdraw(&calls[i].work)) {
                calls[i].withdrawn = 1;
                left--;
            }
            else if (rand_r(&seed) % 3 == 0) {
                calls[i].abandoned = 1;
                if (hr_work_abandon(&calls[i].work)) {
                    hr_work_drop(&calls[i].work);
                }
            }
        }
        while (left > 0) {
            hr_work *work = round % 2 ? hr_inbox_poll(&inbox, BUSY_POLL) : NULL;
            if (work == NULL) {
                struct pollfd ready = {.fd = inbox.fd, .events = POLLIN};
                expect(poll(&ready, 1, 10000) == 1, "woken");
                uint64_t count;
                expect(read(inbox.fd, &count, sizeof(count)) == sizeof(count), "counted");
                work = hr_inbox_reap(&inbox);
            }
            while (work != NULL) {
                hr_work *next = work->next;
                call *one = work->owner;
                expect(!one->withdrawn && !one->reaped, "made once");
                one->reaped = 1;
                expect(atomic_load(&work->state) & HR_STATE_DONE, "done");
                if (one->abandoned) {
                    expect(work->descriptor < 0, "closed");
                }
                else if (work->error == 0 && work->kind == HR_OPEN) {
                    expect(work->descriptor >= 0, "open");
                }
                hr_work_drop(work);
                free(work->extra);
                left--;
                atomic_fetch_add(&made, 1);
                work = next;
            }
        }
        if (round % 20 == 0) {
            hr_pool_configure(pool, 1 + rand_r(&seed) % 6, 1 + rand_r(&seed) % 3,
                              0.001 * (1 + rand_r(&seed) % 20),
                              round % 3 ? BUSY_POLL : 0);
        }
    }
    hr_inbox_settle(&inbox);
    close(inbox.fd);
    return NULL;
}

#define LARGE ((size_t)17 * 1024 * 1024 + 5)

/* Large reads, which idle threads help with; the last byte tells where it comes from. */
static void
read_large(void)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/large", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char *buf = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++) {
        buf[i] = (char)(i >> 12);
    }
    expect(write(fd, buf, LARGE) == (ssize_t)LARGE, "written");
    hr_inbox inbox = {.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    for (int round = 0; round < 6; round++) {
        memset(buf, 0x55, LARGE);
        size_t cut = round % 2 ? LARGE - 5 * 1024 * 1024 : LARGE;
        expect(ftruncate(fd, (off_t)cut) == 0, "cut");
        hr_work work = {.kind = HR_READ_FULL, .fd = fd, .buf = buf, .size = LARGE};
        expect(hr_pool_submit(pool, &inbox, &work) == 0, "submitted");
        struct pollfd ready = {.fd = inbox.fd, .events = POLLIN};
        expect(poll(&ready, 1, 20000) == 1, "woken");
        uint64_t count;
        expect(read(inbox.fd, &count, sizeof(count)) == sizeof(count), "counted");
        expect(hr_inbox_reap(&inbox) == &work, "reaped");
        expect(work.error == 0 && work.count == cut, "all of it");
        int wrong = 0;
        for (size_t i = 0; i < cut; i += 997) {
            wrong += buf[i] != (char)(i >> 12) && i < LARGE - 5 * 1024 * 1024;
        }
        expect(wrong == 0, "the bytes that were written");
        hr_inbox_settle(&inbox);
    }
    close(inbox.fd);
    close(fd);
    unlink(path);
    free(buf);
}

static void
remove_files(void)
{
    for (int i = 0; i < LOOPS; i++) {
        for (int j = 0; j < CALLS; j++) {
            char path[64];
            snprintf(path, sizeof(path), "%s/%d-%d", folder, i, j);
            unlink(path);
        }
    }
    rmdir(folder);
}

int
main(void)
{
    if (mkdtemp(folder) == NULL || (pool = hr_pool_new()) == NULL) {
        perror("drive_workers");
        return 2;
    }
    hr_pool_configure(pool, 4, 2, 0.01, BUSY_POLL);
    pthread_t threads[LOOPS];
    for (intptr_t i = 0; i < LOOPS; i++) {
        pthread_create(&threads[i], NULL, loop, (void *)i);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
    }
    read_large();
    /* Idle threads end; then the pool may go as well. */
    while (hr_pool_threads(pool, HR_LANE_WORK) + hr_pool_threads(pool, HR_LANE_WAIT) > 0) {
        usleep(1000);
    }
    hr_pool_free(pool);
    remove_files();
    printf("%d\n", atomic_load(&made));
    return atomic_load(&failures) ? 1 : 0;
}
