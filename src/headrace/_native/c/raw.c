/* What the core knows of an open descriptor: the base of the raw file.

   Specified by py/raw.py. Attributes alone: what is done with them is in reader.c, and
   in the Python methods of the subclass. */

#include "core.h"

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
    return (PyObject *)self;
}

static int
raw_traverse(hr_raw *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->owed);
    Py_VISIT(self->late);
    Py_VISIT(self->turns);
    return 0;
}

static int
raw_clear(hr_raw *self)
{
    Py_CLEAR(self->owed);
    Py_CLEAR(self->late);
    Py_CLEAR(self->turns);
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
    {NULL},
};

PyDoc_STRVAR(raw_doc, "Raw()\n--\n\nA descriptor, its position, and how it may be read.");

static PyType_Slot raw_slots[] = {
    {Py_tp_doc, (void *)raw_doc},
    {Py_tp_new, raw_new},
    {Py_tp_dealloc, raw_dealloc},
    {Py_tp_traverse, raw_traverse},
    {Py_tp_clear, raw_clear},
    {Py_tp_members, raw_members},
    {0, NULL},
};

PyType_Spec hr_raw_spec = {
    .name = "headrace._native._core.Raw",
    .basicsize = sizeof(hr_raw),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = raw_slots,
};
