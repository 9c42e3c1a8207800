/* What readers and writers keep: the common base of both, so that a file opened for
   both can be both.

   Specified by py/buffer.py. Attributes, and the one fast path that is about neither
   reading nor writing: moving the position. */

#include "core.h"

/* -- Moving ----------------------------------------------------------------- */

/* Tell whether nothing but the position is to be changed by a move. */
static inline int
may_move(const hr_buffer *self)
{
    return (self->limit >= 0 || self->lines_end >= 0) && self->room < 0 &&
           self->held == 0 && self->core_raw != NULL && hr_raw_in_order(self->core_raw);
}

/* Move the position to an offset from the beginning, if no more than that is to be
   done. Returns the position, or WAIT. */
static PyObject *
buffer_seek_now(hr_state *state, PyObject *owner, PyObject *first, PyObject *second)
{
    hr_buffer *self = (hr_buffer *)owner;
    if (!may_move(self) || !PyLong_CheckExact(first) || second != state->zero) {
        return Py_NewRef(state->wait);
    }
    long long offset = PyLong_AsLongLong(first);
    if (offset < 0 || offset >= HR_SAFE_OFFSET) {
        PyErr_Clear();
        return Py_NewRef(state->wait);
    }
    int allowed = hr_raw_spend(self->core_raw, 1);
    if (allowed <= 0) {
        return allowed < 0 ? NULL : Py_NewRef(state->wait);
    }
    /* Somebody may have used the file meanwhile. */
    if (!may_move(self)) {
        return Py_NewRef(state->wait);
    }
    hr_raw *raw = self->core_raw;
    Py_ssize_t have = PyBytes_GET_SIZE(self->data);
    long long inside = offset - (raw->position - have);
    if (have > 0 && 0 <= inside && inside <= have) {
        self->pos = (Py_ssize_t)inside;
    }
    else {
        raw->position = offset;
        hr_buffer_set_data(self, Py_NewRef(state->empty_bytes));
        self->ahead = Py_MIN(self->buffer_size, HR_AHEAD_AFTER_JUMP);
        self->cold_ahead = self->ahead;
    }
    hr_buffer_open_reads(self);
    return Py_NewRef(first);
}

static const hr_operation seeking = {
    buffer_seek_now, HR_NAME_SEEK_NOW, HR_NAME_SEEK_WAIT, "seek", 0,
};

PyDoc_STRVAR(seek_doc, "seek($self, offset, whence=0, /)\n--\n\n"
                       "Move the position; within what is buffered at no cost.");

static PyObject *
buffer_seek(hr_buffer *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError, "seek expected 1 or 2 arguments, got %zd", count);
        return NULL;
    }
    return hr_ready_new(self->state, &seeking, (PyObject *)self, args[0],
                        count > 1 ? args[1] : self->state->zero);
}

/* -- Closing ---------------------------------------------------------------- */

PyObject *
hr_buffer_close_now(hr_state *state, PyObject *owner, PyObject *Py_UNUSED(none),
                 PyObject *Py_UNUSED(nothing))
{
    hr_buffer *self = (hr_buffer *)owner;
    hr_raw *raw = self->core_raw;
    /* A turn that is held has shut reads, and so have lines that are handed out. */
    if (self->limit < 0 || self->room >= 0 || self->held != 0 || raw == NULL) {
        return Py_NewRef(state->wait);
    }
    int closed = hr_raw_close(raw);
    if (closed == 0) {
        return Py_NewRef(state->wait);
    }
    self->limit = -1;
    self->lines_end = -1;
    hr_buffer_set_data(self, Py_NewRef(state->empty_bytes));
    return closed < 0 ? NULL : Py_NewRef(Py_None);
}

static const hr_operation closing = {
    hr_buffer_close_now, HR_NAME_CLOSE_NOW, HR_NAME_CLOSE_WAIT, "close", 0,
};

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\n"
                        "Write what is buffered and close the file; closing twice does "
                        "nothing.");

static PyObject *
buffer_close(hr_buffer *self, PyObject *Py_UNUSED(none))
{
    return hr_ready_new(self->state, &closing, (PyObject *)self, NULL, NULL);
}

static const hr_operation leaving = {
    hr_buffer_close_now, HR_NAME_CLOSE_NOW, HR_NAME_CLOSE_WAIT, "__aexit__", 0,
};

PyDoc_STRVAR(aexit_doc, "__aexit__($self, exc_type, exc, traceback, /)\n--\n\n"
                        "Close the file.");

static PyObject *
buffer_aexit(hr_buffer *self, PyObject *const *Py_UNUSED(args), Py_ssize_t count)
{
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "__aexit__ expected 3 arguments, got %zd", count);
        return NULL;
    }
    return hr_ready_new(self->state, &leaving, (PyObject *)self, NULL, NULL);
}

/* What is collected without having been closed warns, and is written. */
static void
buffer_finalize(hr_buffer *self)
{
    hr_raw *raw = self->core_raw;
    if (self->raw != NULL && (raw == NULL || (!raw->closed && raw->layers <= 1))) {
        hr_call_dropped(self->state, (PyObject *)self);
    }
}

/* -- Attributes ------------------------------------------------------------- */

static PyObject *
buffer_get_raw(hr_buffer *self, void *Py_UNUSED(closure))
{
    if (self->raw == NULL) {
        PyErr_SetString(PyExc_AttributeError, "raw");
        return NULL;
    }
    return Py_NewRef(self->raw);
}

static int
buffer_set_raw(hr_buffer *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "cannot delete raw");
        return -1;
    }
    int of_core = PyObject_TypeCheck(value, self->state->raw_type);
    self->core_raw = of_core ? (hr_raw *)value : NULL;
    Py_XSETREF(self->raw, Py_NewRef(value));
    return 0;
}

static PyObject *
buffer_get_data(hr_buffer *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->data);
}

static int
buffer_set_data(hr_buffer *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || !PyBytes_CheckExact(value)) {
        PyErr_SetString(PyExc_TypeError, "_data must be bytes");
        return -1;
    }
    Py_XSETREF(self->data, Py_NewRef(value));
    return 0;
}

static PyObject *
buffer_get_push(hr_buffer *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttrString(self->pending, "append");
}

static PyObject *
buffer_get_has_lines(hr_buffer *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->lines_end >= 0);
}

static PyGetSetDef buffer_getset[] = {
    {"raw", (getter)buffer_get_raw, (setter)buffer_set_raw, NULL, NULL},
    {"_data", (getter)buffer_get_data, (setter)buffer_set_data, NULL, NULL},
    {"_push", (getter)buffer_get_push, NULL, NULL, NULL},
    {"_has_lines", (getter)buffer_get_has_lines, NULL, NULL, NULL},
    {NULL},
};

static PyMemberDef buffer_members[] = {
    {"_pos", Py_T_PYSSIZET, offsetof(hr_buffer, pos), 0, NULL},
    {"_limit", Py_T_PYSSIZET, offsetof(hr_buffer, limit), 0, NULL},
    {"_ahead", Py_T_PYSSIZET, offsetof(hr_buffer, ahead), 0, NULL},
    {"_cold_ahead", Py_T_PYSSIZET, offsetof(hr_buffer, cold_ahead), 0, NULL},
    {"_buffer_size", Py_T_PYSSIZET, offsetof(hr_buffer, buffer_size), 0, NULL},
    {"_pending", Py_T_OBJECT_EX, offsetof(hr_buffer, pending), Py_READONLY, NULL},
    {"_room", Py_T_PYSSIZET, offsetof(hr_buffer, room), 0, NULL},
    {"_held", Py_T_PYSSIZET, offsetof(hr_buffer, held), 0, NULL},
    {"_window", Py_T_PYSSIZET, offsetof(hr_buffer, window), 0, NULL},
    {"_turns", Py_T_OBJECT_EX, offsetof(hr_buffer, turns), 0, NULL},
    {"_want", Py_T_PYSSIZET, offsetof(hr_buffer, want), 0, NULL},
    {"_remembered", Py_T_BOOL, offsetof(hr_buffer, remembered), 0, NULL},
    {NULL},
};

static PyMethodDef buffer_methods[] = {
    {"seek", (PyCFunction)(void (*)(void))buffer_seek, METH_FASTCALL, seek_doc},
    {"close", (PyCFunction)buffer_close, METH_NOARGS, close_doc},
    {"__aexit__", (PyCFunction)(void (*)(void))buffer_aexit, METH_FASTCALL, aexit_doc},
    HR_INIT_SUBCLASS,
    {NULL},
};

/* -- Life ------------------------------------------------------------------- */

static PyObject *
buffer_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    hr_state *state = hr_type_state(type);
    if (state == NULL) {
        return NULL;
    }
    PyObject *pending = PyList_New(0);
    if (pending == NULL) {
        return NULL;
    }
    hr_buffer *self = (hr_buffer *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_DECREF(pending);
        return NULL;
    }
    self->state = state;
    self->data = Py_NewRef(state->empty_bytes);
    self->pending = pending;
    self->limit = -1;
    self->lines_end = -1;
    self->room = -1;
    return (PyObject *)self;
}

/* Stand self on a raw file. */
static int
stand_on(hr_buffer *self, PyObject *raw)
{
    PyObject **names = self->state->names;
    if (buffer_set_raw(self, raw, NULL) < 0) {
        return -1;
    }
    PyObject *turns;
    if (self->core_raw != NULL) {
        self->core_raw->layers = 1;
        turns = Py_NewRef(self->core_raw->turns);
    }
    else {
        PyObject *one = PyLong_FromLong(1);
        int set = one == NULL ? -1 : PyObject_SetAttr(raw, names[HR_NAME_LAYERS], one);
        Py_XDECREF(one);
        turns = set < 0 ? NULL : PyObject_GetAttr(raw, names[HR_NAME_TURNS]);
        if (turns == NULL) {
            return -1;
        }
    }
    /* One turn for both: what is done with the raw file waits for the buffer. */
    Py_XSETREF(self->turns, turns);
    return 0;
}

static int
buffer_init(hr_buffer *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"raw", "buffer_size", "window", NULL};
    PyObject *raw = NULL;
    Py_ssize_t size = 0, window = -1;
    if (PyTuple_GET_SIZE(args) == 0 && kwargs == NULL) {
        return 0;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "On|n:Buffer", names, &raw, &size,
                                     &window)) {
        return -1;
    }
    if (size <= 0) {
        PyErr_SetString(PyExc_ValueError, "invalid buffer size");
        return -1;
    }
    if (stand_on(self, raw) < 0) {
        return -1;
    }
    self->buffer_size = self->ahead = self->cold_ahead = size;
    if (window >= 0) {
        self->read_window = window;
        hr_buffer_open_reads(self);
    }
    return 0;
}

static int
buffer_traverse(hr_buffer *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->raw);
    Py_VISIT(self->pending);
    Py_VISIT(self->turns);
    return 0;
}

static int
buffer_clear(hr_buffer *self)
{
    self->core_raw = NULL;
    Py_CLEAR(self->raw);
    Py_CLEAR(self->turns);
    /* `data` and `pending` stay: they are in no cycle, and never NULL. */
    return 0;
}

static void
buffer_dealloc(hr_buffer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)buffer_clear(self);
    Py_XDECREF(self->data);
    Py_XDECREF(self->pending);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(buffer_doc, "Buffer()\n--\n\nWhat readers and writers keep.");

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc, (void *)buffer_doc},
    {Py_tp_new, buffer_new},
    {Py_tp_init, buffer_init},
    {Py_tp_finalize, buffer_finalize},
    {Py_tp_dealloc, buffer_dealloc},
    {Py_tp_traverse, buffer_traverse},
    {Py_tp_clear, buffer_clear},
    {Py_tp_members, buffer_members},
    {Py_tp_getset, buffer_getset},
    {Py_tp_methods, buffer_methods},
    {0, NULL},
};

PyType_Spec hr_buffer_spec = {
    .name = "headrace._native._core.Buffer",
    .basicsize = sizeof(hr_buffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = buffer_slots,
};
