/* What the files of the core share, and their conventions.

   - Each file is specified by its twin in ../py; `module.c` and `faces.c` have none.
   - A function that returns PyObject * returns a new reference, or NULL with an
     exception set, unless its comment says otherwise. One that returns int returns 0,
     or -1 with an exception set.
   - State that lives as long as the module is in hr_state; nothing else is static and
     mutable. Objects that have a hot path carry a pointer to it, which their type keeps
     valid: a heap type holds its module.
   - A fast path is shut by a value (a limit of -1), not by a check, and changes state
     only if it succeeds. Where it cannot answer, it returns the WAIT sentinel and the
     Python method that can is called.
   - On free-threaded builds an object is guarded by its critical section while a fast
     path looks at it or changes it. */

#ifndef HEADRACE_CORE_H
#define HEADRACE_CORE_H

#ifndef PY_SSIZE_T_CLEAN
#  define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <stddef.h>
#include <stdint.h>

#include "compat.h"
#include "inline.h"

/* Inline reads of one file between two looks at the budget; py/raw.py. */
#define HR_OPERATIONS_PER_LOOK 8
/* What a read after a jump fetches at first, bytes; py/reader.py. */
#define HR_AHEAD_AFTER_JUMP (4 * 1024)
/* What a window of lines costs, in operations; py/reader.py. */
#define HR_WINDOW_OPERATIONS 4
/* Beyond this, the kernel is asked whether the file system has such an offset. */
#define HR_SAFE_OFFSET ((long long)1 << 40)

/* Most awaitables kept for reuse. Arbitrary: one is in use per running operation. */
#define HR_FREE_MAX 64

/* Names of Python methods that the core calls, as strings made once. */
typedef enum {
    HR_NAME_READ_NOW,
    HR_NAME_READ_WAIT,
    HR_NAME_READLINE_NOW,
    HR_NAME_READLINE_WAIT,
    HR_NAME_WRITE_NOW,
    HR_NAME_WRITE_WAIT,
    HR_NAME_NEXT_NOW,
    HR_NAME_NEXT_WAIT,
    HR_NAME_SEEK_NOW,
    HR_NAME_SEEK_WAIT,
    HR_NAME_CLOSE_NOW,
    HR_NAME_CLOSE_WAIT,
    HR_NAME_DROPPED,
    HR_NAME_LOCAL,
    HR_NAME_NOWAIT,
    HR_NAME_LAYERS,
    HR_NAME_TURNS,
    HR_NAME_MAY_READ,
    HR_NAME_HELD,
    HR_NAME_THROW,
    HR_NAME_CLOSE,
    HR_NAME_SET,
    HR_NAME_RING,
    HR_NAME_PREAD_WAIT,
    HR_NAME_PREAD_JOB,
    HR_NAMES
} hr_name;

typedef struct hr_ready hr_ready;

/* The module's state: one for each interpreter. */
typedef struct {
    PyTypeObject *ready_type;
    PyTypeObject *raw_type;
    PyTypeObject *buffer_type;
    PyTypeObject *reader_type;
    PyTypeObject *writer_type;
    PyTypeObject *text_type;
    PyTypeObject *batch_type;
    PyTypeObject *entry_type;
    PyTypeObject *ring_type;       /* NULL where there is no io_uring */
    PyTypeObject *operation_type;  /* likewise */
    PyTypeObject *reads_type;      /* likewise */
    PyTypeObject *call_type;       /* the three of calls.c; NULL without workers.c */
    PyTypeObject *call_workers_type;
    PyTypeObject *completions_type;
    PyObject *wait;                /* headrace._typing.WAIT */
    PyObject *fstat;               /* os.fstat */
    PyTypeObject *stat_result;     /* os.stat_result */
    int makes_status;              /* whether the core makes those: 0 before it tried */
    PyObject *names[HR_NAMES];
    PyObject *empty_bytes;         /* b"" */
    PyObject *empty_str;           /* "" */
    PyObject *zero;                /* 0 */
    PyObject *minus_one;           /* -1 */
    PyObject *stop;                /* StopIteration to be reused, or NULL */
    hr_ready *free;                /* awaitables to be reused, linked by `next` */
    int free_count;                /* how many there are */
    Py_ssize_t buffer_hits;        /* see headrace._stats */
    Py_ssize_t inline_calls;       /* likewise */
    Py_ssize_t ring_reads;         /* reads that ring_reads.c submitted */
} hr_state;

extern struct PyModuleDef hr_module;

/* -- ready.c ---------------------------------------------------------------- */

/* What an awaitable does when it is first resumed. */
typedef struct {
    /* Try to do it without waiting. Returns the result; WAIT (a new reference) if
       Python has to be asked; or NULL with an exception. Guarded by the critical
       section of owner. */
    PyObject *(*now)(hr_state *state, PyObject *owner, PyObject *first,
                     PyObject *second);
    hr_name now_name;    /* the method that makes one attempt; may answer WAIT */
    hr_name wait_name;   /* the coroutine function that waits */
    const char *name;    /* the method's own name, for __qualname__ */
    int iterating;       /* it is a step of an async iteration */
    int ends_empty;      /* whose end is an empty result */
    /* In the place of the two methods, unless it is NULL: return what is awaited. */
    PyObject *(*start)(hr_state *state, PyObject *owner, PyObject *first,
                       PyObject *second);
} hr_operation;

/* Return an awaitable that does operation on owner with up to two arguments, which may
   be NULL. */
PyObject *hr_ready_new(hr_state *state, const hr_operation *operation,
                       PyObject *owner, PyObject *first, PyObject *second);

/* Raise what throw() was given: an exception, or a type with value and traceback. */
void hr_raise_given(PyObject *type, PyObject *value, PyObject *traceback);

/* -- path.c ----------------------------------------------------------------- */

/* A path as the kernel takes it, from the root on. */
typedef struct {
    const char *name;          /* that; ends with a NUL */
    PyObject *owner;           /* what name points into, or NULL */
    char room[4096];           /* PATH_MAX of Linux: a relative path made absolute */
} hr_path;

/* Fill path from a str or bytes. Returns whether that was done, and it is to be cleared
   then. Else *answer is what the caller is to return: -EAGAIN, upon which Python looks
   at what was given; or NULL with an exception. */
int hr_path_set(hr_path *path, PyObject *given, PyObject **answer);

static inline void
hr_path_clear(hr_path *path)
{
    Py_CLEAR(path->owner);
}

/* -- raw.c ------------------------------------------------------------------ */

/* What the core knows of an open descriptor; the base of the raw file. */
typedef struct {
    PyObject_HEAD
    hr_state *state;
    int fd;                    /* the descriptor; -1 before it is known */
    char closed;               /* whether it is closed; then nothing else counts */
    char inline_reads;         /* whether reads without waiting are worth a try */
    long long position;        /* bytes; -1 where the kernel's own is used */
    long long size;            /* of the file when last seen, bytes; only a hint */
    Py_ssize_t inline_limit;   /* the longest inline read, bytes */
    Py_ssize_t credit;         /* inline reads until the budget is asked again */
    PyObject *owed;            /* bytes to be written before anything else */
    PyObject *late;            /* a cancelled read that has not come back, or None */
    PyObject *turns;           /* its `held`: an operation is under way; or None */
    /* Kept for the subclass, as quick to fill in as they are here. */
    char closes;               /* whether close(2) of it cannot wait */
    char closefd;              /* whether closing the file closes fd */
    char can_read;             /* whether it was opened for reading */
    char can_write;            /* whether it was opened for writing */
    char special;              /* neither a regular file nor a block device */
    int layers;                /* how many files stand on this one */
    PyObject *name;            /* as it was given */
    PyObject *mode;            /* the record of the mode */
    PyObject *device;          /* what is known of the file system */
    PyObject *executor;        /* who runs the jobs, or None */
    PyObject *in_flight;       /* jobs that use fd, or None */
    PyObject *reads;           /* how the loop's ring reads it: RingReads, or None */
    Py_ssize_t alignment;      /* of offsets and memory, bytes: O_DIRECT; 0: none */
    int misses;                /* inline `pread`s that had to wait: ring_reads.c */
    char cold;                 /* the last look of `pread` found that it would wait */
} hr_raw;

/* Tell whether count inline operations may be done: 1, 0, or -1 with an exception.
   Spends the file's credit, and asks the budget when it is used up: the file may then
   have been used meanwhile. */
int hr_raw_spend(hr_raw *self, int count);

/* Close the file if that cannot wait: it was only read, nothing is under way, and on a
   local file system. Returns 1 if it is closed now, 0 if not, -1 with an exception. */
int hr_raw_close(hr_raw *self);

void hr_call_dropped(hr_state *state, PyObject *obj);

/* -- buffer.c --------------------------------------------------------------- */

/* What readers and writers keep, in one layout, so that a type can be both. */
typedef struct {
    PyObject_HEAD
    hr_state *state;
    PyObject *raw;             /* the raw file, any object; NULL before it is set */
    hr_raw *core_raw;          /* `raw` if it is one of the core's, else NULL */
    PyObject *data;            /* bytes that were read */
    Py_ssize_t pos;            /* where in data the next byte is */
    Py_ssize_t limit;          /* reads up to here need no look; -1: shut */
    Py_ssize_t lines_end;      /* whole lines up to here are handed out; -1: none */
    Py_ssize_t ahead;          /* what an inline read fetches at least, bytes */
    Py_ssize_t cold_ahead;     /* what a job fetches at least, bytes */
    Py_ssize_t buffer_size;    /* the most that `ahead` grows to, bytes */
    Py_ssize_t read_window;    /* bytes that may be handed out before a look */
    PyObject *pending;         /* list of bytes that were accepted */
    Py_ssize_t room;           /* bytes that may be added without a look; -1: shut */
    Py_ssize_t held;           /* bytes in pending, less those since `window` */
    Py_ssize_t window;         /* what room was when it was opened */
    /* Kept for the subclass: a method call on an object whose __dict__ is in use is
       not specialised by 3.13 and newer, and then costs 50 ns more. */
    PyObject *turns;           /* the turn at this file */
    Py_ssize_t want;           /* bytes that the last attempt lacks */
    char remembered;           /* whether it is written at exit */
} hr_buffer;

/* Close the file if nothing is to be written and that cannot wait. Returns None, or
   WAIT; an operation. */
PyObject *hr_buffer_close_now(hr_state *state, PyObject *owner, PyObject *none,
                              PyObject *nothing);

/* Tell whether the raw file's position is known and nothing has to be done before the
   next read at it. */
static inline int
hr_raw_in_order(const hr_raw *raw)
{
    return !raw->closed && raw->position >= 0 && raw->late == Py_None &&
           PyBytes_CheckExact(raw->owed) && PyBytes_GET_SIZE(raw->owed) == 0;
}

/* Put data, which is stolen, in the place of what was read, and begin at its start. */
static inline void
hr_buffer_set_data(hr_buffer *self, PyObject *data)
{
    PyObject *before = self->data;
    self->data = data;
    self->pos = 0;
    Py_DECREF(before);
}

/* Let reads be answered from the buffer for one window; no lines are cut any more. */
static inline void
hr_buffer_open_reads(hr_buffer *self)
{
    Py_ssize_t have = PyBytes_GET_SIZE(self->data);
    self->lines_end = -1;
    self->limit = have - self->pos > self->read_window ? self->pos + self->read_window
                                                       : have;
}

/* -- lines.c ---------------------------------------------------------------- */

/* What ends a line: the reading side of open()'s `newline`. */
typedef enum {
    HR_ENDS_FEED,      /* "\n"; or None, where the others are translated to it */
    HR_ENDS_ANY,       /* "": "\n", "\r" and "\r\n" */
    HR_ENDS_RETURN,    /* "\r" */
    HR_ENDS_BOTH,      /* "\r\n" */
    HR_ENDS_INVALID    /* none of these; an exception is set */
} hr_ends;

hr_ends hr_ends_of(PyObject *newline);
Py_ssize_t hr_find_line_end(PyObject *text, Py_ssize_t start, Py_ssize_t stop,
                            hr_ends ends);
Py_ssize_t hr_last_line_end(PyObject *text, Py_ssize_t start, Py_ssize_t stop,
                            hr_ends ends);

/* -- status.c --------------------------------------------------------------- */

/* Return os.stat_result of an open file. */
PyObject *hr_stat_result(hr_state *state, int fd);

/* -- faces.c ---------------------------------------------------------------- */

/* Return (fd, st_dev, st_mode, st_nlink, st_size); closes fd if that fails. */
PyObject *hr_described(int fd, const hr_status *status);

/* -- what module.c collects ------------------------------------------------- */

extern PyType_Spec hr_ready_spec;
extern PyType_Spec hr_raw_spec;
extern PyType_Spec hr_buffer_spec;
extern PyType_Spec hr_reader_spec;
extern PyType_Spec hr_writer_spec;
extern PyType_Spec hr_text_spec;
extern PyType_Spec hr_entry_spec;
extern PyType_Spec hr_batch_spec;
extern PyType_Spec hr_ring_spec;
extern PyType_Spec hr_operation_spec;
extern PyType_Spec hr_reads_spec;
extern const hr_operation hr_pread;
extern PyMethodDef hr_faces[];
extern PyMethodDef hr_lines_faces[];
extern PyMethodDef hr_copy_faces[];

int hr_calls_add(PyObject *module, hr_state *state);
int hr_ready_visit_free(hr_state *state, visitproc visit, void *arg);
void hr_ready_clear_free(hr_state *state);

/* -- subclass.c: see there --------------------------------------------------- */

PyObject *hr_init_subclass(PyObject *type, PyObject *args, PyObject *kwargs);
#define HR_INIT_SUBCLASS                                                               \
    {"__init_subclass__", (PyCFunction)(void (*)(void))hr_init_subclass,               \
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, NULL}

static inline hr_state *
hr_module_state(PyObject *module)
{
    return (hr_state *)PyModule_GetState(module);
}

/* Return the state of the module that defines type or one of its bases. */
static inline hr_state *
hr_type_state(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &hr_module);
    return module == NULL ? NULL : hr_module_state(module);
}

#endif
