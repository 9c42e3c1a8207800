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
    char left;             /* what was in flight could not be waited for: see close */
} hr_ring_object;

/* What an operation's result is. */
typedef enum {
    HR_GIVES_BYTES,        /* READ: the bytes */
    HR_GIVES_COUNT,        /* READ into a buffer: how many bytes */
    HR_GIVES_WRITTEN,      /* WRITE: (how many bytes, None) */
    HR_GIVES_NONE          /* FSYNC */
} hr_gives;

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
} hr_ring_job;

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

#endif
#endif
