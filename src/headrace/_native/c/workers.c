/* Threads that make system calls which may wait, bounded, reused, ended when idle.

   Beside py/workers.py, whose threads run Python functions: these run what hr_kind
   lists, without the GIL, and hand a job back by a list and an eventfd. No PyObject, no
   event loop, no policy; `calls.c` makes Python types of these. */

#if defined(__linux__) && !defined(_GNU_SOURCE)
#  define _GNU_SOURCE
#endif

#include "workers.h"

#if HR_HAS_WORKERS

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Linux moves at most this many bytes in one call, read(2) and write(2). */
#define MAX_TRANSFER ((size_t)0x7FFFF000)
/* A file whose size is not known is read in pieces from this size on, bytes. */
#define FIRST_PIECE ((size_t)64 * 1024)
#define LARGEST_PIECE ((size_t)8 * 1024 * 1024)
/* What HR_READ_FILE reads of a file that the caller had no room for: beyond this, the
   copy that it takes would keep the loop waiting. Bytes. */
#define LARGEST_COPY ((size_t)256 * 1024)
/* From this size on, a buffer is filled by several threads, a piece at a time. 64 MiB
   that are cached took 29 ms, nine tenths of it page faults, and 6 ms with huge pages
   and two threads (2 CPUs, ext4, Linux 6.18). The first huge pages of a process may be
   slow to come by, so not below some MiB. Bytes. */
#define LARGE_READ ((size_t)8 * 1024 * 1024)
#define PIECE ((size_t)4 * 1024 * 1024)
/* Most threads that help to fill one buffer. */
#define MOST_HELPERS 3
/* The alignment of huge pages, bytes; of x86-64 and most others. */
#define HUGE_PAGE ((uintptr_t)2 * 1024 * 1024)
/* The stack of a thread, bytes: it needs a few hundred, and libc some more. */
#define STACK_SIZE ((size_t)128 * 1024)

/* -- The calls ---------------------------------------------------------------- */

/* Return result, or the negative errno where it is -1. */
static inline int64_t
answer(int64_t result)
{
    return result < 0 ? -(int64_t)errno : result;
}

/* Read up to size bytes at offset, or at the descriptor's position if that is -1.
   Returns the count or a negative errno. */
static int64_t
read_some(int fd, char *buf, size_t size, int64_t offset)
{
    size_t most = size < MAX_TRANSFER ? size : MAX_TRANSFER;
    ssize_t n;
    do {
        n = offset < 0 ? read(fd, buf, most) : pread(fd, buf, most, offset);
    } while (n < 0 && errno == EINTR);
    return answer(n);
}

/* Return where the byte after the first `done` ones is; -1 stays -1. */
static inline int64_t
advanced(int64_t offset, size_t done)
{
    return offset < 0 ? -1 : offset + (int64_t)done;
}

static int
read_once(hr_work *work)
{
    int64_t n = read_some(work->fd, work->buf, work->size, work->offset);
    if (n < 0) {
        return (int)n;
    }
    work->count = (size_t)n;
    return 0;
}

static int fill_together(hr_work *work);

/* Fill buf, up to the end of the file. Returns 1 if that was met, 0 if buf is full, or a
   negative errno. */
static int
fill(hr_work *work)
{
    if (work->size >= LARGE_READ && work->offset >= 0) {
        return fill_together(work);
    }
    while (work->count < work->size) {
        int64_t n = read_some(work->fd, work->buf + work->count,
                              work->size - work->count,
                              advanced(work->offset, work->count));
        if (n <= 0) {
            return n < 0 ? (int)n : 1;
        }
        work->count += (size_t)n;
    }
    return 0;
}

static int
read_full(hr_work *work)
{
    int end = fill(work);
    return end < 0 ? end : 0;
}

/* Make room for more in extra, which has `room` bytes. Returns the room that there is
   then, or 0 without memory. */
static size_t
grow_extra(hr_work *work, size_t room)
{
    size_t more = work->count + work->extra_size;
    more = more < FIRST_PIECE ? FIRST_PIECE : more > LARGEST_PIECE ? LARGEST_PIECE : more;
    char *larger = realloc(work->extra, room + more);
    if (larger == NULL) {
        return 0;
    }
    work->extra = larger;
    return room + more;
}

/* Read what is left after buf was filled. Returns 0 or a negative errno. */
static int
read_extra(hr_work *work)
{
    /* Mostly there is nothing: a byte tells. */
    char first;
    int64_t n = read_some(work->fd, &first, 1, advanced(work->offset, work->count));
    if (n <= 0) {
        return (int)n;
    }
    size_t room = grow_extra(work, 0);
    if (room == 0) {
        return -ENOMEM;
    }
    work->extra[0] = first;
    work->extra_size = 1;
    for (;;) {
        if (work->extra_size == room && (room = grow_extra(work, room)) == 0) {
            return -ENOMEM;
        }
        int64_t at = advanced(work->offset, work->count + work->extra_size);
        n = read_some(work->fd, work->extra + work->extra_size, room - work->extra_size,
                      at);
        if (n <= 0) {
            return (int)n;
        }
        work->extra_size += (size_t)n;
    }
}

static int
read_to_end(hr_work *work)
{
    int end = fill(work);
    return end == 0 ? read_extra(work) : end < 0 ? end : 0;
}

/* Write all of buf, continuing after short writes. Returns 0 or a negative errno; count
   says how far it came. */
static int
write_all(hr_work *work)
{
    while (work->count < work->size) {
        size_t left = work->size - work->count;
        size_t most = left < MAX_TRANSFER ? left : MAX_TRANSFER;
        const char *from = work->buf + work->count;
        ssize_t n;
        if (work->offset < 0) {
            n = write(work->fd, from, most);
        }
        else {
            n = pwrite(work->fd, from, most, advanced(work->offset, work->count));
        }
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        work->count += (size_t)n;
    }
    return 0;
}

/* Pieces that one call is given: UIO_FASTIOV of <linux/uio.h> is what the kernel has on
   its stack for them, and more make a call no cheaper. */
#define PIECES_PER_CALL 64

/* Write all the pieces that buf lists, one behind the other. */
static int
write_vector(hr_work *work)
{
    const struct iovec *pieces = (const struct iovec *)(const void *)work->buf;
    size_t count = work->size / sizeof(*pieces);
    size_t first = 0, inside = 0;  /* the piece that is next, and what of it is done */
    while (first < count) {
        struct iovec some[PIECES_PER_CALL];
        size_t left = count - first;
        int many = (int)(left < PIECES_PER_CALL ? left : PIECES_PER_CALL);
        memcpy(some, pieces + first, (size_t)many * sizeof(*some));
        some[0].iov_base = (char *)some[0].iov_base + inside;
        some[0].iov_len -= inside;
        ssize_t n = work->offset < 0
                        ? writev(work->fd, some, many)
                        : pwritev(work->fd, some, many,
                                  advanced(work->offset, work->count));
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        work->count += (size_t)n;
        inside += (size_t)n;
        while (first < count && inside >= pieces[first].iov_len) {
            inside -= pieces[first++].iov_len;
        }
    }
    return 0;
}

/* Close fd. Returns 0 or a negative errno; fd is closed all the same, close(2). */
static int
close_fd(int fd)
{
    return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

static int
sync_fd(int fd, int data_only)
{
    int result;
    do {
        result = data_only ? fdatasync(fd) : fsync(fd);
    } while (result < 0 && errno == EINTR);
    return (int)answer(result);
}

/* Tell whether opening path may wait for ever: a FIFO, a device. */
static int
may_wait(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 &&
           (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
}

/* Open path as os.open() does. Returns the descriptor, HR_SPECIAL or a negative errno. */
static int
open_path(hr_work *work)
{
    /* What must not exist is no FIFO. */
    if ((work->flags & O_EXCL) == 0 && may_wait(work->path)) {
        return HR_SPECIAL;
    }
    int fd;
    do {
        fd = open(work->path, work->flags | O_CLOEXEC, (mode_t)work->mode);
    } while (fd < 0 && errno == EINTR);
    return (int)answer(fd);
}

static int
open_and_look(hr_work *work)
{
    int fd = open_path(work);
    if (fd < 0) {
        return fd;
    }
    if (fstat(fd, &work->status) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    work->descriptor = fd;
    return 0;
}

static int
write_file(hr_work *work)
{
    work->fd = open_path(work);
    if (work->fd < 0) {
        return work->fd;
    }
    int error = write_all(work);
    int closing = close_fd(work->fd);
    return error < 0 ? error : closing;
}

/* Read all of an open file of which the caller knew no size, into extra. Returns 0 or a
   negative errno. */
static int
read_unknown(hr_work *work)
{
    size_t size = (size_t)work->status.st_size;
    /* A byte more, to be told of the end by a short read; /proc knows no sizes. */
    size = size > 0 ? size + 1 : FIRST_PIECE;
    work->extra = malloc(size);
    if (work->extra == NULL) {
        return -ENOMEM;
    }
    while (work->extra_size < size) {
        int64_t n = read_some(work->fd, work->extra + work->extra_size,
                              size - work->extra_size, -1);
        if (n <= 0) {
            return (int)n;
        }
        work->extra_size += (size_t)n;
        if (work->extra_size == size) {
            size = grow_extra(work, size);
            if (size == 0) {
                return -ENOMEM;
            }
        }
    }
    return 0;
}

static int
read_file(hr_work *work)
{
    work->flags = O_RDONLY;
    int error = open_and_look(work);
    if (error < 0) {
        return error;
    }
    work->fd = work->descriptor;
    /* By position where that is sure to be right: several threads may then read. */
    work->offset = S_ISREG(work->status.st_mode) && work->size >= LARGE_READ ? 0 : -1;
    if (work->size > 0) {
        error = read_to_end(work);
    }
    else if (work->status.st_size > (off_t)LARGEST_COPY) {
        return HR_TOO_LARGE;
    }
    else {
        error = read_unknown(work);
    }
    work->descriptor = -1;
    int closing = close_fd(work->fd);
    return error < 0 ? error : closing;
}

/* Repeat a call that returns 0, or -1 with errno, while a signal interrupts it. */
#define RETRIED(call)                                                                  \
    do {                                                                               \
        result = (call);                                                               \
    } while (result < 0 && errno == EINTR)

/* The calls that take names and return nothing. Returns 0 or a negative errno. */
static int
change_names(hr_work *work)
{
    int result = -1;
    errno = ENOSYS;
    switch (work->kind) {
    case HR_ACCESS: RETRIED(access(work->path, (int)work->mode)); break;
    case HR_RENAME: RETRIED(rename(work->path, work->path2)); break;
    case HR_LINK: RETRIED(link(work->path, work->path2)); break;
    case HR_SYMLINK: RETRIED(symlink(work->path, work->path2)); break;
    case HR_UNLINK: RETRIED(unlink(work->path)); break;
    case HR_MKDIR: RETRIED(mkdir(work->path, (mode_t)work->mode)); break;
    case HR_RMDIR: RETRIED(rmdir(work->path)); break;
    default: break;
    }
    return (int)answer(result);
}

static int
look(hr_work *work)
{
    int result;
    if (work->kind == HR_FSTAT) {
        RETRIED(fstat(work->fd, &work->status));
    }
    else {
        RETRIED(fstatat(AT_FDCWD, work->path, &work->status, work->flags));
    }
    return (int)answer(result);
}

static int help(hr_work *work);

/* Do the job. Returns what its error is. */
static int
perform(hr_work *work)
{
    int result;
    switch (work->kind) {
    case HR_READ_ONCE: return read_once(work);
    case HR_READ_FULL: return read_full(work);
    case HR_READ_TO_END: return read_to_end(work);
    case HR_READ_FILE: return read_file(work);
    case HR_WRITE_ALL: return write_all(work);
    case HR_WRITE_CLOSE:
        result = write_all(work);
        /* Closed whatever happened; the first error counts. */
        return result < 0 ? (void)close_fd(work->fd), result : close_fd(work->fd);
    case HR_WRITE_SYNC:
        result = write_all(work);
        return result < 0 ? result : sync_fd(work->fd, work->flags);
    case HR_WRITE_VECTOR: return write_vector(work);
    case HR_WRITE_FILE: return write_file(work);
    case HR_OPEN: return open_and_look(work);
    case HR_CLOSE: return close_fd(work->fd);
    case HR_FSYNC: return sync_fd(work->fd, 0);
    case HR_FDATASYNC: return sync_fd(work->fd, 1);
    case HR_FTRUNCATE:
        RETRIED(ftruncate(work->fd, work->offset));
        return (int)answer(result);
    case HR_STAT:
    case HR_FSTAT: return look(work);
    case HR_HELP: return help(work);
    default: return change_names(work);
    }
}

/* -- Handing back ------------------------------------------------------------- */

/* Undo what came of a job that nobody wants: close what it opened. */
void
hr_work_drop(hr_work *work)
{
    if (work->descriptor >= 0) {
        close(work->descriptor);
        work->descriptor = -1;
    }
}

/* Put a job that is done where its owner reaps it. It is not touched afterwards: it may
   be gone. */
static void
deliver(hr_work *work)
{
    hr_inbox *inbox = work->inbox;
    if (inbox == NULL) {
        /* A helper, which has told who waits for it. */
        return;
    }
    int before = atomic_fetch_or(&work->state, HR_STATE_DONE);
    if (before & HR_STATE_ABANDONED) {
        hr_work_drop(work);
    }
    struct hr_work *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        work->next = head;
        /* Pairs with the exchange in hr_inbox_reap. */
    } while (!atomic_compare_exchange_weak(&inbox->head, &head, work));
    /* Pairs with hr_inbox_poll: either this sees that nobody polls any more, or the owner
       sees the job; so both are sequentially consistent, as is the exchange above. */
    if (head == NULL && !atomic_load(&inbox->polled)) {
        uint64_t one = 1;
        ssize_t written;
        do {
            written = write(inbox->fd, &one, sizeof(one));
        } while (written < 0 && errno == EINTR);
    }
    /* The last look at the inbox. Pairs with hr_inbox_settle. */
    atomic_fetch_sub_explicit(&inbox->in_flight, 1, memory_order_release);
}

/* Take all jobs that are complete: a list by `next`, the first done first; or NULL. */
hr_work *
hr_inbox_reap(hr_inbox *inbox)
{
    hr_work *latest = atomic_exchange(&inbox->head, NULL);
    hr_work *first = NULL;
    while (latest != NULL) {
        hr_work *earlier = latest->next;
        latest->next = first;
        first = latest;
        latest = earlier;
        atomic_fetch_sub_explicit(&inbox->outstanding, 1, memory_order_relaxed);
    }
    return first;
}

/* Looks between two looks at the clock, which takes 20 ns. */
#define LOOKS_PER_TIME 4

/* Tell the CPU that this thread waits for a word of memory to change. */
static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Return CLOCK_MONOTONIC in nanoseconds. */
static int64_t
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Like hr_inbox_reap, but look for so many nanoseconds until there is something. The
   eventfd is mostly not written for that. */
hr_work *
hr_inbox_poll(hr_inbox *inbox, int64_t busy_poll)
{
    atomic_store(&inbox->polled, 1);
    int64_t until = now() + busy_poll;
    do {
        for (int i = 0; i < LOOKS_PER_TIME && atomic_load(&inbox->head) == NULL; i++) {
            relax();
        }
    } while (atomic_load(&inbox->head) == NULL && now() < until);
    /* Before the last look: what comes behind it writes the eventfd; see deliver. */
    atomic_store(&inbox->polled, 0);
    return hr_inbox_reap(inbox);
}

/* Wait for threads that are just leaving: all jobs have been reaped. */
void
hr_inbox_settle(hr_inbox *inbox)
{
    while (atomic_load_explicit(&inbox->in_flight, memory_order_acquire) > 0) {
        sched_yield();
    }
}

/* -- The pool ----------------------------------------------------------------- */

/* Threads of one kind, and the jobs that wait for them. Guarded by the pool's lock. */
typedef struct {
    hr_work *first;        /* the queue, oldest first */
    hr_work *last;
    atomic_int queued;     /* its length; looked at by who searches, without the lock */
    int pressing;          /* of them known to take long: a thread for each */
    int threads;           /* alive, or being started */
    int idle;              /* of them asleep, also those that have been woken */
    int coming;            /* woken or started, and not here yet */
    int working;           /* of them with a job */
    int watching;          /* whether one of them watches the pace of the others */
    int searching;         /* whether one of them looks for a job without sleeping */
    int brisk;             /* how much speaks for the next job coming soon, 0 to BRISK */
    unsigned taken;        /* jobs that were begun */
    int64_t emptied;       /* when the queue was last found empty, now() */
    int limit;             /* the most threads */
    pthread_cond_t wake;   /* there is a job, or the pool ends */
} lane;

struct hr_pool {
    pthread_mutex_t lock;
    lane lanes[HR_LANES];
    double idle_timeout;   /* seconds that a thread stays without work */
    int64_t busy_poll;     /* nanoseconds that one looks for work before it sleeps */
    int ending;            /* the owner is gone: threads end when there is no work */
    int users;             /* the owner and the threads; the last one frees it */
    atomic_int forgotten;  /* this process is a fork: no thread is here */
};

/* What a new thread is told. */
typedef struct {
    hr_pool *pool;
    lane *lane;
} assignment;

/* Return a new pool without threads, to be configured, or NULL without memory. */
hr_pool *
hr_pool_new(void)
{
    hr_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    for (int i = 0; i < HR_LANES; i++) {
        pthread_cond_init(&pool->lanes[i].wake, &clock);
    }
    pthread_condattr_destroy(&clock);
    pool->users = 1;
    return pool;
}

/* Give up one use of the pool, whose lock is held and is released. */
static void
release(hr_pool *pool)
{
    int left = --pool->users;
    pthread_mutex_unlock(&pool->lock);
    if (left > 0) {
        return;
    }
    for (int i = 0; i < HR_LANES; i++) {
        pthread_cond_destroy(&pool->lanes[i].wake);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* End the pool: jobs that were submitted are still done. Does not wait. */
void
hr_pool_free(hr_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ending = 1;
    for (int i = 0; i < HR_LANES; i++) {
        pthread_cond_broadcast(&pool->lanes[i].wake);
    }
    release(pool);
}

/* Leave the pool to the parent, in a forked child. The lock may be held by a thread that
   does not exist here, so the memory stays as it is, and allocated. */
void
hr_pool_forget(hr_pool *pool)
{
    atomic_store(&pool->forgotten, 1);
}

void
hr_pool_configure(hr_pool *pool, int limit, int waiting_limit, double idle_timeout,
                  int64_t busy_poll)
{
    pthread_mutex_lock(&pool->lock);
    pool->lanes[HR_LANE_WORK].limit = limit;
    pool->lanes[HR_LANE_WAIT].limit = waiting_limit;
    pool->idle_timeout = idle_timeout;
    pool->busy_poll = busy_poll;
    /* Who waits begins anew, with the new time. */
    for (int i = 0; i < HR_LANES; i++) {
        pthread_cond_broadcast(&pool->lanes[i].wake);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Return how many threads of a lane are alive. */
int
hr_pool_threads(hr_pool *pool, hr_lane_name name)
{
    pthread_mutex_lock(&pool->lock);
    int threads = pool->lanes[name].threads;
    pthread_mutex_unlock(&pool->lock);
    return threads;
}

/* A call that moves more than this is taken to last, bytes: 20 us. */
#define SHORT ((size_t)64 * 1024)

/* Tell whether a job is known to take so long that it must not wait behind others, nor
   they behind it: it gets a thread at once, as far as there may be more. */
static int
is_pressing(const hr_work *work)
{
    switch (work->kind) {
    case HR_WRITE_SYNC:
    case HR_FSYNC:
    case HR_FDATASYNC:
    case HR_WRITE_VECTOR:
    case HR_HELP: return 1;
    default: return work->lane == HR_LANE_WAIT || work->size > SHORT;
    }
}

static void
append(lane *to, hr_work *work)
{
    work->next = NULL;
    work->previous = to->last;
    if (to->last != NULL) {
        to->last->next = work;
    }
    else {
        to->first = work;
    }
    to->last = work;
    to->queued++;
    to->pressing += is_pressing(work);
}

static void
take_out(lane *from, hr_work *work)
{
    if (work->previous != NULL) {
        work->previous->next = work->next;
    }
    else {
        from->first = work->next;
    }
    if (work->next != NULL) {
        work->next->previous = work->previous;
    }
    else {
        from->last = work->previous;
    }
    work->next = work->previous = NULL;
    from->queued--;
    from->pressing -= is_pressing(work);
}

/* Waking a thread that sleeps takes the kernel 5 us, and until it runs another 20 to 60
   where its CPU sleeps too (a virtual one; 2 CPUs, Linux 6.18): longer than most calls.
   So a thread whose lane is in brisk use looks for the next job before it goes to sleep;
   one at a time, and only where jobs have lately come so soon after one another. */
#define BRISK 4

/* Look for a job for a moment, if that is worthwhile. The lock is held, and not
   meanwhile. */
static void
search(hr_pool *pool, lane *from)
{
    int64_t begun = now();
    from->emptied = begun;
    int64_t busy_poll = pool->busy_poll;
    if (from->searching || from->brisk == 0 || busy_poll == 0 || pool->ending ||
        from != &pool->lanes[HR_LANE_WORK]) {
        return;
    }
    from->searching = 1;
    pthread_mutex_unlock(&pool->lock);
    do {
        for (int i = 0; i < LOOKS_PER_TIME && atomic_load(&from->queued) == 0; i++) {
            relax();
        }
    } while (atomic_load(&from->queued) == 0 && now() < begun + busy_poll);
    pthread_mutex_lock(&pool->lock);
    from->searching = 0;
}

/* Note that a job came for a lane whose queue was empty: soon after it was, or not. */
static void
feel_pace(hr_pool *pool, lane *to)
{
    if (pool->busy_poll == 0) {
        return;
    }
    if (now() - to->emptied > pool->busy_poll) {
        to->brisk -= to->brisk > 0;
    }
    else {
        to->brisk += to->brisk < BRISK;
    }
}

/* Jobs are short as a rule: 15 us to make a file, where it takes 5 us to wake a thread and
   as long to be held up by one on the same CPU or at the same directory. Making files in
   64 tasks took twice as long with 6 threads as with one or two (2 CPUs, ext4 and tmpfs,
   Linux 6.18). So another thread joins only where there are jobs and the others do not
   get on with them: one watches that. */
#define TICK 200000         /* between two looks, nanoseconds */
#define QUICK 50000         /* jobs that take less are not worth another thread */
#define IDLE_TICKS 5        /* how long one goes on to watch where there is no job */

/* Tell whether a thread that slept should take a job, if there is one. */
static int
is_wanted(hr_pool *pool, lane *from)
{
    return from->working == 0 || from->pressing > 0 || pool->ending;
}

/* Sleep until woken, or until a time. Returns whether that has come. */
static int
doze(hr_pool *pool, lane *from, int64_t until)
{
    struct timespec time = {.tv_sec = (time_t)(until / 1000000000),
                            .tv_nsec = (long)(until % 1000000000)};
    from->idle++;
    int error = pthread_cond_timedwait(&from->wake, &pool->lock, &time);
    from->idle--;
    from->coming -= from->coming > 0;
    return error == ETIMEDOUT;
}

/* Watch how the other threads get on with the jobs. Returns whether this one should join
   them; else there have been no jobs for a while. */
static int
watch(hr_pool *pool, lane *from)
{
    from->watching = 1;
    int join = 0;
    int empty = 0;
    while (!join && empty < IDLE_TICKS && !pool->ending && from->threads <= from->limit) {
        unsigned before = from->taken;
        int late = doze(pool, from, now() + TICK);
        if (from->first == NULL) {
            empty += late;
            continue;
        }
        empty = 0;
        unsigned quick = (unsigned)from->working * (TICK / QUICK);
        join = is_wanted(pool, from) || (late && from->taken - before < quick);
    }
    from->watching = 0;
    return join;
}

/* Wait for a job, the lock being held. Returns whether there is one for this thread,
   which has just come, or just ended another; else it has nothing to do any more. */
static int
await_job(hr_pool *pool, lane *from, int just_came)
{
    if (from->first == NULL && !just_came) {
        search(pool, from);
    }
    if (from->first != NULL && !just_came) {
        return 1;
    }
    double timeout = 0;
    int64_t until = 0;
    for (;;) {
        if (from->first != NULL) {
            if (is_wanted(pool, from) || (!from->watching && watch(pool, from))) {
                return 1;
            }
        }
        if (pool->ending || from->threads > from->limit) {
            return 0;
        }
        if (pool->idle_timeout != timeout) {
            timeout = pool->idle_timeout;
            until = now() + (int64_t)((timeout < 1e9 ? timeout : 1e9) * 1e9);
        }
        if (doze(pool, from, until)) {
            if (from->first == NULL) {
                return 0;
            }
            timeout = 0;  /* anew, once the jobs are done */
        }
    }
}

/* Tell whether a thread has to come for what is queued. */
static int
is_short_of_threads(lane *from)
{
    /* Who searches takes the first. */
    int left = atomic_load(&from->queued) - from->searching;
    if (left <= 0) {
        return 0;
    }
    return from->pressing > 0 ? from->coming < left
                              : from->coming == 0 && (from->working == 0 || !from->watching);
}

static int start_thread(hr_pool *pool, lane *to);

/* Have a thread come if that is needed: one that sleeps, else a new one. The lock is
   held, and not for a moment. Returns 0, or a negative errno where none can be started. */
static int
summon(hr_pool *pool, lane *from)
{
    if (!is_short_of_threads(from)) {
        return 0;
    }
    if (from->idle > from->coming) {
        from->coming++;
        pthread_cond_signal(&from->wake);
        return 0;
    }
    if (from->threads >= from->limit) {
        return 0;
    }
    from->threads++;
    from->coming++;
    pool->users++;
    pthread_mutex_unlock(&pool->lock);
    int error = start_thread(pool, from);
    pthread_mutex_lock(&pool->lock);
    if (error < 0) {
        from->threads--;
        from->coming -= from->coming > 0;
        pool->users--;
    }
    return error;
}

static void *
serve(void *given)
{
    assignment where = *(assignment *)given;
    free(given);
    hr_pool *pool = where.pool;
    lane *from = where.lane;
    prctl(PR_SET_NAME,
          from == &pool->lanes[HR_LANE_WAIT] ? "headrace-wait" : "headrace");
    pthread_mutex_lock(&pool->lock);
    from->coming -= from->coming > 0;
    for (int just_came = 1; await_job(pool, from, just_came); just_came = 0) {
        hr_work *work = from->first;
        take_out(from, work);
        atomic_fetch_or(&work->state, HR_STATE_BEGUN);
        from->taken++;
        from->working++;
        /* It may take long, whatever it is: somebody has to look after the others. */
        (void)summon(pool, from);
        pthread_mutex_unlock(&pool->lock);
        work->error = perform(work);
        deliver(work);
        pthread_mutex_lock(&pool->lock);
        from->working--;
    }
    from->threads--;
    (void)summon(pool, from);
    release(pool);
    return NULL;
}

/* Start a thread, which has been counted already. Returns 0 or a negative errno. */
static int
start_thread(hr_pool *pool, lane *to)
{
    assignment *where = malloc(sizeof(*where));
    if (where == NULL) {
        return -ENOMEM;
    }
    where->pool = pool;
    where->lane = to;
    pthread_attr_t how;
    pthread_attr_init(&how);
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    size_t stack = STACK_SIZE;
#ifdef PTHREAD_STACK_MIN
    if (stack < (size_t)PTHREAD_STACK_MIN) {
        stack = (size_t)PTHREAD_STACK_MIN;
    }
#endif
    pthread_attr_setstacksize(&how, stack);
    /* Signals are for Python's threads; the new one inherits the mask. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, &how, serve, where);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
    if (error != 0) {
        free(where);
        return -error;
    }
    return 0;
}

/* Count off a call that is not made. */
static void
expect_no_more(hr_inbox *inbox)
{
    if (inbox != NULL) {
        atomic_fetch_sub_explicit(&inbox->outstanding, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&inbox->in_flight, 1, memory_order_release);
    }
}

/* Have a thread do work, and put it into inbox, if there is one. Returns 0, or a negative
   errno if there is no thread and none can be started: the job is then not submitted. */
int
hr_pool_submit(hr_pool *pool, hr_inbox *inbox, hr_work *work)
{
    lane *to = &pool->lanes[work->lane];
    work->pool = pool;
    work->inbox = inbox;
    atomic_store_explicit(&work->state, 0, memory_order_relaxed);
    if (inbox != NULL) {
        atomic_fetch_add_explicit(&inbox->in_flight, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&inbox->outstanding, 1, memory_order_relaxed);
    }
    pthread_mutex_lock(&pool->lock);
    if (to->first == NULL) {
        feel_pace(pool, to);
    }
    append(to, work);
    int error = summon(pool, to);
    if (error < 0 && (to->threads > 0 || atomic_load(&work->state) != 0)) {
        error = 0;  /* there are others, who will do it or have done it */
    }
    if (error < 0) {
        take_out(to, work);
        expect_no_more(inbox);
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

/* -- Large reads ---------------------------------------------------------------- */

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
        int result = fill(&piece);
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
static int
help(hr_work *work)
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

/* Like fill, for a large buffer and a known offset: with the help of idle threads. */
static int
fill_together(hr_work *work)
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

/* -- Giving up ---------------------------------------------------------------- */

/* Take a job back that no thread has begun. Returns whether that worked: it is then its
   owner's again, and is not reaped. */
int
hr_work_withdraw(hr_work *work)
{
    hr_pool *pool = work->pool;
    if (pool == NULL || atomic_load(&pool->forgotten)) {
        return 0;
    }
    pthread_mutex_lock(&pool->lock);
    int mine = (atomic_load(&work->state) & (HR_STATE_BEGUN | HR_STATE_WITHDRAWN)) == 0;
    if (mine) {
        atomic_fetch_or(&work->state, HR_STATE_WITHDRAWN);
        take_out(&pool->lanes[work->lane], work);
    }
    pthread_mutex_unlock(&pool->lock);
    if (mine) {
        expect_no_more(work->inbox);
    }
    return mine;
}

/* Give the outcome of a job up: its thread drops it. Returns whether it was done
   already, and so is the caller's to drop. */
int
hr_work_abandon(hr_work *work)
{
    return (atomic_fetch_or(&work->state, HR_STATE_ABANDONED) & HR_STATE_DONE) != 0;
}

#endif
