/* Large reads: several threads fill one buffer, a piece each at a time.

   64 MiB that are cached took 29 ms, nine tenths of it page faults, and 6 ms with huge
   pages and two threads (2 CPUs, ext4, Linux 6.18). */

#if defined(__linux__) && !defined(_GNU_SOURCE)
#  define _GNU_SOURCE
#endif

#include "workers.h"

#if HR_HAS_WORKERS

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE ((size_t)4 * 1024 * 1024)
/* Most threads that help to fill one buffer. */
#define MOST_HELPERS 3
/* The alignment of huge pages, bytes; of x86-64 and most others. */
#define HUGE_PAGE ((uintptr_t)2 * 1024 * 1024)

/* A buffer that several threads fill. On the stack of the one whose job it is. */
typedef struct {
    int fd;
    char *buf;
    size_t size;               /* of buf, bytes */
    int64_t offset;            /* in the file, of the start of buf */
    atomic_size_t next;        /* where in buf the first piece lies that nobody took */
    atomic_size_t end;         /* how far the file goes, as far as is known */
    atomic_int error;          /* the first negative errno, or 0 */
    int helping;               /* threads inside; guarded by lock */
    pthread_mutex_t lock;
    pthread_cond_t left;       /* nobody is inside any more */
} large_read;

/* Read pieces until there are none. */
static void
take_pieces(large_read *all)
{
    for (;;) {
        size_t from = atomic_fetch_add(&all->next, PIECE);
        if (from >= atomic_load(&all->end) || atomic_load(&all->error) != 0) {
            return;
        }
        size_t left = all->size - from;
        hr_work piece = {
            .fd = all->fd,
            .buf = all->buf + from,
            .size = left < PIECE ? left : PIECE,
            .offset = all->offset + (int64_t)from,
        };
        int result = hr_work_fill(&piece);
        if (result < 0) {
            int none = 0;
            atomic_compare_exchange_strong(&all->error, &none, result);
            return;
        }
        if (result > 0) {
            size_t end = from + piece.count;
            size_t known = atomic_load(&all->end);
            while (end < known && !atomic_compare_exchange_weak(&all->end, &known, end)) {
            }
        }
    }
}

/* What a helper's job is; its buf is the large read. */
int
hr_work_help(hr_work *work)
{
    large_read *all = (large_read *)(void *)work->buf;
    take_pieces(all);
    pthread_mutex_lock(&all->lock);
    all->helping--;
    pthread_cond_signal(&all->left);
    pthread_mutex_unlock(&all->lock);
    return 0;
}

/* Ask for huge pages behind buf, before it is touched. Where there are none, nothing
   changes. */
static void
ask_for_huge_pages(char *buf, size_t size)
{
    uintptr_t from = ((uintptr_t)buf + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    uintptr_t to = ((uintptr_t)buf + size) & ~(HUGE_PAGE - 1);
    if (from < to) {
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
    }
}

/* Like hr_work_fill, for a large buffer and a known offset: with the help of idle threads. */
int
hr_work_fill_together(hr_work *work)
{
    large_read all = {
        .fd = work->fd, .buf = work->buf, .size = work->size, .offset = work->offset};
    atomic_init(&all.end, work->size);
    pthread_mutex_init(&all.lock, NULL);
    pthread_cond_init(&all.left, NULL);
    ask_for_huge_pages(work->buf, work->size);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int wanted = cpus > MOST_HELPERS ? MOST_HELPERS : (int)cpus - 1;
    hr_work helpers[MOST_HELPERS] = {0};
    int asked = 0;
    while (work->pool != NULL && asked < wanted) {
        hr_work *helper = &helpers[asked];
        helper->kind = HR_HELP;
        helper->lane = HR_LANE_WORK;
        helper->descriptor = -1;
        helper->buf = (char *)&all;
        pthread_mutex_lock(&all.lock);
        all.helping++;
        pthread_mutex_unlock(&all.lock);
        if (hr_pool_submit(work->pool, NULL, helper) < 0) {
            all.helping--;
            break;
        }
        asked++;
    }
    take_pieces(&all);
    /* Who has not begun need not come. */
    for (int i = 0; i < asked; i++) {
        if (hr_work_withdraw(&helpers[i])) {
            pthread_mutex_lock(&all.lock);
            all.helping--;
            pthread_mutex_unlock(&all.lock);
        }
    }
    pthread_mutex_lock(&all.lock);
    while (all.helping > 0) {
        pthread_cond_wait(&all.left, &all.lock);
    }
    pthread_mutex_unlock(&all.lock);
    pthread_cond_destroy(&all.left);
    pthread_mutex_destroy(&all.lock);
    if (all.error != 0) {
        return all.error;
    }
    work->count = all.end;
    return work->count < work->size;
}

#endif
