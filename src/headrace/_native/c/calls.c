/* Python types over workers.c: a call, the threads that make it, and where it goes when
   it is complete.

   There is no twin: in Python, a worker thread runs the Python function itself. What is
   kept for a call (its buffers, its names, the file) is kept by the Call, and the Call
   by itself, from `start` until it is reaped or withdrawn. */

#include "core.h"
#include "workers.h"

#if HR_HAS_WORKERS

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* -- Types -------------------------------------------------------------------- */

/* How well it has gone to poll for the end of calls of one kind. */
typedef struct {
    unsigned char passed;  /* how many are to be passed over after the next failure */
    unsigned char left;    /* how many still are */
} hr_luck;

/* The completed calls of one loop. */
typedef struct {
    PyObject_HEAD
    hr_inbox *inbox;      /* NULL once forgotten */
    hr_luck luck[HR_KINDS];
} hr_completions;

/* Native threads. */
typedef struct {
    PyObject_HEAD
    hr_pool *pool;        /* NULL once forgotten */
} hr_call_workers;

/* One call. */
typedef struct {
    PyObject_HEAD
    hr_work work;
    PyObject *completions;  /* where it goes; NULL unless in flight */
    PyObject *workers;      /* who makes it; NULL unless in flight */
    PyObject *keep;         /* what has to live until it is over; or NULL */
    PyObject *path;         /* bytes; or NULL */
    PyObject *path2;        /* bytes; or NULL */
    PyObject *data;         /* the bytes that are read; or NULL */
    Py_buffer view;         /* the caller's buffer; view.obj is NULL if there is none */
    char started;           /* whether there is, or was, a call to speak of */
} hr_call;

/* Let go of what the call used: it is over, or was never made. */
static void
call_let_go(hr_call *self)
{
    PyBuffer_Release(&self->view);
    Py_CLEAR(self->keep);
    Py_CLEAR(self->path);
    Py_CLEAR(self->path2);
    Py_CLEAR(self->completions);
    Py_CLEAR(self->workers);
}

/* -- Call --------------------------------------------------------------------- */

static PyObject *
call_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    hr_call *self = (hr_call *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->work.descriptor = -1;
    }
    return (PyObject *)self;
}

static int
call_traverse(hr_call *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->completions);
    Py_VISIT(self->workers);
    Py_VISIT(self->keep);
    Py_VISIT(self->view.obj);
    return 0;
}

/* Never called while in flight: the call then holds itself. */
static int
call_clear(hr_call *self)
{
    call_let_go(self);
    return 0;
}

static void
call_dealloc(hr_call *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    call_let_go(self);
    Py_CLEAR(self->data);
    free(self->work.extra);
    hr_work_drop(&self->work);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Tell whether a kind reads into buf. */
static int
reads(int kind)
{
    return kind <= HR_READ_FILE;
}

/* Take the buffer that the caller gave, or make the bytes that are read. Returns 0, or
   -1 with an exception. */
static int
call_take_buffer(hr_call *self, PyObject *buffer, Py_ssize_t size)
{
    hr_work *work = &self->work;
    if (buffer != Py_None) {
        int how = reads(work->kind) ? PyBUF_WRITABLE : PyBUF_SIMPLE;
        if (PyObject_GetBuffer(buffer, &self->view, how) < 0) {
            return -1;
        }
        work->buf = self->view.buf;
        work->size = (size_t)self->view.len;
    }
    else if (reads(work->kind)) {
        self->data = PyBytes_FromStringAndSize(NULL, size);
        if (self->data == NULL) {
            return -1;
        }
        work->buf = PyBytes_AS_STRING(self->data);
        work->size = (size_t)size;
    }
    return 0;
}

/* Take a name: bytes, or None. Returns 0, or -1 with an exception. */
static int
take_path(PyObject *name, PyObject **kept, const char **characters)
{
    if (name == Py_None) {
        return 0;
    }
    char *start;
    if (PyBytes_AsStringAndSize(name, &start, NULL) < 0) {
        return -1;
    }
    *kept = Py_NewRef(name);
    *characters = start;
    return 0;
}

PyDoc_STRVAR(start_doc,
             "start($self, workers, completions, lane, keep, kind, fd, path, path2,\n"
             "      buffer, size, offset, flags, mode, /)\n--\n\n"
             "Have the call made; False if there is no thread for it.");

static PyObject *
call_start(hr_call *self, PyObject *const *args, Py_ssize_t count)
{
    PyTypeObject *type = Py_TYPE(self);
    hr_state *state = hr_type_state(type);
    if (state == NULL) {
        return NULL;
    }
    if (count != 13) {
        PyErr_Format(PyExc_TypeError, "start expected 13 arguments, got %zd", count);
        return NULL;
    }
    if (!Py_IS_TYPE(args[0], state->call_workers_type) ||
        !Py_IS_TYPE(args[1], state->completions_type)) {
        PyErr_SetString(PyExc_TypeError, "start needs CallWorkers and Completions");
        return NULL;
    }
    hr_pool *pool = ((hr_call_workers *)args[0])->pool;
    hr_inbox *inbox = ((hr_completions *)args[1])->inbox;
    if (self->started || pool == NULL || inbox == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a call is made once, by those of its process");
        return NULL;
    }
    hr_work *work = &self->work;
    long lane = PyLong_AsLong(args[2]);
    long kind = PyLong_AsLong(args[4]);
    long fd = PyLong_AsLong(args[5]);
    Py_ssize_t size = PyLong_AsSsize_t(args[9]);
    long long offset = PyLong_AsLongLong(args[10]);
    long flags = PyLong_AsLong(args[11]);
    long mode = PyLong_AsLong(args[12]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (lane < 0 || lane >= HR_LANES || kind < 0 || kind >= HR_KINDS || size < 0 ||
        fd < INT_MIN || fd > INT_MAX || flags < INT_MIN || flags > INT_MAX) {
        PyErr_SetString(PyExc_ValueError, "start: an argument is out of range");
        return NULL;
    }
    work->lane = (int)lane;
    work->kind = (int)kind;
    work->fd = (int)fd;
    work->offset = offset;
    work->flags = (int)flags;
    work->mode = (unsigned)mode;
    work->owner = self;
    if (take_path(args[6], &self->path, &work->path) < 0 ||
        take_path(args[7], &self->path2, &work->path2) < 0 ||
        call_take_buffer(self, args[8], size) < 0) {
        call_let_go(self);
        return NULL;
    }
    self->keep = Py_NewRef(args[3]);
    self->workers = Py_NewRef(args[0]);
    self->completions = Py_NewRef(args[1]);
    self->started = 1;
    /* Until it is reaped or withdrawn. */
    Py_INCREF(self);
    if (hr_pool_submit(pool, inbox, work) == 0) {
        Py_RETURN_TRUE;
    }
    self->started = 0;
    Py_DECREF(self);
    call_let_go(self);
    Py_CLEAR(self->data);
    Py_RETURN_FALSE;
}

PyDoc_STRVAR(withdraw_doc, "withdraw($self, /)\n--\n\n"
                           "Take the call back if no thread has begun it; tell whether "
                           "that worked.");

static PyObject *
call_withdraw(hr_call *self, PyObject *Py_UNUSED(none))
{
    if (!self->started || !hr_work_withdraw(&self->work)) {
        Py_RETURN_FALSE;
    }
    call_let_go(self);
    Py_DECREF(self);
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(abandon_doc, "abandon($self, /)\n--\n\n"
                          "Give the outcome up; tell whether it was there already.");

static PyObject *
call_abandon(hr_call *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(self->started && hr_work_abandon(&self->work));
}

/* Tell whether the outcome is there, for this thread to look at. */
static int
is_done(hr_call *self)
{
    return (atomic_load(&self->work.state) & HR_STATE_DONE) != 0;
}

/* Returns whether the outcome is there; else sets an exception. */
static int
check_done(hr_call *self)
{
    if (!is_done(self)) {
        PyErr_SetString(PyExc_RuntimeError, "the call is not complete");
        return 0;
    }
    return 1;
}

PyDoc_STRVAR(data_doc, "data($self, /)\n--\n\nTake the bytes that were read.");

static PyObject *
call_data(hr_call *self, PyObject *Py_UNUSED(none))
{
    if (!check_done(self)) {
        return NULL;
    }
    hr_work *work = &self->work;
    PyObject *data = self->data;
    self->data = NULL;
    Py_ssize_t count = (Py_ssize_t)work->count;
    if (data == NULL) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if (work->extra_size > 0) {
        PyObject *whole =
            PyBytes_FromStringAndSize(NULL, count + (Py_ssize_t)work->extra_size);
        if (whole != NULL) {
            char *to = PyBytes_AS_STRING(whole);
            memcpy(to, PyBytes_AS_STRING(data), (size_t)count);
            memcpy(to + count, work->extra, work->extra_size);
        }
        Py_DECREF(data);
        free(work->extra);
        work->extra = NULL;
        work->extra_size = 0;
        return whole;
    }
    if (count < PyBytes_GET_SIZE(data)) {
        (void)_PyBytes_Resize(&data, count);
    }
    return data;
}

PyDoc_STRVAR(take_descriptor_doc, "take_descriptor($self, /)\n--\n\n"
                                  "Take the descriptor that was opened; -1 if none.");

static PyObject *
call_take_descriptor(hr_call *self, PyObject *Py_UNUSED(none))
{
    if (!check_done(self)) {
        return NULL;
    }
    int fd = self->work.descriptor;
    self->work.descriptor = -1;
    return PyLong_FromLong(fd);
}

PyDoc_STRVAR(drop_doc, "drop($self, /)\n--\n\n"
                       "Close the descriptor that was opened, if it was not taken.");

static PyObject *
call_drop(hr_call *self, PyObject *Py_UNUSED(none))
{
    if (!check_done(self)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    hr_work_drop(&self->work);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* Set one item of a tuple. Returns 0, or -1 with an exception. */
static int
set_item(PyObject *tuple, Py_ssize_t at, PyObject *value)
{
    if (value == NULL) {
        return -1;
    }
    PyTuple_SET_ITEM(tuple, at, value);
    return 0;
}

/* Return a time in nanoseconds. */
static PyObject *
nanoseconds(const struct timespec *time)
{
    /* 64 bits last until 2262, as long as the file systems in use. Beyond, the sum is
       made by Python. */
    if (time->tv_sec < 9000000000LL && time->tv_sec > -9000000000LL) {
        return PyLong_FromLongLong((long long)time->tv_sec * 1000000000LL +
                                   time->tv_nsec);
    }
    PyObject *billion = PyLong_FromLongLong(1000000000LL);
    PyObject *seconds = PyLong_FromLongLong((long long)time->tv_sec);
    PyObject *rest = PyLong_FromLong(time->tv_nsec);
    PyObject *product = NULL, *sum = NULL;
    if (billion != NULL && seconds != NULL && rest != NULL) {
        product = PyNumber_Multiply(seconds, billion);
        sum = product == NULL ? NULL : PyNumber_Add(product, rest);
    }
    Py_XDECREF(billion);
    Py_XDECREF(seconds);
    Py_XDECREF(rest);
    Py_XDECREF(product);
    return sum;
}

/* The fields of os.stat_result on Linux, in the order in which it takes them. */
#define STATUS_FIELDS 19

PyDoc_STRVAR(status_doc, "status($self, /)\n--\n\n"
                         "Return what stat(2) said, as os.stat_result takes it.");

static PyObject *
call_status(hr_call *self, PyObject *Py_UNUSED(none))
{
    if (!check_done(self)) {
        return NULL;
    }
    const struct stat *st = &self->work.status;
    PyObject *fields = PyTuple_New(STATUS_FIELDS);
    if (fields == NULL) {
        return NULL;
    }
    const struct timespec *times[3] = {&st->st_atim, &st->st_mtim, &st->st_ctim};
    int bad = set_item(fields, 0, PyLong_FromUnsignedLong(st->st_mode)) < 0 ||
              set_item(fields, 1, PyLong_FromUnsignedLongLong(st->st_ino)) < 0 ||
              set_item(fields, 2, PyLong_FromUnsignedLongLong(st->st_dev)) < 0 ||
              set_item(fields, 3, PyLong_FromUnsignedLongLong(st->st_nlink)) < 0 ||
              set_item(fields, 4, PyLong_FromUnsignedLong(st->st_uid)) < 0 ||
              set_item(fields, 5, PyLong_FromUnsignedLong(st->st_gid)) < 0 ||
              set_item(fields, 6, PyLong_FromLongLong(st->st_size)) < 0 ||
              set_item(fields, 16, PyLong_FromLong((long)st->st_blksize)) < 0 ||
              set_item(fields, 17, PyLong_FromLongLong(st->st_blocks)) < 0 ||
              set_item(fields, 18, PyLong_FromUnsignedLongLong(st->st_rdev)) < 0;
    for (int i = 0; i < 3 && !bad; i++) {
        /* Whole seconds, then as float, then in nanoseconds; as posixmodule.c has it. */
        double seconds = (double)times[i]->tv_sec + 1e-9 * (double)times[i]->tv_nsec;
        bad = set_item(fields, 7 + i, PyLong_FromLongLong(times[i]->tv_sec)) < 0 ||
              set_item(fields, 10 + i, PyFloat_FromDouble(seconds)) < 0 ||
              set_item(fields, 13 + i, nanoseconds(times[i])) < 0;
    }
    if (bad) {
        Py_CLEAR(fields);
    }
    return fields;
}

PyDoc_STRVAR(brief_doc, "brief($self, /)\n--\n\n"
                        "Return (st_dev, st_mode, st_nlink, st_size) of what stat(2) "
                        "said.");

static PyObject *
call_brief(hr_call *self, PyObject *Py_UNUSED(none))
{
    if (!check_done(self)) {
        return NULL;
    }
    const struct stat *st = &self->work.status;
    return Py_BuildValue("KIKL", (unsigned long long)st->st_dev,
                         (unsigned int)st->st_mode, (unsigned long long)st->st_nlink,
                         (long long)st->st_size);
}

static PyObject *
call_get_completed(hr_call *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(is_done(self));
}

static PyObject *
call_get_begun(hr_call *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(atomic_load(&self->work.state) & HR_STATE_BEGUN);
}

static PyObject *
call_get_withdrawn(hr_call *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(atomic_load(&self->work.state) & HR_STATE_WITHDRAWN);
}

static PyObject *
call_get_discards(hr_call *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(is_done(self) && self->work.descriptor >= 0);
}

static PyObject *
call_get_error(hr_call *self, void *Py_UNUSED(closure))
{
    return check_done(self) ? PyLong_FromLong(-(long)self->work.error) : NULL;
}

static PyObject *
call_get_count(hr_call *self, void *Py_UNUSED(closure))
{
    return check_done(self) ? PyLong_FromSize_t(self->work.count) : NULL;
}

static PyGetSetDef call_attributes[] = {
    {"completed", (getter)call_get_completed, NULL, "Whether the outcome is there.", NULL},
    {"begun", (getter)call_get_begun, NULL, "Whether a thread has taken it.", NULL},
    {"withdrawn", (getter)call_get_withdrawn, NULL, "Whether it was taken back.", NULL},
    {"discards", (getter)call_get_discards, NULL,
     "Whether an unwanted outcome has to be undone.", NULL},
    {"errno", (getter)call_get_error, NULL, "What went wrong; 0: nothing.", NULL},
    {"count", (getter)call_get_count, NULL, "Bytes read or written.", NULL},
    {NULL},
};

PyDoc_STRVAR(vector_doc, "vector(pieces, /)\n--\n\n"
                         "Return what WRITE_VECTOR is given for a tuple of bytes, which "
                         "has to live as long as the call.");

static PyObject *
call_vector(PyObject *Py_UNUSED(self), PyObject *pieces)
{
    if (!PyTuple_CheckExact(pieces)) {
        PyErr_SetString(PyExc_TypeError, "vector() argument must be a tuple");
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(pieces);
    PyObject *result =
        PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(struct iovec));
    if (result == NULL) {
        return NULL;
    }
    char *place = PyBytes_AS_STRING(result);
    for (Py_ssize_t i = 0; i < count; i++, place += sizeof(struct iovec)) {
        PyObject *piece = PyTuple_GET_ITEM(pieces, i);
        if (!PyBytes_CheckExact(piece)) {
            PyErr_SetString(PyExc_TypeError, "vector() takes bytes objects only");
            Py_DECREF(result);
            return NULL;
        }
        struct iovec one = {PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece)};
        memcpy(place, &one, sizeof(one));
    }
    return result;
}

static PyMethodDef call_methods[] = {
    {"vector", call_vector, METH_O | METH_STATIC, vector_doc},
    {"start", (PyCFunction)(void (*)(void))call_start, METH_FASTCALL, start_doc},
    {"withdraw", (PyCFunction)call_withdraw, METH_NOARGS, withdraw_doc},
    {"abandon", (PyCFunction)call_abandon, METH_NOARGS, abandon_doc},
    {"data", (PyCFunction)call_data, METH_NOARGS, data_doc},
    {"take_descriptor", (PyCFunction)call_take_descriptor, METH_NOARGS,
     take_descriptor_doc},
    {"drop", (PyCFunction)call_drop, METH_NOARGS, drop_doc},
    {"status", (PyCFunction)call_status, METH_NOARGS, status_doc},
    {"brief", (PyCFunction)call_brief, METH_NOARGS, brief_doc},
    {NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, "One call of a native thread; a base for jobs."},
    {Py_tp_new, call_new},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_methods, call_methods},
    {Py_tp_getset, call_attributes},
    {0, NULL},
};

static PyType_Spec call_spec = {
    .name = "headrace._native._core.Call",
    .basicsize = sizeof(hr_call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = call_slots,
};

/* -- CallWorkers ---------------------------------------------------------------- */

static PyObject *
call_workers_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"limit", "waiting_limit", "idle_timeout", "busy_poll", NULL};
    int limit, waiting_limit;
    double idle_timeout;
    long long busy_poll;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iidL:CallWorkers", names, &limit,
                                     &waiting_limit, &idle_timeout, &busy_poll)) {
        return NULL;
    }
    hr_call_workers *self = (hr_call_workers *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->pool = hr_pool_new();
    if (self->pool == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    hr_pool_configure(self->pool, limit, waiting_limit, idle_timeout, busy_poll);
    return (PyObject *)self;
}

static void
call_workers_dealloc(hr_call_workers *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (self->pool != NULL) {
        hr_pool_free(self->pool);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(configure_doc,
             "configure($self, limit, waiting_limit, idle_timeout, busy_poll, /)\n--\n\n"
             "Change the sizes of the pool; busy_poll in nanoseconds.");

static PyObject *
call_workers_configure(hr_call_workers *self, PyObject *args)
{
    int limit, waiting_limit;
    double idle_timeout;
    long long busy_poll;
    if (!PyArg_ParseTuple(args, "iidL:configure", &limit, &waiting_limit, &idle_timeout,
                          &busy_poll)) {
        return NULL;
    }
    if (self->pool != NULL) {
        hr_pool_configure(self->pool, limit, waiting_limit, idle_timeout, busy_poll);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(threads_doc, "threads($self, lane, /)\n--\n\n"
                          "Return how many threads of the lane are alive.");

static PyObject *
call_workers_threads(hr_call_workers *self, PyObject *lane)
{
    long name = PyLong_AsLong(lane);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (self->pool == NULL || name < 0 || name >= HR_LANES) {
        return PyLong_FromLong(0);
    }
    return PyLong_FromLong(hr_pool_threads(self->pool, (hr_lane_name)name));
}

PyDoc_STRVAR(forget_pool_doc, "forget($self, /)\n--\n\n"
                              "Leave the threads to the parent, in a forked child.");

static PyObject *
call_workers_forget(hr_call_workers *self, PyObject *Py_UNUSED(none))
{
    if (self->pool != NULL) {
        hr_pool_forget(self->pool);
        self->pool = NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef call_workers_methods[] = {
    {"configure", (PyCFunction)call_workers_configure, METH_VARARGS, configure_doc},
    {"threads", (PyCFunction)call_workers_threads, METH_O, threads_doc},
    {"forget", (PyCFunction)call_workers_forget, METH_NOARGS, forget_pool_doc},
    {NULL},
};

static PyType_Slot call_workers_slots[] = {
    {Py_tp_doc, "Threads that make calls without the GIL, in two lanes."},
    {Py_tp_new, call_workers_new},
    {Py_tp_dealloc, call_workers_dealloc},
    {Py_tp_methods, call_workers_methods},
    {0, NULL},
};

static PyType_Spec call_workers_spec = {
    .name = "headrace._native._core.CallWorkers",
    .basicsize = sizeof(hr_call_workers),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = call_workers_slots,
};

/* -- Completions ---------------------------------------------------------------- */

static PyObject *
completions_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    int fd;
    if (!PyArg_ParseTuple(args, "i:Completions", &fd)) {
        return NULL;
    }
    hr_completions *self = (hr_completions *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->inbox = calloc(1, sizeof(*self->inbox));
    if (self->inbox == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->inbox->fd = fd;
    return (PyObject *)self;
}

static void
completions_dealloc(hr_completions *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (self->inbox != NULL) {
        /* Calls hold this object, so all have been reaped. */
        hr_inbox_settle(self->inbox);
        free(self->inbox);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(reap_doc, "reap($self, /)\n--\n\n"
                       "Return the calls that are complete, the first done first.");

static PyObject *
completions_reap(hr_completions *self, PyObject *Py_UNUSED(none))
{
    PyObject *calls = PyList_New(0);
    if (calls == NULL || self->inbox == NULL) {
        return calls;
    }
    hr_work *work = hr_inbox_reap(self->inbox);
    while (work != NULL) {
        hr_work *next = work->next;
        hr_call *call = work->owner;
        /* May run code of the buffer's exporter, and end the last use of this. */
        Py_INCREF(self);
        call_let_go(call);
        if (PyList_Append(calls, (PyObject *)call) < 0) {
            /* No memory: nobody is told of this one. */
            PyErr_Clear();
        }
        Py_DECREF(call);
        Py_DECREF(self);
        work = next;
    }
    return calls;
}

/* What is polled for moves no more than this, bytes: a copy of it takes some 10 us. */
#define MOST_POLLED ((size_t)64 * 1024)

/* Tell whether a call may be over in a moment, as far as its kind says. */
static int
may_be_short(const hr_work *work)
{
    switch (work->kind) {
    case HR_WRITE_SYNC:
    case HR_FSYNC:
    case HR_FDATASYNC:
    case HR_WRITE_VECTOR: return 0;
    default: return work->lane == HR_LANE_WORK && work->size <= MOST_POLLED;
    }
}

PyDoc_STRVAR(poll_doc,
             "poll($self, call, nanoseconds, /)\n--\n\n"
             "Look for so long whether the call is complete, if it is the only one and\n"
             "there is hope; tell whether it is: it needs no reaping then.");

static PyObject *
completions_poll(hr_completions *self, PyObject *const *args, Py_ssize_t count)
{
    hr_state *state = hr_type_state(Py_TYPE(self));
    if (state == NULL) {
        return NULL;
    }
    if (count != 2 || !PyObject_TypeCheck(args[0], state->call_type)) {
        PyErr_SetString(PyExc_TypeError, "poll needs a Call and a time");
        return NULL;
    }
    int64_t nanoseconds = PyLong_AsLongLong(args[1]);
    if (nanoseconds == -1 && PyErr_Occurred()) {
        return NULL;
    }
    hr_call *call = (hr_call *)args[0];
    if (self->inbox == NULL || call->completions != (PyObject *)self ||
        atomic_load(&self->inbox->outstanding) != 1 || !may_be_short(&call->work)) {
        Py_RETURN_FALSE;
    }
    hr_luck *luck = &self->luck[call->work.kind];
    if (luck->left > 0) {
        luck->left--;
        Py_RETURN_FALSE;
    }
    /* With the GIL, which no worker needs, and which it may take long to get back. */
    if (hr_inbox_poll(self->inbox, nanoseconds) == NULL) {
        /* Twice as many are passed over each time, up to 15: no more, because a thread
           that has been let go to sleep is what makes the next one late as well. */
        luck->left = luck->passed = (unsigned char)((luck->passed << 1 | 1) & 15);
        Py_RETURN_FALSE;
    }
    luck->passed = 0;
    Py_INCREF(self);
    call_let_go(call);
    Py_DECREF(call);
    Py_DECREF(self);
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(wait_doc, "wait($self, timeout, /)\n--\n\n"
                       "Block until a call may be complete, or for so many ms.");

static PyObject *
completions_wait(hr_completions *self, PyObject *timeout)
{
    long milliseconds = PyLong_AsLong(timeout);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (self->inbox != NULL) {
        struct pollfd poll_fd = {.fd = self->inbox->fd, .events = POLLIN};
        Py_BEGIN_ALLOW_THREADS
        (void)poll(&poll_fd, 1, (int)milliseconds);
        Py_END_ALLOW_THREADS
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(forget_completions_doc, "forget($self, /)\n--\n\n"
                                     "Expect nothing any more, in a forked child.");

static PyObject *
completions_forget(hr_completions *self, PyObject *Py_UNUSED(none))
{
    /* Leaked: calls in flight point to it for ever. */
    self->inbox = NULL;
    Py_RETURN_NONE;
}

static PyObject *
completions_get_in_flight(hr_completions *self, void *Py_UNUSED(closure))
{
    if (self->inbox == NULL) {
        return PyLong_FromLong(0);
    }
    /* What has been delivered and not been reaped counts too. */
    int busy = atomic_load(&self->inbox->in_flight);
    return PyLong_FromLong(busy + (atomic_load(&self->inbox->head) != NULL));
}

static PyMethodDef completions_methods[] = {
    {"reap", (PyCFunction)completions_reap, METH_NOARGS, reap_doc},
    {"poll", (PyCFunction)(void (*)(void))completions_poll, METH_FASTCALL, poll_doc},
    {"wait", (PyCFunction)completions_wait, METH_O, wait_doc},
    {"forget", (PyCFunction)completions_forget, METH_NOARGS, forget_completions_doc},
    {NULL},
};

static PyGetSetDef completions_attributes[] = {
    {"in_flight", (getter)completions_get_in_flight, NULL,
     "Calls that still use the eventfd or have not been reaped; 0: none.", NULL},
    {NULL},
};

static PyType_Slot completions_slots[] = {
    {Py_tp_doc, "Where calls go when they are complete; an eventfd tells of them."},
    {Py_tp_new, completions_new},
    {Py_tp_dealloc, completions_dealloc},
    {Py_tp_methods, completions_methods},
    {Py_tp_getset, completions_attributes},
    {0, NULL},
};

static PyType_Spec completions_spec = {
    .name = "headrace._native._core.Completions",
    .basicsize = sizeof(hr_completions),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = completions_slots,
};

/* -- Adding them ------------------------------------------------------------------ */

/* Attributes of Call: what can be asked, and two answers that are no errno. */
static const struct {
    const char *name;
    long value;
} constants[] = {
    {"READ_ONCE", HR_READ_ONCE},   {"READ_FULL", HR_READ_FULL},
    {"READ_TO_END", HR_READ_TO_END}, {"READ_FILE", HR_READ_FILE},
    {"WRITE_ALL", HR_WRITE_ALL},   {"WRITE_CLOSE", HR_WRITE_CLOSE},
    {"WRITE_SYNC", HR_WRITE_SYNC}, {"WRITE_FILE", HR_WRITE_FILE},
    {"WRITE_VECTOR", HR_WRITE_VECTOR},
    {"OPEN", HR_OPEN},             {"CLOSE", HR_CLOSE},
    {"FSYNC", HR_FSYNC},           {"FDATASYNC", HR_FDATASYNC},
    {"FTRUNCATE", HR_FTRUNCATE},   {"STAT", HR_STAT},
    {"FSTAT", HR_FSTAT},           {"ACCESS", HR_ACCESS},
    {"RENAME", HR_RENAME},         {"LINK", HR_LINK},
    {"SYMLINK", HR_SYMLINK},       {"UNLINK", HR_UNLINK},
    {"MKDIR", HR_MKDIR},           {"RMDIR", HR_RMDIR},
    {"SPECIAL", -HR_SPECIAL},      {"TOO_LARGE", -HR_TOO_LARGE},
};

/* Make a type of the module, and put it into *place. */
static int
add_type(PyObject *module, PyTypeObject **place, PyType_Spec *spec)
{
    *place = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *place == NULL ? -1 : PyModule_AddType(module, *place);
}

int
hr_calls_add(PyObject *module, hr_state *state)
{
    if (add_type(module, &state->call_type, &call_spec) < 0 ||
        add_type(module, &state->call_workers_type, &call_workers_spec) < 0 ||
        add_type(module, &state->completions_type, &completions_spec) < 0) {
        return -1;
    }
    PyObject *call = (PyObject *)state->call_type;
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        PyObject *value = PyLong_FromLong(constants[i].value);
        int failed =
            value == NULL || PyObject_SetAttrString(call, constants[i].name, value) < 0;
        Py_XDECREF(value);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

#else  /* No such threads: those of Python serve. */

int
hr_calls_add(PyObject *Py_UNUSED(module), hr_state *Py_UNUSED(state))
{
    return 0;
}

#endif
