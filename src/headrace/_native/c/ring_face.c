/* Python's face of ring.c: the queue of one loop, from submission to completion.

   No Python twin: without the core there is no ring. See ring_face.h. */

#include "ring_face.h"

#include <errno.h>

#if HR_HAVE_RING

#include <time.h>

/* IORING_FSYNC_DATASYNC. */
#define HR_FSYNC_DATASYNC 1u
/* Linux moves at most that much in one call, read(2). */
#define HR_MAX_TRANSFER 0x7ffff000

/* -- Submitting -------------------------------------------------------------------- */

static int
check_open(hr_ring_object *self)
{
    if (self->ring.fd >= 0) {
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "the ring is closed");
    return -1;
}

/* Return a new operation on the descriptor fd that nobody has yet; NULL with an
   exception. */
hr_ring_job *
hr_operation_new(hr_ring_object *ring, int fd)
{
    PyTypeObject *type = ring->state->operation_type;
    hr_ring_job *self = (hr_ring_job *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->op.fd = fd;
        self->ring = (hr_ring_object *)Py_NewRef(ring);
    }
    return self;
}

/* Return a new operation with what it tells and keeps; NULL with an exception. */
static hr_ring_job *
operation_new(hr_ring_object *ring, PyObject *fd, PyObject *signal, PyObject *keep)
{
    int number = PyObject_AsFileDescriptor(fd);
    if (number < 0 || check_open(ring) < 0) {
        return NULL;
    }
    hr_ring_job *self = hr_operation_new(ring, number);
    if (self != NULL) {
        self->signal = Py_NewRef(signal);
        self->keep = Py_NewRef(keep);
    }
    return self;
}

/* Put self at the end of its ring's queue. Returns -1 with an exception if the ring has
   been closed meanwhile. */
int
hr_operation_push(hr_ring_job *self)
{
    self->op.size = (uint32_t)self->wanted;
    int open;
    Py_BEGIN_CRITICAL_SECTION(self->ring);
    open = self->ring->ring.fd >= 0;
    if (open) {
        Py_INCREF(self);    /* the ring's reference */
        hr_ring_push(&self->ring->ring, &self->op);
    }
    Py_END_CRITICAL_SECTION();
    if (!open) {
        PyErr_SetString(PyExc_ValueError, "the ring is closed");
    }
    return open ? 0 : -1;
}

/* Queue self, whose arguments may have been wrong. Returns self, or NULL where they were
   (with an exception) or the ring has been closed meanwhile. */
static PyObject *
operation_push(hr_ring_job *self, long long offset)
{
    if (!PyErr_Occurred() && (offset < 0 || self->wanted > HR_MAX_TRANSFER)) {
        PyErr_SetString(PyExc_ValueError, "offset must be 0 or more, size below 2 GiB");
    }
    self->op.offset = offset;
    if (PyErr_Occurred() || hr_operation_push(self) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

PyDoc_STRVAR(submit_read_doc,
             "submit_read($self, fd, target, offset, full=True, signal=None, keep=None, "
             "/)\n--\n\n"
             "Read at offset: target bytes into a bytes object, or into a buffer.");

static PyObject *
ring_submit_read(hr_ring_object *ring, PyObject *const *args, Py_ssize_t count)
{
    if (count < 3 || count > 6) {
        PyErr_SetString(PyExc_TypeError, "submit_read takes 3 to 6 arguments");
        return NULL;
    }
    int full = count > 3 ? PyObject_IsTrue(args[3]) : 1;
    hr_ring_job *self = full < 0 ? NULL
                                  : operation_new(ring, args[0],
                                                  count > 4 ? args[4] : Py_None,
                                                  count > 5 ? args[5] : Py_None);
    if (self == NULL) {
        return NULL;
    }
    self->op.opcode = HR_RING_READ;
    self->full = (char)full;
    if (PyLong_Check(args[1])) {
        self->gives = HR_GIVES_BYTES;
        self->wanted = PyLong_AsSsize_t(args[1]);
        self->data = PyErr_Occurred() ? NULL
                                      : PyBytes_FromStringAndSize(NULL, self->wanted);
        self->op.buf = self->data == NULL ? NULL : PyBytes_AS_STRING(self->data);
    }
    else if (PyObject_GetBuffer(args[1], &self->view, PyBUF_WRITABLE) == 0) {
        self->gives = HR_GIVES_COUNT;
        self->wanted = self->view.len;
        self->op.buf = self->view.buf;
    }
    return operation_push(self, PyErr_Occurred() ? -1 : PyLong_AsLongLong(args[2]));
}

PyDoc_STRVAR(submit_write_doc,
             "submit_write($self, fd, data, offset, signal=None, keep=None, /)\n--\n\n"
             "Write all of data at offset.");

static PyObject *
ring_submit_write(hr_ring_object *ring, PyObject *const *args, Py_ssize_t count)
{
    if (count < 3 || count > 5) {
        PyErr_SetString(PyExc_TypeError, "submit_write takes 3 to 5 arguments");
        return NULL;
    }
    hr_ring_job *self = operation_new(ring, args[0], count > 3 ? args[3] : Py_None,
                                       count > 4 ? args[4] : Py_None);
    if (self == NULL) {
        return NULL;
    }
    self->op.opcode = HR_RING_WRITE;
    self->gives = HR_GIVES_WRITTEN;
    if (PyObject_GetBuffer(args[1], &self->view, PyBUF_SIMPLE) == 0) {
        self->wanted = self->view.len;
        self->op.buf = self->view.buf;
    }
    return operation_push(self, PyErr_Occurred() ? -1 : PyLong_AsLongLong(args[2]));
}

PyDoc_STRVAR(submit_fsync_doc,
             "submit_fsync($self, fd, data_only=False, signal=None, keep=None, /)\n--\n\n"
             "fsync(2) or fdatasync(2).");

static PyObject *
ring_submit_fsync(hr_ring_object *ring, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 4) {
        PyErr_SetString(PyExc_TypeError, "submit_fsync takes 1 to 4 arguments");
        return NULL;
    }
    int data_only = count > 1 ? PyObject_IsTrue(args[1]) : 0;
    hr_ring_job *self = data_only < 0 ? NULL
                                       : operation_new(ring, args[0],
                                                       count > 2 ? args[2] : Py_None,
                                                       count > 3 ? args[3] : Py_None);
    if (self == NULL) {
        return NULL;
    }
    self->op.opcode = HR_RING_FSYNC;
    self->op.flags = data_only ? HR_FSYNC_DATASYNC : 0;
    self->gives = HR_GIVES_NONE;
    return operation_push(self, 0);
}

PyDoc_STRVAR(flush_doc, "flush($self, /)\n--\n\n"
                        "Hand what is queued to the kernel; 0, or -errno if it refuses.");

static PyObject *
ring_flush(hr_ring_object *self, PyObject *Py_UNUSED(none))
{
    int error;
    Py_BEGIN_CRITICAL_SECTION(self);
    error = self->ring.fd < 0 ? -EBADF : hr_ring_flush(&self->ring);
    Py_END_CRITICAL_SECTION();
    return PyLong_FromLong(error);
}

/* -- Completing -------------------------------------------------------------------- */

/* Look at what the kernel answered. Returns whether the operation is over; if not, it
   has been queued again. Sets `failure` if it did not succeed. */
static int
operation_advance(hr_ring_job *self, hr_ring *ring)
{
    int32_t result = self->op.result;
    if (result < 0) {
        self->failure = result;
        if (result != -EINTR || self->abandoned) {
            return 1;
        }
        self->failure = 0;
    }
    else {
        self->done += result;
        int more = self->gives == HR_GIVES_WRITTEN || self->full;
        if (self->gives == HR_GIVES_NONE || self->done >= self->wanted || !more ||
            self->abandoned) {
            return 1;
        }
        if (result == 0) {
            /* The end of the file; a write that moves nothing would go on for ever. */
            self->failure = self->gives == HR_GIVES_WRITTEN ? -EIO : 0;
            return 1;
        }
        self->op.buf = (char *)self->op.buf + result;
        self->op.offset += result;
        self->op.size = (uint32_t)(self->wanted - self->done);
    }
    hr_ring_push(ring, &self->op);
    return 0;
}

/* Collect what has completed, linked by `after`, and hand on what was queued. Returns
   the first, or NULL. */
static hr_ring_job *
collect(hr_ring_object *self)
{
    hr_ring_job *first = NULL, **last = &first;
    hr_ring *ring = &self->ring;
    /* The kernel may say that there is work when there is none any more: it adds the
       work first and the flag then. So many calls in a row see to all that can be left,
       if nothing completes by them. */
    unsigned most_idle = ring->in_flight / 16 + 2, idle = 0;
    int refused = 0;
    for (;;) {
        hr_ring_op *op;
        while ((op = hr_ring_next(ring)) != NULL) {
            hr_ring_job *operation = hr_operation_of(op);
            idle = 0;
            ring->nudged = 0;
            if (operation_advance(operation, ring)) {
                operation->after = NULL;
                *last = operation;
                last = &operation->after;
            }
        }
        if (ring->queued && ring->in_flight < ring->limit && !refused) {
            /* The caller's next flush meets the same refusal, and acts upon it. */
            refused = hr_ring_flush(ring) < 0;
        }
        /* The kernel runs some twenty pieces of its work in a call, and tells of no more
           as long as some are left: on until there are none. */
        if (!hr_ring_has_work(ring)) {
            return first;
        }
        if (idle++ > most_idle && !hr_ring_ready(ring)) {
            hr_ring_nudge(ring);
            return first;
        }
        if (hr_ring_gather(ring) < 0 && !hr_ring_ready(ring)) {
            /* Out of memory, or busy: what is in flight has told of itself for the last
               time, so it is tried again until the kernel has it done. */
            hr_ring_tell_again(ring);
            return first;
        }
    }
}

/* Complete an operation that a task awaits itself; tells nobody yet. */
static void
complete_awaited(hr_ring_job *self)
{
    if (self->failure == 0) {
        hr_operation_succeed(self, self->await.reads->state);
    }
    else {
        hr_operation_release(self);
        self->await.again = 1;
        self->completed = 1;
    }
    if (self->abandoned) {
        hr_await_forget(self);
    }
}

/* Have the tasks go on that await these operations, linked by `after`: here and now, one
   after the other, as the loop itself would in its next turn. Returns -1 with an
   exception if that ends the loop; the others then go on in its next turn. */
static int
wake_awaited(hr_ring_job *operation)
{
    int ended = 0;
    while (operation != NULL) {
        hr_ring_job *after = operation->after;
        hr_reads *reads = (hr_reads *)Py_NewRef(operation->await.reads);
        if (ended) {
            hr_await_wake_soon(operation);
        }
        else {
            reads->reaping++;
            ended = hr_await_wake(operation) < 0;
            reads->reaping--;
        }
        Py_DECREF(reads);
        Py_DECREF(operation);    /* the ring's reference */
        operation = after;
    }
    return ended ? -1 : 0;
}

PyDoc_STRVAR(reap_doc, "reap($self, /)\n--\n\n"
                       "Complete what the kernel has done; the operations that failed, "
                       "which are not completed, or None.");

static PyObject *
ring_reap(hr_ring_object *self, PyObject *Py_UNUSED(none))
{
    hr_ring_job *operation;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->ring.owns_event_fd && self->ring.fd >= 0) {
        hr_ring_drain_event(&self->ring);
    }
    operation = self->ring.fd < 0 ? NULL : collect(self);
    Py_END_CRITICAL_SECTION();
    PyObject *failed = self->failed;
    self->failed = NULL;
    hr_ring_job *awaited = NULL, **last = &awaited;
    while (operation != NULL) {
        hr_ring_job *after = operation->after;
        Py_CLEAR(operation->ring);
        if (operation->await.reads != NULL) {
            complete_awaited(operation);
            operation->after = NULL;
            *last = operation;
            last = &operation->after;
            operation = after;
            continue;
        }
        if (operation->failure == 0) {
            hr_operation_succeed(operation, self->state);
        }
        else {
            if (failed == NULL) {
                failed = PyList_New(0);
            }
            if (failed == NULL || PyList_Append(failed, (PyObject *)operation) < 0) {
                PyErr_Clear();
                hr_operation_fail(operation, ENOMEM);
                hr_operation_signal(operation, self->state);
            }
        }
        Py_DECREF(operation);    /* the ring's reference */
        operation = after;
    }
    if (wake_awaited(awaited) < 0) {
        self->failed = failed;
        return NULL;
    }
    return failed == NULL ? Py_NewRef(Py_None) : failed;
}

/* See pursue_doc. */
PyObject *
hr_operation_pursue(hr_ring_job *self, PyObject *seconds)
{
    double timeout = PyFloat_AsDouble(seconds);
    if (timeout == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    hr_ring_object *ring = (hr_ring_object *)Py_XNewRef(self->ring);
    if (ring == NULL) {
        Py_RETURN_FALSE;
    }
    int error;
    hr_ring_job *operation;
    Py_BEGIN_CRITICAL_SECTION(ring);
    int64_t timeout_ns = (int64_t)(timeout * 1e9);
    Py_BEGIN_ALLOW_THREADS
    error = hr_ring_wait(&ring->ring, timeout_ns);
    Py_END_ALLOW_THREADS
    operation = collect(ring);
    Py_END_CRITICAL_SECTION();
    while (operation != NULL) {
        hr_ring_job *after = operation->after;
        Py_CLEAR(operation->ring);
        Py_CLEAR(operation->signal);
        if (operation->failure == 0) {
            hr_operation_succeed(operation, ring->state);
        }
        else {
            hr_operation_fail(operation, -operation->failure);
            hr_operation_release(operation);
        }
        Py_DECREF(operation);    /* the ring's reference */
        operation = after;
    }
    if (error < 0 && error != -ETIME && error != -EINTR && !self->completed) {
        /* Another thread's ring: nobody will ever know. */
        self->lost = 1;
        hr_operation_fail(self, ECANCELED);
    }
    Py_DECREF(ring);
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(take_queue_doc, "take_queue($self, /)\n--\n\n"
                             "Take all operations back that the kernel does not have.");

static PyObject *
ring_take_queue(hr_ring_object *self, PyObject *Py_UNUSED(none))
{
    PyObject *taken = PyList_New(0);
    if (taken == NULL) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    hr_ring_op *head = &self->ring.queue;
    while (head->next != head) {
        hr_ring_job *operation = hr_operation_of(head->next);
        if (PyList_Append(taken, (PyObject *)operation) < 0) {
            Py_CLEAR(taken);
            break;
        }
        (void)hr_ring_withdraw(&self->ring, &operation->op);
        Py_CLEAR(operation->ring);
        Py_DECREF(operation);    /* the ring's reference; the list has its own */
    }
    Py_END_CRITICAL_SECTION();
    return taken;
}

PyDoc_STRVAR(disown_doc, "disown($self, /)\n--\n\n"
                         "Return what is in flight and end the ring, where its "
                         "completions cannot be had: in another thread. Each may be "
                         "settled; its memory stays for ever.");

static PyObject *
ring_disown(hr_ring_object *self, PyObject *Py_UNUSED(none))
{
    PyObject *lost = PyList_New(0);
    if (lost == NULL) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    hr_ring_op *head = &self->ring.flying;
    while (head->next != head) {
        hr_ring_op *op = head->next;
        hr_ring_job *operation = hr_operation_of(op);
        if (PyList_Append(lost, (PyObject *)operation) < 0) {
            Py_CLEAR(lost);
            break;
        }
        op->prev->next = op->next;
        op->next->prev = op->prev;
        op->state = HR_RING_IDLE;
        operation->lost = 1;
        Py_CLEAR(operation->ring);
    }
    if (lost != NULL) {
        self->ring.in_flight = 0;
        hr_ring_close(&self->ring);
    }
    Py_END_CRITICAL_SECTION();
    return lost;
}

PyDoc_STRVAR(wait_doc, "wait($self, timeout, /)\n--\n\n"
                       "Wait until something completes, at most timeout seconds; 0 or "
                       "-errno.");

static PyObject *
ring_wait(hr_ring_object *self, PyObject *seconds)
{
    double timeout = PyFloat_AsDouble(seconds);
    if (timeout == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    int error = -EBADF;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->ring.fd >= 0) {
        int64_t timeout_ns = (int64_t)(timeout * 1e9);
        Py_BEGIN_ALLOW_THREADS
        error = hr_ring_wait(&self->ring, timeout_ns);
        Py_END_ALLOW_THREADS
    }
    Py_END_CRITICAL_SECTION();
    return PyLong_FromLong(error);
}

/* -- Making and ending ------------------------------------------------------------- */

static PyObject *
ring_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"entries", "limit", "eventfd", "workers", NULL};
    unsigned int entries = 64, limit = 0, workers = 0;
    int event_fd = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|IIiI", names, &entries, &limit,
                                     &event_fd, &workers)) {
        return NULL;
    }
    hr_ring_object *self = (hr_ring_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = hr_type_state(type);
    int error = hr_ring_open(&self->ring, entries, limit, event_fd, workers);
    if (error < 0) {
        errno = -error;
        (void)PyErr_SetFromErrno(PyExc_OSError);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int64_t
monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Cancel all that the kernel has and wait for it, until the deadline at most. What
   has completed is dropped. Returns 1 if nothing is in flight any more. */
static int
drain(hr_ring_object *self, int64_t deadline)
{
    hr_ring *ring = &self->ring;
    for (hr_ring_op *op = ring->flying.next; op != &ring->flying; op = op->next) {
        hr_operation_of(op)->abandoned = 1;
        (void)hr_ring_cancel(ring, op);
    }
    for (;;) {
        hr_ring_op *op;
        while ((op = hr_ring_next(ring)) != NULL) {
            hr_ring_job *operation = hr_operation_of(op);
            Py_CLEAR(operation->ring);
            hr_operation_release(operation);
            hr_operation_fail(operation, ECANCELED);
            Py_DECREF(operation);
        }
        int64_t left = deadline - monotonic_ns();
        if (ring->in_flight == 0 || left <= 0) {
            return ring->in_flight == 0;
        }
        int error;
        Py_BEGIN_ALLOW_THREADS
        error = hr_ring_wait(ring, left);
        Py_END_ALLOW_THREADS
        if (error < 0 && error != -EINTR && error != -ETIME) {
            return 0;
        }
    }
}

/* Give all operations up. With `lasting`, those that the kernel has keep their
   references, and so their buffers, for ever: it may still write there. */
static void
drop_operations(hr_ring_object *self, int lasting)
{
    hr_ring_op *heads[2] = {&self->ring.queue, &self->ring.flying};
    for (int i = 0; i < 2; i++) {
        while (heads[i]->next != heads[i]) {
            hr_ring_op *op = heads[i]->next;
            hr_ring_job *operation = hr_operation_of(op);
            int lost = lasting && op->state == HR_RING_FLYING;
            op->prev->next = op->next;
            op->next->prev = op->prev;
            op->state = HR_RING_IDLE;
            hr_operation_fail(operation, ECANCELED);
            operation->lost = (char)lost;
            Py_CLEAR(operation->ring);
            hr_operation_release(operation);
            if (!lost) {
                Py_DECREF(operation);
            }
        }
    }
    self->ring.queued = 0;
}

PyDoc_STRVAR(close_doc, "close($self, timeout=1.0, /)\n--\n\n"
                        "Cancel what is in flight, wait for it, and end the ring; False "
                        "if it took longer than timeout seconds.");

static PyObject *
ring_close(hr_ring_object *self, PyObject *const *args, Py_ssize_t count)
{
    double timeout = count ? PyFloat_AsDouble(args[0]) : 1.0;
    if (timeout == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    int drained = 1;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (hr_ring_is_foreign(&self->ring)) {
        drop_operations(self, 0);
        hr_ring_forget(&self->ring);
    }
    else if (self->ring.fd >= 0) {
        drained = drain(self, monotonic_ns() + (int64_t)(timeout * 1e9));
        drop_operations(self, 1);
        hr_ring_close(&self->ring);
    }
    Py_END_CRITICAL_SECTION();
    return PyBool_FromLong(drained);
}

PyDoc_STRVAR(forget_doc, "forget($self, /)\n--\n\n"
                         "Leave the ring to the parent process: called after fork(2).");

static PyObject *
ring_forget(hr_ring_object *self, PyObject *Py_UNUSED(none))
{
    Py_BEGIN_CRITICAL_SECTION(self);
    /* The parent's kernel side knows nothing of this process's memory. */
    drop_operations(self, 0);
    self->ring.in_flight = 0;
    hr_ring_forget(&self->ring);
    Py_END_CRITICAL_SECTION();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(same_owner_doc, "same_owner($self, /)\n--\n\n"
                             "Tell whether the process has the user and group that it "
                             "had when the ring was made.");

static PyObject *
ring_same_owner(hr_ring_object *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(hr_ring_same_owner(&self->ring));
}

/* Nothing is in flight: an operation in flight has a reference to its ring. */
static void
ring_dealloc(hr_ring_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    hr_ring_close(&self->ring);
    Py_XDECREF(self->failed);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
ring_get_closed(hr_ring_object *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->ring.fd < 0);
}

static PyObject *
ring_get_ready(hr_ring_object *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->ring.fd >= 0 && hr_ring_has_work(&self->ring));
}

static PyMethodDef ring_methods[] = {
    {"submit_read", (PyCFunction)(void (*)(void))ring_submit_read, METH_FASTCALL,
     submit_read_doc},
    {"submit_write", (PyCFunction)(void (*)(void))ring_submit_write, METH_FASTCALL,
     submit_write_doc},
    {"submit_fsync", (PyCFunction)(void (*)(void))ring_submit_fsync, METH_FASTCALL,
     submit_fsync_doc},
    {"flush", (PyCFunction)ring_flush, METH_NOARGS, flush_doc},
    {"reap", (PyCFunction)ring_reap, METH_NOARGS, reap_doc},
    {"wait", (PyCFunction)ring_wait, METH_O, wait_doc},
    {"disown", (PyCFunction)ring_disown, METH_NOARGS, disown_doc},
    {"take_queue", (PyCFunction)ring_take_queue, METH_NOARGS, take_queue_doc},
    {"close", (PyCFunction)(void (*)(void))ring_close, METH_FASTCALL, close_doc},
    {"forget", (PyCFunction)ring_forget, METH_NOARGS, forget_doc},
    {"same_owner", (PyCFunction)ring_same_owner, METH_NOARGS, same_owner_doc},
    {NULL},
};

static PyGetSetDef ring_getset[] = {
    {"ready", (getter)ring_get_ready, NULL, "Whether `reap` has something to do.", NULL},
    {"closed", (getter)ring_get_closed, NULL, "Whether the ring has ended.", NULL},
    {NULL},
};

#define HR_RING_FIELD(field) (offsetof(hr_ring_object, ring) + offsetof(hr_ring, field))

static PyMemberDef ring_members[] = {
    {"fd", Py_T_INT, HR_RING_FIELD(fd), Py_READONLY, NULL},
    {"eventfd", Py_T_INT, HR_RING_FIELD(event_fd), Py_READONLY, NULL},
    {"entries", Py_T_UINT, HR_RING_FIELD(entries), Py_READONLY, NULL},
    {"limit", Py_T_UINT, HR_RING_FIELD(limit), Py_READONLY, NULL},
    {"setup_flags", Py_T_UINT, HR_RING_FIELD(setup_flags), Py_READONLY, NULL},
    {"features", Py_T_UINT, HR_RING_FIELD(features), Py_READONLY, NULL},
    {"in_flight", Py_T_UINT, HR_RING_FIELD(in_flight), Py_READONLY, NULL},
    {"queued", Py_T_UINT, HR_RING_FIELD(queued), Py_READONLY, NULL},
    {"submissions", Py_T_ULONG, HR_RING_FIELD(submissions), Py_READONLY, NULL},
    {NULL},
};

PyDoc_STRVAR(ring_doc,
             "Ring(entries=64, limit=0, eventfd=-1, workers=0)\n--\n\n"
             "An io_uring for reads, writes and syncs of files, used by one thread.");

static PyType_Slot ring_slots[] = {
    {Py_tp_doc, (void *)ring_doc},
    {Py_tp_new, ring_new},
    {Py_tp_dealloc, ring_dealloc},
    {Py_tp_methods, ring_methods},
    {Py_tp_members, ring_members},
    {Py_tp_getset, ring_getset},
    {0, NULL},
};

PyType_Spec hr_ring_spec = {
    .name = "headrace._native._core.Ring",
    .basicsize = sizeof(hr_ring_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ring_slots,
};

#endif
