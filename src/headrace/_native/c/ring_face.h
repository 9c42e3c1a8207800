/* The two types over ring.c, `Ring` and `Operation`: what they share.

   An operation that is queued or that the kernel has is kept alive by a reference of the
   ring's, and so is all that the kernel may write to or read from, whoever has lost
   interest in it.

   What a ring is told comes from one event loop's thread. Its critical section guards
   it against the others on free-threaded builds (a file that is closed elsewhere). */

#ifndef HEADRACE_RING_FACE_H
#define HEADRACE_RING_FACE_H

#include "core.h"
#include "ring.h"

#if HR_HAVE_RING

typedef struct {
    PyObject_HEAD
    hr_state *state;
    hr_ring ring;
    PyObject *failed;      /* what `reap` could not return for an exception; or NULL */
    char left;             /* what was in flight could not be waited for: see close */
} hr_ring_object;

/* Pieces of aligned memory that are kept: as many as a small ring has in flight. */
#define HR_KEPT 64

/* What an operation's result is. */
typedef enum {
    HR_GIVES_BYTES,        /* READ: the bytes */
    HR_GIVES_COUNT,        /* READ into a buffer: how many bytes */
    HR_GIVES_PIECE,        /* READ into aligned memory: the bytes that were asked for */
    HR_GIVES_WRITTEN,      /* WRITE: (how many bytes, None) */
    HR_GIVES_NONE          /* FSYNC */
} hr_gives;

/* What a task that awaits an operation itself needs of it; see ring_await.c. */
typedef struct {
    struct hr_reads *reads;    /* how its loop reads; NULL: nobody awaits it so */
    hr_raw *file;              /* what is read; NULL once that is over */
    PyObject *loop;            /* the task's */
    PyObject *callback;        /* has the task go on; NULL: it does, or is not there */
    PyObject *context;         /* the context for that */
    PyObject *message;         /* of the cancellation, or NULL */
    PyObject *inner;           /* the coroutine that does it in Python, or NULL */
    char *aligned;             /* memory for direct reads, or NULL */
    Py_ssize_t room;           /* bytes of it */
    Py_ssize_t skip;           /* bytes of it before what was asked for */
    Py_ssize_t size;           /* bytes asked for */
    long long offset;          /* where they are */
    char begun;                /* it was resumed once: the task has it */
    char blocking;             /* asyncio's mark that it was yielded and not seen yet */
    char cancelled;            /* its task is to be told so */
    char again;                /* it is to be done once more, by Python */
} hr_await;

typedef struct hr_ring_job {
    PyObject_HEAD
    hr_ring_op op;         /* what the kernel is told */
    hr_ring_object *ring;  /* where it was submitted; NULL once it has completed */
    struct hr_ring_job *after;  /* the next one of those reaped together */
    PyObject *signal;      /* has a method set(); or None */
    PyObject *keep;        /* any object that must live as long as the operation */
    PyObject *data;        /* bytes being filled; NULL: none */
    Py_buffer view;        /* the caller's buffer; view.obj is NULL: none */
    PyObject *result;      /* once completed; else NULL */
    PyObject *error;       /* the exception, once it has failed; else NULL */
    Py_ssize_t wanted;     /* bytes in all */
    Py_ssize_t done;       /* bytes moved so far */
    int failure;           /* negative errno of the last refusal; else 0 */
    char gives;            /* hr_gives */
    char full;             /* a short read is continued up to the end of file */
    char completed;
    char withdrawn;        /* taken back before the kernel had it */
    char abandoned;        /* nobody waits for it */
    char lost;             /* nobody will tell when the kernel is done with it */
    hr_await await;        /* all 0 where it is not awaited itself */
} hr_ring_job;

/* How one loop reads by its ring without asking Python; see ring_reads.c. */
typedef struct hr_reads {
    PyObject_HEAD
    hr_state *state;
    hr_ring_object *ring;      /* NULL: ask Python */
    PyObject *loop;            /* weak reference to the loop */
    PyObject *running_loop;    /* asyncio's function of that name */
    PyObject *current_task;    /* likewise */
    PyObject *shield;          /* context variable: None where nothing is shielded */
    PyObject *cancelled;       /* asyncio.CancelledError */
    PyObject *flush;           /* hands to the kernel what is queued */
    char *kept[HR_KEPT];       /* aligned memory that nobody uses */
    Py_ssize_t kept_room;      /* bytes of each */
    unsigned batch;            /* so many are submitted without waiting for more */
    unsigned kept_count;
    int reaping;               /* completions are being told of: more will come */
    char flush_due;            /* the loop will call flush by itself */
} hr_reads;

static inline hr_ring_job *
hr_operation_of(hr_ring_op *op)
{
    return (hr_ring_job *)((char *)op - offsetof(hr_ring_job, op));
}

void hr_operation_release(hr_ring_job *self);
void hr_operation_signal(hr_ring_job *self, hr_state *state);
void hr_operation_succeed(hr_ring_job *self, hr_state *state);
void hr_operation_fail(hr_ring_job *self, int error);
PyObject *hr_operation_pursue(hr_ring_job *self, PyObject *seconds);

/* -- ring_face.c ------------------------------------------------------------------- */

hr_ring_job *hr_operation_new(hr_ring_object *ring, int fd);
int hr_operation_push(hr_ring_job *self);

/* -- ring_await.c ------------------------------------------------------------------ */

void hr_await_forget(hr_ring_job *self);
int hr_await_wake(hr_ring_job *self);
void hr_await_wake_soon(hr_ring_job *self);
void hr_await_leave(hr_ring_job *self);
PyObject *hr_await_iternext(hr_ring_job *self);
PySendResult hr_await_send(hr_ring_job *self, PyObject *value, PyObject **result);
PyObject *hr_await_throw(hr_ring_job *self, PyObject *const *args, Py_ssize_t count);
PyObject *hr_await_close(hr_ring_job *self, PyObject *none);
PyObject *hr_await_get_blocking(hr_ring_job *self, void *closure);
int hr_await_set_blocking(hr_ring_job *self, PyObject *value, void *closure);
PyObject *hr_await_get_loop(hr_ring_job *self, PyObject *none);
PyObject *hr_await_add_done_callback(hr_ring_job *self, PyObject *const *args,
                                     Py_ssize_t count, PyObject *names);
PyObject *hr_await_remove_done_callback(hr_ring_job *self, PyObject *callback);
PyObject *hr_await_cancel(hr_ring_job *self, PyObject *args, PyObject *kwargs);
PyObject *hr_await_result(hr_ring_job *self, PyObject *none);
PyObject *hr_await_cancelled(hr_ring_job *self, PyObject *none);

/* -- ring_reads.c ------------------------------------------------------------------ */

void hr_reads_give_back(hr_ring_job *self);

#endif
#endif
