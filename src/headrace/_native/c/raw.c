/* What the core knows of an open descriptor: the base of the raw file.

   Specified by py/raw.py. Attributes, and the ways in and out that cannot wait; what else
   is done with them is in reader.c, and in the Python methods of the subclass. */

#include "core.h"

#include <errno.h>

static PyObject *
raw_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    hr_state *state = hr_type_state(type);
    if (state == NULL) {
        return NULL;
    }
    hr_raw *self = (hr_raw *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->fd = -1;
    self->closed = 1;
    self->position = -1;
    self->credit = HR_OPERATIONS_PER_LOOK;
    self->owed = Py_NewRef(state->empty_bytes);
    self->late = Py_NewRef(Py_None);
    self->turns = Py_NewRef(Py_None);
    self->closefd = 1;
    self->name = Py_NewRef(Py_None);
    self->mode = Py_NewRef(Py_None);
    self->device = Py_NewRef(Py_None);
    self->executor = Py_NewRef(Py_None);
    self->in_flight = Py_NewRef(Py_None);
    self->reads = Py_NewRef(Py_None);
    return (PyObject *)self;
}

static int
raw_traverse(hr_raw *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->owed);
    Py_VISIT(self->late);
    Py_VISIT(self->turns);
    Py_VISIT(self->name);
    Py_VISIT(self->mode);
    Py_VISIT(self->device);
    Py_VISIT(self->executor);
    Py_VISIT(self->in_flight);
    Py_VISIT(self->reads);
    return 0;
}

static int
raw_clear(hr_raw *self)
{
    Py_CLEAR(self->owed);
    Py_CLEAR(self->late);
    Py_CLEAR(self->turns);
    Py_CLEAR(self->name);
    Py_CLEAR(self->mode);
    Py_CLEAR(self->device);
    Py_CLEAR(self->executor);
    Py_CLEAR(self->in_flight);
    Py_CLEAR(self->reads);
    return 0;
}

static void
raw_dealloc(hr_raw *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)raw_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- In and out, without waiting ----------------------------------------------- */

/* Return whether an attribute is true, or -1 with an exception. */
static int
attribute_is_true(PyObject *obj, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(obj, name);
    if (value == NULL) {
        return -1;
    }
    int yes = PyObject_IsTrue(value);
    Py_DECREF(value);
    return yes;
}

/* Return the record of a device, borrowed; NULL if there is none, perhaps with an
   exception. */
static PyObject *
known_device(PyObject *devices, uint64_t number)
{
    PyObject *key = PyLong_FromUnsignedLongLong(number);
    if (key == NULL) {
        return NULL;
    }
    PyObject *device = PyDict_GetItemWithError(devices, key);
    Py_DECREF(key);
    return device;
}

/* Make the raw file over fd, a regular file on device that was opened for reading. */
static PyObject *
make_reading(PyTypeObject *type, int fd, int64_t size, Py_ssize_t limit, PyObject *path,
             PyObject *mode, PyObject *device)
{
    hr_raw *self = (hr_raw *)raw_new(type, NULL, NULL);
    if (self == NULL) {
        return NULL;
    }
    PyObject **names = self->state->names;
    int local = attribute_is_true(device, names[HR_NAME_LOCAL]);
    int nowait = local < 0 ? -1 : attribute_is_true(device, names[HR_NAME_NOWAIT]);
    if (nowait < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->fd = fd;
    self->closed = 0;
    self->can_read = 1;
    self->closes = (char)local;
    self->inline_reads = (char)nowait;
    self->inline_limit = limit;
    self->position = 0;
    self->size = size;
    Py_SETREF(self->name, Py_NewRef(path));
    Py_SETREF(self->mode, Py_NewRef(mode));
    Py_SETREF(self->device, Py_NewRef(device));
    return (PyObject *)self;
}

PyDoc_STRVAR(open_cached_doc,
             "_open_cached($type, path, mode, flags, resolve, devices, limit, /)\n--\n\n"
             "Open a regular file for reading if that cannot wait: the raw file; -errno "
             "if it is not open; or what open_regular() gives.");

static PyObject *
raw_open_cached(PyObject *type, PyObject *const *args, Py_ssize_t count)
{
    if (count != 6 || !PyDict_Check(args[4])) {
        PyErr_SetString(PyExc_TypeError, "_open_cached expected 6 arguments, a dict among "
                                         "them");
        return NULL;
    }
    PyObject *given = args[0], *mode = args[1];
    hr_state *state = hr_type_state((PyTypeObject *)type);
    uint64_t resolve = PyLong_AsUnsignedLongLong(args[3]);
    Py_ssize_t limit = PyLong_AsSsize_t(args[5]);
    if (state == NULL || PyErr_Occurred()) {
        return NULL;
    }
    hr_path path;
    PyObject *answer;
    if (!hr_path_set(&path, given, &answer)) {
        return answer;
    }
    hr_status status = {0};
    int fd = hr_inline_open_regular(path.name, resolve, &status);
    hr_path_clear(&path);
    state->inline_calls++;
    if (fd < 0) {
        return PyLong_FromLong(fd);
    }
    PyObject *device = known_device(args[4], status.device);
    if (device == NULL || (status.mode & 0170000) != 0100000) {
        if (PyErr_Occurred()) {
            hr_inline_close(fd);
            return NULL;
        }
        return hr_described(fd, &status);
    }
    Py_INCREF(device);
    PyObject *raw = NULL;
    /* Only now: where this way is not taken, os.open() raises it (PEP 578). */
    if (PySys_Audit("open", "OsO", given, "r", args[2]) == 0) {
        raw = make_reading((PyTypeObject *)type, fd, status.size, limit, given, mode,
                           device);
    }
    Py_DECREF(device);
    if (raw == NULL) {
        hr_inline_close(fd);
    }
    return raw;
}

int
hr_raw_spend(hr_raw *self, int count)
{
    if (HR_LIKELY(self->credit >= count)) {
        self->credit -= count;
        return 1;
    }
    /* Used up, so that it is the budget that is asked. */
    self->credit = 0;
    PyObject *name = self->state->names[HR_NAME_MAY_READ];
    Py_INCREF(self);
    PyObject *answer = PyObject_CallMethodNoArgs((PyObject *)self, name);
    Py_DECREF(self);
    if (answer == NULL) {
        return -1;
    }
    int yes = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return yes;
}

int
hr_raw_close(hr_raw *self)
{
    if (self->closed || !self->closes || !self->closefd || self->can_write ||
        self->in_flight != Py_None || self->late != Py_None ||
        !PyBytes_CheckExact(self->owed) || PyBytes_GET_SIZE(self->owed) != 0) {
        return 0;
    }
    /* Before the call: whatever it says, but that it did nothing, the number is gone. */
    self->closed = 1;
    int closed = hr_inline_close_linked(self->fd);
    if (closed < 0) {
        errno = -closed;
        PyErr_SetFromErrnoWithFilenameObject(
            PyExc_OSError, PyLong_Check(self->name) ? NULL : self->name);
        return -1;
    }
    self->closed = (char)closed;
    return closed;
}

/* -- Never closed ---------------------------------------------------------------- */

static void
raw_finalize(hr_raw *self)
{
    if (!self->closed && self->layers == 0) {
        hr_call_dropped(self->state, (PyObject *)self);
    }
}

/* Let obj see to it that it is collected without having been closed. */
void
hr_call_dropped(hr_state *state, PyObject *obj)
{
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *result = PyObject_CallMethodNoArgs(obj, state->names[HR_NAME_DROPPED]);
    if (result == NULL) {
        PyErr_WriteUnraisable(obj);
    }
    Py_XDECREF(result);
    PyErr_SetRaisedException(raised);
}

/* -- The type ------------------------------------------------------------------- */

PyDoc_STRVAR(pread_doc, "_pread($self, size, offset, /)\n--\n\n"
                        "Read at offset: inline, by the loop's ring, or by _pread_wait().");

static PyObject *
raw_pread(hr_raw *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "pread expected 2 arguments, got %zd", count);
        return NULL;
    }
    return hr_ready_new(self->state, &hr_pread, (PyObject *)self, args[0], args[1]);
}

static PyMethodDef raw_methods[] = {
    {"_pread", (PyCFunction)(void (*)(void))raw_pread, METH_FASTCALL, pread_doc},
    {"_open_cached", (PyCFunction)(void (*)(void))raw_open_cached,
     METH_FASTCALL | METH_CLASS, open_cached_doc},
    {NULL},
};

static PyMemberDef raw_members[] = {
    {"_fd", Py_T_INT, offsetof(hr_raw, fd), 0, NULL},
    {"closed", Py_T_BOOL, offsetof(hr_raw, closed), 0, NULL},
    {"_inline", Py_T_BOOL, offsetof(hr_raw, inline_reads), 0, NULL},
    {"_inline_limit", Py_T_PYSSIZET, offsetof(hr_raw, inline_limit), 0, NULL},
    {"_position", Py_T_LONGLONG, offsetof(hr_raw, position), 0, NULL},
    {"_size", Py_T_LONGLONG, offsetof(hr_raw, size), 0, NULL},
    {"_credit", Py_T_PYSSIZET, offsetof(hr_raw, credit), 0, NULL},
    {"_owed", Py_T_OBJECT_EX, offsetof(hr_raw, owed), 0, NULL},
    {"_late", Py_T_OBJECT_EX, offsetof(hr_raw, late), 0, NULL},
    {"_turns", Py_T_OBJECT_EX, offsetof(hr_raw, turns), 0, NULL},
    {"_closes", Py_T_BOOL, offsetof(hr_raw, closes), 0, NULL},
    {"closefd", Py_T_BOOL, offsetof(hr_raw, closefd), 0, NULL},
    {"can_read", Py_T_BOOL, offsetof(hr_raw, can_read), 0, NULL},
    {"can_write", Py_T_BOOL, offsetof(hr_raw, can_write), 0, NULL},
    {"_special", Py_T_BOOL, offsetof(hr_raw, special), 0, NULL},
    {"layers", Py_T_INT, offsetof(hr_raw, layers), 0, NULL},
    {"name", Py_T_OBJECT_EX, offsetof(hr_raw, name), 0, NULL},
    {"_mode", Py_T_OBJECT_EX, offsetof(hr_raw, mode), 0, NULL},
    {"_device", Py_T_OBJECT_EX, offsetof(hr_raw, device), 0, NULL},
    {"_executor", Py_T_OBJECT_EX, offsetof(hr_raw, executor), 0, NULL},
    {"_in_flight", Py_T_OBJECT_EX, offsetof(hr_raw, in_flight), 0, NULL},
    {"_ring_reads", Py_T_OBJECT_EX, offsetof(hr_raw, reads), 0, NULL},
    {"_alignment", Py_T_PYSSIZET, offsetof(hr_raw, alignment), 0, NULL},
    {"_misses", Py_T_INT, offsetof(hr_raw, misses), 0, NULL},
    {NULL},
};

PyDoc_STRVAR(raw_doc, "Raw()\n--\n\nA descriptor, its position, and how it may be read.");

static PyType_Slot raw_slots[] = {
    {Py_tp_doc, (void *)raw_doc},
    {Py_tp_new, raw_new},
    {Py_tp_dealloc, raw_dealloc},
    {Py_tp_traverse, raw_traverse},
    {Py_tp_clear, raw_clear},
    {Py_tp_finalize, raw_finalize},
    {Py_tp_members, raw_members},
    {Py_tp_methods, raw_methods},
    {0, NULL},
};

PyType_Spec hr_raw_spec = {
    .name = "headrace._native._core.Raw",
    .basicsize = sizeof(hr_raw),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = raw_slots,
};
