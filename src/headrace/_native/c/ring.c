/* One io_uring through its three system calls: see ring.h.

   Facts are from io_uring_setup(2), io_uring_enter(2), io_uring_register(2) and
   io_uring(7). What is relied upon, and checked when a ring is made, came with
   Linux 5.11; what is better where newer kernels have it, is asked for and done
   without if refused. */

#if defined(__linux__) && !defined(_GNU_SOURCE)
#  define _GNU_SOURCE
#endif

#include "ring.h"

#if HR_HAVE_RING

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* -- What older headers lack: the kernel's numbers, which never change ------------ */

#ifndef SYS_io_uring_setup
#  define SYS_io_uring_setup 425
#  define SYS_io_uring_enter 426
#  define SYS_io_uring_register 427
#endif

#define HR_SETUP_COOP_TASKRUN (1u << 8)      /* 5.19 */
#define HR_SETUP_TASKRUN_FLAG (1u << 9)      /* 5.19 */
#define HR_SETUP_SINGLE_ISSUER (1u << 12)    /* 6.0 */
#define HR_SETUP_DEFER_TASKRUN (1u << 13)    /* 6.1 */
#define HR_SQ_CQ_OVERFLOW (1u << 1)          /* 5.8 */
#define HR_SQ_TASKRUN (1u << 2)              /* 5.19 */
#define HR_ENTER_GETEVENTS (1u << 0)
#define HR_ENTER_EXT_ARG (1u << 3)           /* 5.11 */
#define HR_REGISTER_EVENTFD 4u               /* 5.2 */
#define HR_REGISTER_PROBE 8u                 /* 5.6 */
#define HR_REGISTER_IOWQ_MAX_WORKERS 19u     /* 5.15 */
#define HR_OP_FSYNC 3
#define HR_OP_ASYNC_CANCEL 14
#define HR_OP_READ 22
#define HR_OP_WRITE 23

/* IORING_FEAT_SINGLE_MMAP, _NODROP, _SUBMIT_STABLE, _RW_CUR_POS, _FAST_POLL and
   _EXT_ARG: one mapping for both queues; no completion is ever dropped; what an
   operation points to is read when it is submitted; a wait that ends. */
#define HR_NEEDED_FEATURES \
    ((1u << 0) | (1u << 1) | (1u << 2) | (1u << 3) | (1u << 5) | (1u << 8))

/* Setup flags from the best to none. Completions that wait until they are asked for
   need no interruption of the loop's thread, and come in batches. */
static const unsigned setup_choices[] = {
    HR_SETUP_DEFER_TASKRUN | HR_SETUP_SINGLE_ISSUER | HR_SETUP_TASKRUN_FLAG,
    HR_SETUP_COOP_TASKRUN | HR_SETUP_TASKRUN_FLAG,
    0,
};

/* struct io_uring_getevents_arg and __kernel_timespec (5.11). */
typedef struct {
    int64_t sec;
    int64_t nsec;
} hr_kernel_timespec;

typedef struct {
    uint64_t sigmask;
    uint32_t sigmask_size;
    uint32_t pad;
    uint64_t timespec;
} hr_getevents_arg;

/* -- System calls ------------------------------------------------------------------ */

static int
ring_setup(unsigned entries, struct io_uring_params *params)
{
    long fd = syscall(SYS_io_uring_setup, entries, params);
    return fd < 0 ? -errno : (int)fd;
}

static int
ring_enter(const hr_ring *ring, unsigned to_submit, unsigned wanted, unsigned flags,
           const void *arg, size_t arg_size)
{
    long n = syscall(SYS_io_uring_enter, ring->fd, to_submit, wanted, flags, arg,
                     arg_size);
    return n < 0 ? -errno : (int)n;
}

static int
ring_register(const hr_ring *ring, unsigned what, void *arg, unsigned count)
{
    long n = syscall(SYS_io_uring_register, ring->fd, what, arg, count);
    return n < 0 ? -errno : (int)n;
}

/* -- Lists: circular, the head is one of them -------------------------------------- */

static void
list_init(hr_ring_op *head)
{
    head->next = head->prev = head;
}

static void
list_append(hr_ring_op *head, hr_ring_op *op)
{
    op->next = head;
    op->prev = head->prev;
    head->prev->next = op;
    head->prev = op;
}

static void
list_remove(hr_ring_op *op)
{
    op->prev->next = op->next;
    op->next->prev = op->prev;
    op->next = op->prev = NULL;
}

/* -- Making and ending ------------------------------------------------------------- */

static void *
ring_map(int fd, size_t size, off_t what)
{
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                       what);
    if (start == MAP_FAILED) {
        return NULL;
    }
    /* A child must not be able to touch its parent's queues. */
    (void)madvise(start, size, MADV_DONTFORK);
    return start;
}

/* Map the queues. Returns 0 or a negative errno. */
static int
ring_map_all(hr_ring *ring, const struct io_uring_params *params)
{
    const struct io_sqring_offsets *sq = &params->sq_off;
    const struct io_cqring_offsets *cq = &params->cq_off;
    size_t sq_size = sq->array + params->sq_entries * sizeof(unsigned);
    size_t cq_size = cq->cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    ring->rings_size = sq_size > cq_size ? sq_size : cq_size;
    ring->sqes_size = params->sq_entries * sizeof(struct io_uring_sqe);
    ring->rings = ring_map(ring->fd, ring->rings_size, IORING_OFF_SQ_RING);
    if (ring->rings == NULL) {
        return -errno;
    }
    ring->sqes = ring_map(ring->fd, ring->sqes_size, IORING_OFF_SQES);
    if (ring->sqes == NULL) {
        return -errno;
    }
    char *base = ring->rings;
    ring->sq_head = (_Atomic unsigned *)(base + sq->head);
    ring->sq_tail = (_Atomic unsigned *)(base + sq->tail);
    ring->sq_flags = (_Atomic unsigned *)(base + sq->flags);
    ring->sq_mask = *(unsigned *)(base + sq->ring_mask);
    ring->cq_head = (_Atomic unsigned *)(base + cq->head);
    ring->cq_tail = (_Atomic unsigned *)(base + cq->tail);
    ring->cq_mask = *(unsigned *)(base + cq->ring_mask);
    ring->cqes = base + cq->cqes;
    /* Slot i of the queue is always entry i: the indirection is not used. */
    unsigned *array = (unsigned *)(base + sq->array);
    for (unsigned i = 0; i < params->sq_entries; i++) {
        array[i] = i;
    }
    return 0;
}

/* Make the ring itself, with as many entries and as good flags as the kernel grants.
   Returns 0 or a negative errno. */
static int
ring_make(hr_ring *ring, unsigned entries, struct io_uring_params *params)
{
    size_t choice = 0;
    for (;;) {
        memset(params, 0, sizeof(*params));
        params->flags = setup_choices[choice];
        int fd = ring_setup(entries, params);
        if (fd >= 0) {
            ring->fd = fd;
            ring->setup_flags = params->flags;
            /* The kernel does it from 5.5 on; a seccomp tracer may not. */
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
            return 0;
        }
        if (fd == -EINVAL && setup_choices[choice] != 0) {
            choice++;
        }
        else if (fd == -ENOMEM && entries > 8) {
            /* RLIMIT_MEMLOCK, or the control group's memory. */
            entries = entries / 2 > 8 ? entries / 2 : 8;
        }
        else {
            return fd;
        }
    }
}

/* Check that the kernel has each operation that is used. Returns 0 or -EOPNOTSUPP, or
   another negative errno. */
static int
ring_probe(const hr_ring *ring)
{
    static const uint8_t used[] = {HR_OP_READ, HR_OP_WRITE, HR_OP_FSYNC,
                                   HR_OP_ASYNC_CANCEL};
    enum { OPS = 32 };
    struct {
        struct io_uring_probe head;
        struct io_uring_probe_op ops[OPS];
    } probe;
    memset(&probe, 0, sizeof(probe));
    int error = ring_register(ring, HR_REGISTER_PROBE, &probe, OPS);
    if (error < 0) {
        return error;
    }
    for (size_t i = 0; i < sizeof(used); i++) {
        if (used[i] > probe.head.last_op ||
            !(probe.ops[used[i]].flags & IO_URING_OP_SUPPORTED)) {
            return -EOPNOTSUPP;
        }
    }
    return 0;
}

/* Have event_fd (or one of the ring's own, if -1) tell of completions. Of all of them:
   EVENTFD_ASYNC leaves out those that the task itself has to finish, among them reads
   that waited for a page. Returns 0 or a negative errno. */
static int
ring_register_event(hr_ring *ring, int event_fd)
{
    ring->owns_event_fd = event_fd < 0;
    ring->event_fd = event_fd < 0 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : event_fd;
    if (ring->event_fd < 0) {
        return -errno;
    }
    return ring_register(ring, HR_REGISTER_EVENTFD, &ring->event_fd, 1);
}

/* Make a ring of at most entries (fewer where memory may not be locked), that has at
   most limit operations in the kernel (0: as many as it has room for completions), and
   at most workers kernel threads of each kind (0: the kernel's bound). Returns 0, or a
   negative errno and no ring. */
int
hr_ring_open(hr_ring *ring, unsigned entries, unsigned limit, int event_fd,
             unsigned workers)
{
    memset(ring, 0, sizeof(*ring));
    ring->pid = (long)getpid();
    ring->fd = ring->event_fd = -1;
    list_init(&ring->queue);
    list_init(&ring->flying);
    struct io_uring_params params;
    int error = ring_make(ring, entries, &params);
    if (error < 0) {
        return error;
    }
    ring->entries = params.sq_entries;
    ring->cq_entries = params.cq_entries;
    ring->features = params.features;
    ring->limit = limit ? limit : params.cq_entries;
    ring->euid = (unsigned)geteuid();
    ring->egid = (unsigned)getegid();
    if ((params.features & HR_NEEDED_FEATURES) != HR_NEEDED_FEATURES) {
        error = -EOPNOTSUPP;
    }
    if (error == 0) {
        error = ring_map_all(ring, &params);
    }
    if (error == 0) {
        error = ring_probe(ring);
    }
    if (error == 0) {
        error = ring_register_event(ring, event_fd);
    }
    if (error == 0 && workers) {
        /* Bounded: reads and writes of files; unbounded: all else. Kernels before
           5.15 have no such call, and a bound of their own. */
        unsigned bounds[2] = {workers, workers};
        (void)ring_register(ring, HR_REGISTER_IOWQ_MAX_WORKERS, bounds, 2);
    }
    if (error < 0) {
        hr_ring_close(ring);
        return error;
    }
    return 0;
}

static void
close_descriptors(hr_ring *ring)
{
    if (ring->fd >= 0) {
        close(ring->fd);
    }
    if (ring->owns_event_fd && ring->event_fd >= 0) {
        close(ring->event_fd);
    }
    ring->fd = ring->event_fd = -1;
}

/* Tell whether this process was forked from the one that made the ring. */
int
hr_ring_is_foreign(const hr_ring *ring)
{
    return ring->pid != (long)getpid();
}

/* End the ring. Nothing may be in flight: the kernel would go on writing. */
void
hr_ring_close(hr_ring *ring)
{
    if (hr_ring_is_foreign(ring)) {
        hr_ring_forget(ring);
        return;
    }
    if (ring->sqes != NULL) {
        munmap(ring->sqes, ring->sqes_size);
    }
    if (ring->rings != NULL) {
        munmap(ring->rings, ring->rings_size);
    }
    ring->sqes = ring->rings = NULL;
    close_descriptors(ring);
}

/* Leave the ring to the parent that this process was forked from: the mappings are not
   here (MADV_DONTFORK), and their addresses may be somebody else's. */
void
hr_ring_forget(hr_ring *ring)
{
    ring->sqes = ring->rings = NULL;
    close_descriptors(ring);
}

/* Tell whether the process still has the credentials that the ring was made with. */
int
hr_ring_same_owner(const hr_ring *ring)
{
    return ring->euid == (unsigned)geteuid() && ring->egid == (unsigned)getegid();
}

/* -- Submitting -------------------------------------------------------------------- */

/* Put op at the end of the queue; `hr_ring_flush` hands it to the kernel. */
void
hr_ring_push(hr_ring *ring, hr_ring_op *op)
{
    op->state = HR_RING_QUEUED;
    list_append(&ring->queue, op);
    ring->queued++;
}

/* Take op back if it is still in the queue. Returns whether it was. */
int
hr_ring_withdraw(hr_ring *ring, hr_ring_op *op)
{
    if (op->state != HR_RING_QUEUED) {
        return 0;
    }
    list_remove(op);
    ring->queued--;
    op->state = HR_RING_IDLE;
    return 1;
}

static void
fill_entry(struct io_uring_sqe *sqe, hr_ring_op *op)
{
    static const uint8_t codes[] = {
        [HR_RING_READ] = HR_OP_READ,
        [HR_RING_WRITE] = HR_OP_WRITE,
        [HR_RING_FSYNC] = HR_OP_FSYNC,
    };
    memset(sqe, 0, sizeof(*sqe));
    sqe->opcode = codes[op->opcode];
    sqe->fd = op->fd;
    sqe->user_data = (uint64_t)(uintptr_t)op;
    if (op->opcode == HR_RING_FSYNC) {
        sqe->fsync_flags = op->flags;
        return;
    }
    sqe->off = (uint64_t)op->offset;
    sqe->addr = (uint64_t)(uintptr_t)op->buf;
    sqe->len = op->size;
}

/* Hand count filled entries to the kernel. Returns how many it took, or a negative
   errno. Those that it did not take are taken out of the ring again, so that they can
   be withdrawn. */
static int
submit_entries(hr_ring *ring, unsigned tail, unsigned count)
{
    /* Pairs with the kernel's acquire of the tail: it sees the entries filled. */
    atomic_store_explicit(ring->sq_tail, tail + count, memory_order_release);
    int taken;
    do {
        taken = ring_enter(ring, count, 0, 0, NULL, 0);
    } while (taken == -EINTR);
    unsigned kept = taken < 0 ? 0 : (unsigned)taken;
    if (kept < count) {
        /* Without SQPOLL the kernel looks at the tail only inside the call. */
        atomic_store_explicit(ring->sq_tail, tail + kept, memory_order_release);
    }
    ring->in_flight += kept;
    ring->submissions++;
    return taken;
}

/* Hand what is queued to the kernel, as far as there is room. Returns 0, or the
   negative errno of a refusal; what was not taken is still queued then. */
int
hr_ring_flush(hr_ring *ring)
{
    while (ring->queued && ring->in_flight < ring->limit) {
        unsigned room = ring->limit - ring->in_flight;
        unsigned count = room < ring->entries ? room : ring->entries;
        /* Between two calls the kernel has taken all that was in the queue. */
        unsigned tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed);
        struct io_uring_sqe *sqes = ring->sqes;
        unsigned filled = 0;
        for (hr_ring_op *op = ring->queue.next; op != &ring->queue && filled < count;
             op = op->next) {
            fill_entry(&sqes[(tail + filled) & ring->sq_mask], op);
            filled++;
        }
        int taken = submit_entries(ring, tail, filled);
        for (int i = 0; i < taken; i++) {
            hr_ring_op *op = ring->queue.next;
            list_remove(op);
            ring->queued--;
            op->state = HR_RING_FLYING;
            list_append(&ring->flying, op);
        }
        if (taken == -EBUSY && ring->in_flight) {
            /* Completions lie in the kernel's overflow list: room first. The rest goes
               with the next of them. */
            return hr_ring_gather(ring);
        }
        if (taken <= 0) {
            return taken < 0 ? taken : -EAGAIN;
        }
    }
    return 0;
}

/* Ask the kernel to give op up, which it has; op completes in any case. Returns 0 or a
   negative errno. */
int
hr_ring_cancel(hr_ring *ring, hr_ring_op *op)
{
    if (op->state != HR_RING_FLYING) {
        return 0;
    }
    unsigned tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed);
    struct io_uring_sqe *sqe = &((struct io_uring_sqe *)ring->sqes)[tail & ring->sq_mask];
    memset(sqe, 0, sizeof(*sqe));
    sqe->opcode = HR_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = (uint64_t)(uintptr_t)op;
    /* Nobody's completion: user_data is 0. */
    int taken = submit_entries(ring, tail, 1);
    return taken < 0 ? taken : 0;
}

/* -- Completing -------------------------------------------------------------------- */

/* Have the kernel finish what waits for this thread, and put what overflowed into the
   queue. Returns 0 or a negative errno. */
int
hr_ring_gather(hr_ring *ring)
{
    unsigned flags = atomic_load_explicit(ring->sq_flags, memory_order_relaxed);
    if (!(flags & (HR_SQ_TASKRUN | HR_SQ_CQ_OVERFLOW))) {
        return 0;
    }
    int n;
    do {
        n = ring_enter(ring, 0, 0, HR_ENTER_GETEVENTS, NULL, 0);
    } while (n == -EINTR);
    return n < 0 ? n : 0;
}

/* Wait until something completes, at most timeout_ns (-1: for ever). Returns 0; -ETIME;
   or another negative errno. */
int
hr_ring_wait(hr_ring *ring, int64_t timeout_ns)
{
    hr_kernel_timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    hr_getevents_arg arg = {0};
    arg.timespec = timeout_ns < 0 ? 0 : (uint64_t)(uintptr_t)&timeout;
    int n = ring_enter(ring, 0, 1, HR_ENTER_GETEVENTS | HR_ENTER_EXT_ARG, &arg,
                       sizeof(arg));
    return n < 0 ? n : 0;
}

/* Return the next operation that has completed, its result in it; NULL if there is
   none. */
hr_ring_op *
hr_ring_next(hr_ring *ring)
{
    while (ring->rings != NULL) {
        unsigned head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
        /* Pairs with the kernel's release of the tail: the entry is all there. */
        if (head == atomic_load_explicit(ring->cq_tail, memory_order_acquire)) {
            return NULL;
        }
        struct io_uring_cqe *cqes = ring->cqes;
        struct io_uring_cqe *cqe = &cqes[head & ring->cq_mask];
        hr_ring_op *op = (hr_ring_op *)(uintptr_t)cqe->user_data;
        int32_t result = cqe->res;
        /* Pairs with the kernel's acquire of the head: the entry has been read. */
        atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
        ring->in_flight--;
        if (op == NULL) {
            continue;
        }
        op->result = result;
        op->state = HR_RING_IDLE;
        list_remove(op);
        return op;
    }
    return NULL;
}

/* Tell whether `hr_ring_next` has something to look at. */
int
hr_ring_ready(const hr_ring *ring)
{
    return ring->rings != NULL &&
           atomic_load_explicit(ring->cq_head, memory_order_relaxed) !=
               atomic_load_explicit(ring->cq_tail, memory_order_acquire);
}

/* Tell whether there is something to be had: completions, or work that this thread has
   to let the kernel do, whether or not it then completes anything. */
int
hr_ring_has_work(const hr_ring *ring)
{
    if (hr_ring_ready(ring)) {
        return 1;
    }
    return ring->rings != NULL &&
           (atomic_load_explicit(ring->sq_flags, memory_order_acquire) &
            (HR_SQ_TASKRUN | HR_SQ_CQ_OVERFLOW)) != 0;
}

/* Have the event descriptor tell once more, after the loop's other work, that there may
   be something left. */
void
hr_ring_tell_again(hr_ring *ring)
{
    uint64_t one = 1;
    ssize_t n = write(ring->event_fd, &one, sizeof(one));
    (void)n;    /* EAGAIN: it is readable as can be */
}

/* The same, but not again before something has completed. */
void
hr_ring_nudge(hr_ring *ring)
{
    if (!ring->nudged) {
        ring->nudged = 1;
        hr_ring_tell_again(ring);
    }
}

/* Make the event descriptor unreadable until the next completion. */
void
hr_ring_drain_event(hr_ring *ring)
{
    uint64_t count;
    ssize_t n;
    do {
        n = read(ring->event_fd, &count, sizeof(count));
    } while (n < 0 && errno == EINTR);
}

#endif
