/* `pread` without a Python frame: inline where the pages are cached, else by the ring of
   the running loop, which the file learned of when Python first submitted to it.

   The way is only taken where everything is as usual: an asyncio task in the loop that
   the ring is of, no shield, no executor, nothing owed to the file. Everything else is
   `_pread_wait`'s, the Python method that specifies what is done here. */

#include "ring_face.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* Reads in a row that had to wait, after which the inline attempt is left out; and how
   often it is made all the same: files/_raw.py. */
#define HR_COLD_AFTER 8
#define HR_LOOK_AGAIN 16

/* -- Inline ------------------------------------------------------------------------ */

/* Fill in the arguments if they are plain numbers in range. Returns whether they are. */
static int
plain_numbers(PyObject *first, PyObject *second, Py_ssize_t *size, long long *offset)
{
    if (!PyLong_CheckExact(first) || !PyLong_CheckExact(second)) {
        return 0;
    }
    *size = PyLong_AsSsize_t(first);
    *offset = PyLong_AsLongLong(second);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return *size > 0 && *offset >= 0;
}

/* Tell whether an inline read is not worth its system call: after some that had to wait
   most do, and one now and then tells when that ends. */
static int
is_cold(hr_raw *raw)
{
    int misses = raw->misses;
    if (misses < HR_COLD_AFTER) {
        return 0;
    }
    raw->misses = misses < INT_MAX - HR_LOOK_AGAIN ? misses + 1 : HR_COLD_AFTER;
    return misses % HR_LOOK_AGAIN != 0;
}

/* See hr_operation: `pread` if it cannot wait. Leaves in `cold` whether it would. */
static PyObject *
pread_now(hr_state *state, PyObject *owner, PyObject *first, PyObject *second)
{
    hr_raw *raw = (hr_raw *)owner;
    Py_ssize_t size;
    long long offset;
    raw->cold = 0;
    /* A file that is written to may owe the error of an earlier write: Python's. */
    if (raw->closed || !raw->can_read || raw->can_write || raw->special ||
        raw->late != Py_None || !plain_numbers(first, second, &size, &offset)) {
        return Py_NewRef(state->wait);
    }
    if (raw->alignment) {
        raw->cold = 1;
        return Py_NewRef(state->wait);
    }
    if (!raw->inline_reads || size > raw->inline_limit) {
        return Py_NewRef(state->wait);
    }
    if (is_cold(raw)) {
        raw->cold = 1;
        return Py_NewRef(state->wait);
    }
    int may = hr_raw_spend(raw, 1);
    if (may <= 0 || raw->closed) {
        return may < 0 ? NULL : Py_NewRef(state->wait);
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (data == NULL) {
        return NULL;
    }
    intptr_t n = hr_inline_read_at(raw->fd, PyBytes_AS_STRING(data), (size_t)size, offset);
    if (n == size) {
        /* One hit does not end a long row of misses: two more are tried first. */
        raw->misses = raw->misses > HR_COLD_AFTER ? HR_COLD_AFTER - 2 : raw->misses / 2;
        state->inline_calls++;
        return data;
    }
    Py_DECREF(data);
    if (n == -EAGAIN) {
        raw->misses++;
        raw->cold = 1;
    }
    return Py_NewRef(state->wait);
}

#if HR_HAVE_RING

/* -- By the ring ------------------------------------------------------------------- */

/* The longest operation: _uring.py, LARGEST_CACHED. */
#define HR_LARGEST (256 * 1024)

/* Return the loop that runs here if it is the one that the ring is of and one of its
   tasks runs; NULL if not, without an exception. */
static PyObject *
own_loop(hr_reads *reads)
{
    PyObject *loop = PyObject_CallNoArgs(reads->running_loop);
    PyObject *known = NULL;
#if PY_VERSION_HEX >= 0x030D0000
    if (loop != NULL && PyWeakref_GetRef(reads->loop, &known) < 0) {
        known = NULL;
    }
#else
    if (loop != NULL) {
        known = Py_XNewRef(PyWeakref_GetObject(reads->loop));
    }
#endif
    PyObject *task = NULL;
    if (loop != NULL && loop == known) {
        /* None in Trio's guest mode, which runs inside callbacks of this loop. */
        task = PyObject_CallOneArg(reads->current_task, loop);
    }
    PyErr_Clear();
    int own = task != NULL && task != Py_None;
    Py_XDECREF(task);
    Py_XDECREF(known);
    if (!own) {
        Py_CLEAR(loop);
    }
    return loop;
}

/* Tell whether the task is inside a shield, where a cancellation comes later. */
static int
is_shielded(hr_reads *reads)
{
    PyObject *shield = NULL;
    if (PyContextVar_Get(reads->shield, NULL, &shield) < 0) {
        PyErr_Clear();
        return 1;
    }
    int yes = shield != NULL && shield != Py_None;
    Py_XDECREF(shield);
    return yes;
}

/* Tell whether io_uring has not refused files of the device yet. */
static int
device_has_ring(hr_state *state, PyObject *device)
{
    PyObject *answer = PyObject_GetAttr(device, state->names[HR_NAME_RING]);
    if (answer == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(answer);
    return answer == Py_True;
}

/* Return room bytes of aligned memory, or NULL without an exception. */
static char *
take_aligned(hr_reads *reads, Py_ssize_t room)
{
    void *memory = NULL;
    Py_BEGIN_CRITICAL_SECTION(reads);
    if (reads->kept_count && reads->kept_room == room) {
        memory = reads->kept[--reads->kept_count];
    }
    Py_END_CRITICAL_SECTION();
    if (memory != NULL) {
        return memory;
    }
    return posix_memalign(&memory, 4096, (size_t)room) == 0 ? memory : NULL;
}

/* Take aligned memory back that the kernel is done with. */
void
hr_reads_give_back(hr_ring_job *self)
{
    hr_reads *reads = self->await.reads;
    char *memory = self->await.aligned;
    self->await.aligned = NULL;
    if (memory == NULL) {
        return;
    }
    Py_BEGIN_CRITICAL_SECTION(reads);
    if (reads->kept_count == 0) {
        reads->kept_room = self->await.room;
    }
    if (reads->kept_room == self->await.room && reads->kept_count < HR_KEPT) {
        reads->kept[reads->kept_count++] = memory;
        memory = NULL;
    }
    Py_END_CRITICAL_SECTION();
    free(memory);
}

/* Fill in where self reads what, in memory of its own. Returns -1 if there is none. */
static int
aim(hr_reads *reads, hr_ring_job *self, hr_raw *raw)
{
    hr_await *await = &self->await;
    if (raw->alignment == 0) {
        self->gives = HR_GIVES_BYTES;
        self->full = 1;
        self->data = PyBytes_FromStringAndSize(NULL, await->size);
        if (self->data == NULL) {
            return -1;
        }
        self->op.buf = PyBytes_AS_STRING(self->data);
        self->op.offset = await->offset;
        self->wanted = await->size;
        return 0;
    }
    await->skip = (Py_ssize_t)(await->offset % raw->alignment);
    Py_ssize_t blocks = (await->skip + await->size + raw->alignment - 1) / raw->alignment;
    await->room = blocks * raw->alignment;
    await->aligned = take_aligned(reads, await->room);
    if (await->aligned == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->gives = HR_GIVES_PIECE;
    self->op.buf = await->aligned;
    self->op.offset = await->offset - await->skip;
    self->wanted = await->room;
    return 0;
}

/* Note that self uses the descriptor: closing waits for it. Returns -1 if that failed. */
static int
note_in_flight(hr_raw *raw, hr_ring_job *self)
{
    if (raw->in_flight == Py_None) {
        PyObject *set = PySet_New(NULL);
        if (set == NULL) {
            return -1;
        }
        Py_SETREF(raw->in_flight, set);
    }
    return PySet_Add(raw->in_flight, (PyObject *)self);
}

/* Have what is queued reach the kernel: with what follows in this turn of the loop, or
   at once where there is nothing else to be done meanwhile. */
static void
see_to_flush(hr_reads *reads, hr_ring *ring, PyObject *loop)
{
    PyObject *done;
    if (ring->queued >= reads->batch) {
        done = PyObject_CallNoArgs(reads->flush);
    }
    else if (reads->reaping || reads->flush_due) {
        return;
    }
    else if (ring->in_flight) {
        PyObject *later = PyObject_GetAttrString((PyObject *)reads, "flush_now");
        reads->flush_due = 1;
        done = later == NULL ? NULL : PyObject_CallMethod(loop, "call_soon", "O", later);
        Py_XDECREF(later);
    }
    else {
        done = PyObject_CallNoArgs(reads->flush);
    }
    if (done == NULL) {
        reads->flush_due = 0;
        PyErr_WriteUnraisable((PyObject *)reads);
    }
    Py_XDECREF(done);
}

/* Submit a read of raw to the ring. Returns what is to be driven; NULL if Python has to
   do it, without an exception. */
static PyObject *
submit(hr_state *state, hr_raw *raw, Py_ssize_t size, long long offset)
{
    hr_reads *reads = (hr_reads *)raw->reads;
    if ((PyObject *)reads == Py_None || !Py_IS_TYPE(reads, state->reads_type) ||
        reads->ring == NULL || reads->ring->ring.fd < 0 || raw->executor != Py_None ||
        size > HR_LARGEST || is_shielded(reads) || !device_has_ring(state, raw->device)) {
        return NULL;
    }
    PyObject *loop = own_loop(reads);
    if (loop == NULL) {
        return NULL;
    }
    hr_ring_job *self = hr_operation_new(reads->ring, raw->fd);
    if (self == NULL) {
        goto failed;
    }
    self->op.opcode = HR_RING_READ;
    self->await.reads = (hr_reads *)Py_NewRef(reads);
    self->await.file = (hr_raw *)Py_NewRef(raw);
    self->keep = Py_NewRef(raw);
    self->await.loop = Py_NewRef(loop);
    self->await.size = size;
    self->await.offset = offset;
    if (aim(reads, self, raw) < 0 || note_in_flight(raw, self) < 0) {
        goto failed;
    }
    if (hr_operation_push(self) < 0) {
        (void)PySet_Discard(raw->in_flight, (PyObject *)self);
        goto failed;
    }
    state->ring_reads++;
    see_to_flush(reads, &reads->ring->ring, loop);
    Py_DECREF(loop);
    return (PyObject *)self;

failed:
    PyErr_Clear();
    Py_XDECREF(self);
    Py_DECREF(loop);
    return NULL;
}

/* -- RingReads --------------------------------------------------------------------- */

static PyObject *
reads_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"loop", "running_loop", "current_task", "shield",
                            "cancelled", "flush", "batch", NULL};
    PyObject *loop, *running_loop, *current_task, *shield, *cancelled, *flush;
    unsigned int batch;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOOI", names, &loop, &running_loop,
                                     &current_task, &shield, &cancelled, &flush,
                                     &batch)) {
        return NULL;
    }
    hr_reads *self = (hr_reads *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = hr_type_state(type);
    self->running_loop = Py_NewRef(running_loop);
    self->current_task = Py_NewRef(current_task);
    self->shield = Py_NewRef(shield);
    self->cancelled = Py_NewRef(cancelled);
    self->flush = Py_NewRef(flush);
    self->batch = batch;
    self->loop = PyWeakref_NewRef(loop, NULL);
    if (self->loop == NULL || self->state == NULL) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int
reads_traverse(hr_reads *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->running_loop);
    Py_VISIT(self->current_task);
    Py_VISIT(self->shield);
    Py_VISIT(self->cancelled);
    Py_VISIT(self->flush);
    return 0;
}

static int
reads_clear(hr_reads *self)
{
    Py_CLEAR(self->ring);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->running_loop);
    Py_CLEAR(self->current_task);
    Py_CLEAR(self->shield);
    Py_CLEAR(self->cancelled);
    Py_CLEAR(self->flush);
    return 0;
}

static void
reads_dealloc(hr_reads *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)reads_clear(self);
    while (self->kept_count) {
        free(self->kept[--self->kept_count]);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(flush_now_doc, "flush_now($self, /)\n--\n\n"
                            "Hand what is queued to the kernel: a turn has ended.");

static PyObject *
reads_flush_now(hr_reads *self, PyObject *Py_UNUSED(none))
{
    self->flush_due = 0;
    if (self->flush == NULL) {
        Py_RETURN_NONE;
    }
    return PyObject_CallNoArgs(self->flush);
}

static PyObject *
reads_get_ring(hr_reads *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->ring == NULL ? Py_None : (PyObject *)self->ring);
}

static int
reads_set_ring(hr_reads *self, PyObject *ring, void *Py_UNUSED(closure))
{
    /* What stands in for a ring in tests is none. */
    int none = ring == NULL || !Py_IS_TYPE(ring, self->state->ring_type);
    Py_XSETREF(self->ring, none ? NULL : (hr_ring_object *)Py_NewRef(ring));
    return 0;
}

static PyMethodDef reads_methods[] = {
    {"flush_now", (PyCFunction)reads_flush_now, METH_NOARGS, flush_now_doc},
    {NULL},
};

static PyGetSetDef reads_getset[] = {
    {"ring", (getter)reads_get_ring, (setter)reads_set_ring,
     "The loop's ring; whatever else has Python asked.", NULL},
    {NULL},
};

PyDoc_STRVAR(reads_doc, "RingReads(loop, running_loop, current_task, shield, cancelled, "
                        "flush, batch)\n--\n\n"
                        "How one loop's files are read by its ring, from the core.");

static PyType_Slot reads_slots[] = {
    {Py_tp_doc, (void *)reads_doc},
    {Py_tp_new, reads_new},
    {Py_tp_dealloc, reads_dealloc},
    {Py_tp_traverse, reads_traverse},
    {Py_tp_clear, reads_clear},
    {Py_tp_methods, reads_methods},
    {Py_tp_getset, reads_getset},
    {0, NULL},
};

PyType_Spec hr_reads_spec = {
    .name = "headrace._native._core.RingReads",
    .basicsize = sizeof(hr_reads),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reads_slots,
};

#endif

/* -- pread ------------------------------------------------------------------------- */

/* See hr_operation: what is awaited where `pread` has to wait. */
static PyObject *
pread_start(hr_state *state, PyObject *owner, PyObject *first, PyObject *second)
{
    hr_raw *raw = (hr_raw *)owner;
    PyObject *name = state->names[HR_NAME_PREAD_WAIT];
    if (raw->cold) {
#if HR_HAVE_RING
        Py_ssize_t size;
        long long offset;
        PyObject *read = NULL;
        if (plain_numbers(first, second, &size, &offset)) {
            read = submit(state, raw, size, offset);
        }
        if (read != NULL) {
            return read;
        }
#endif
        name = state->names[HR_NAME_PREAD_JOB];
    }
    PyObject *args[3] = {owner, first, second};
    return PyObject_VectorcallMethod(name, args, 3, NULL);
}

const hr_operation hr_pread = {
    .now = pread_now,
    .name = "pread",
    .start = pread_start,
};
