/* One io_uring: queues, submission, completion, cancellation. Nothing here holds a
   PyObject or needs the GIL, and no function locks: the caller sees to it that one
   thread at a time is inside. A failure is a negative errno. */

#ifndef HEADRACE_RING_H
#define HEADRACE_RING_H

#include <stddef.h>
#include <stdint.h>

/* The header is that of the kernel the core is built on; what it lacks, ring.c names. */
#if defined(__linux__) && defined(__has_include)
#  if __has_include(<linux/io_uring.h>)
#    define HR_HAVE_RING 1
#  endif
#endif
#ifndef HR_HAVE_RING
#  define HR_HAVE_RING 0
#endif

#if HR_HAVE_RING

typedef enum {
    HR_RING_READ,
    HR_RING_WRITE,
    HR_RING_FSYNC
} hr_ring_opcode;

typedef enum {
    HR_RING_IDLE,      /* not submitted, or completed */
    HR_RING_QUEUED,    /* waits its turn in user space */
    HR_RING_FLYING     /* the kernel has it, and its buffer */
} hr_ring_state;

/* One operation. It stays where it is from submission to completion. */
typedef struct hr_ring_op {
    struct hr_ring_op *next;   /* neighbours in the list that it is in */
    struct hr_ring_op *prev;
    void *buf;                 /* memory to be read into or written */
    int64_t offset;            /* absolute byte offset */
    uint32_t size;             /* bytes of buf */
    uint32_t flags;            /* FSYNC: IORING_FSYNC_*; else 0 */
    int fd;
    int32_t result;            /* once completed: a count or a negative errno */
    uint8_t opcode;            /* hr_ring_opcode */
    uint8_t state;             /* hr_ring_state */
} hr_ring_op;

typedef struct {
    int fd;                    /* of the ring; -1: closed */
    int event_fd;              /* readable when something has completed; -1: none */
    char owns_event_fd;        /* whether it is closed with the ring */
    unsigned entries;          /* of the submission queue */
    unsigned cq_entries;       /* of the completion queue */
    unsigned limit;            /* most operations that the kernel has at a time */
    unsigned setup_flags;      /* IORING_SETUP_* that the kernel took */
    unsigned features;         /* IORING_FEAT_* */
    char nudged;               /* see hr_ring_nudge */
    unsigned in_flight;        /* completions to come, those of cancellations too */
    unsigned queued;           /* operations that wait their turn */
    unsigned long submissions; /* io_uring_enter calls that submitted something */
    long pid;                  /* of the process that made the ring */
    unsigned euid, egid;       /* whose credentials the ring was made with */
    hr_ring_op queue;          /* heads of two circular lists: what waits its turn, */
    hr_ring_op flying;         /* and what the kernel has */
    /* Mapped memory, shared with the kernel. */
    void *rings;               /* both queues; NULL: not mapped */
    size_t rings_size;         /* bytes */
    void *sqes;
    size_t sqes_size;          /* bytes */
    _Atomic unsigned *sq_head;
    _Atomic unsigned *sq_tail;
    _Atomic unsigned *sq_flags;
    unsigned sq_mask;
    _Atomic unsigned *cq_head;
    _Atomic unsigned *cq_tail;
    unsigned cq_mask;
    void *cqes;
} hr_ring;

int hr_ring_open(hr_ring *ring, unsigned entries, unsigned limit, int event_fd,
                 unsigned workers);
void hr_ring_close(hr_ring *ring);
void hr_ring_forget(hr_ring *ring);
int hr_ring_is_foreign(const hr_ring *ring);
int hr_ring_same_owner(const hr_ring *ring);
void hr_ring_push(hr_ring *ring, hr_ring_op *op);
int hr_ring_withdraw(hr_ring *ring, hr_ring_op *op);
int hr_ring_flush(hr_ring *ring);
int hr_ring_cancel(hr_ring *ring, hr_ring_op *op);
int hr_ring_gather(hr_ring *ring);
int hr_ring_wait(hr_ring *ring, int64_t timeout_ns);
hr_ring_op *hr_ring_next(hr_ring *ring);
int hr_ring_ready(const hr_ring *ring);
int hr_ring_has_work(const hr_ring *ring);
void hr_ring_tell_again(hr_ring *ring);
void hr_ring_nudge(hr_ring *ring);
void hr_ring_drain_event(hr_ring *ring);

#endif
#endif
