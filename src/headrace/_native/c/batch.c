/* What came in a batch and is handed out one by one; entries of directories.

   Specified by py/batch.py. */

#include "core.h"

/* -- Entry: that of os, and room for its status -------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *entry;           /* an os.DirEntry; or NULL before it is set */
    PyObject *status;          /* os.stat_result, or NULL before it was asked for */
    PyObject *link_status;     /* the same, of a symbolic link itself */
} hr_entry;

static int
entry_init(hr_entry *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", NULL};
    PyObject *entry;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Entry", names, &entry)) {
        return -1;
    }
    Py_XSETREF(self->entry, Py_NewRef(entry));
    return 0;
}

/* Return an entry of type, which has no state of its own, over that of os; the latter
   is stolen. */
static PyObject *
entry_over(PyTypeObject *type, PyObject *given)
{
    hr_entry *self = (hr_entry *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_DECREF(given);
        return NULL;
    }
    self->entry = given;
    return (PyObject *)self;
}

static void
entry_dealloc(hr_entry *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(self->entry);
    Py_CLEAR(self->status);
    Py_CLEAR(self->link_status);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Return an attribute of the entry of os; name is its own. */
static PyObject *
entry_get(hr_entry *self, void *name)
{
    if (self->entry == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_entry");
        return NULL;
    }
    return PyObject_GetAttrString(self->entry, name);
}

static PyGetSetDef entry_getset[] = {
    {"name", (getter)entry_get, NULL, "The name, relative to the directory.", "name"},
    {"path", (getter)entry_get, NULL,
     "The path: what was given to `scandir()`, joined with the name.", "path"},
    {NULL},
};

static PyMemberDef entry_members[] = {
    {"_entry", Py_T_OBJECT_EX, offsetof(hr_entry, entry), 0, NULL},
    {"_stat", Py_T_OBJECT_EX, offsetof(hr_entry, status), 0, NULL},
    {"_lstat", Py_T_OBJECT_EX, offsetof(hr_entry, link_status), 0, NULL},
    {NULL},
};

static PyMethodDef entry_methods[] = {
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

PyDoc_STRVAR(entry_doc, "Entry(entry, /)\n--\n\n"
                        "An entry of a directory over that of `os`, and room for its "
                        "status.");

static PyType_Slot entry_slots[] = {
    {Py_tp_doc, (void *)entry_doc},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, entry_init},
    {Py_tp_dealloc, entry_dealloc},
    {Py_tp_getset, entry_getset},
    {Py_tp_members, entry_members},
    {Py_tp_methods, entry_methods},
    {0, NULL},
};

/* Not known to the garbage collector, like os.DirEntry: what it holds refers to
   nothing. */
PyType_Spec hr_entry_spec = {
    .name = "headrace._native._core.Entry",
    .basicsize = sizeof(hr_entry),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = entry_slots,
};

/* -- Batch: items that are there ------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    hr_state *state;
    PyObject *items;           /* what is left, the last item first; only a list counts */
    PyObject *convert;         /* what becomes of an item, or None */
    PyTypeObject *wraps;       /* `convert` if that is a plain subclass of Entry, else
                                  NULL; borrowed */
    Py_ssize_t credit;         /* items that may be handed out before a look */
} hr_batch;

static PyObject *
batch_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    hr_state *state = hr_type_state(type);
    if (state == NULL) {
        return NULL;
    }
    hr_batch *self = (hr_batch *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->convert = Py_NewRef(Py_None);
    self->items = PyList_New(0);
    if (self->items == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
batch_init(PyObject *Py_UNUSED(self), PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) != 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "Batch() takes no arguments");
        return -1;
    }
    return 0;
}

static int
batch_traverse(hr_batch *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->items);
    Py_VISIT(self->convert);
    return 0;
}

static int
batch_clear(hr_batch *self)
{
    self->wraps = NULL;
    Py_CLEAR(self->items);
    Py_CLEAR(self->convert);
    return 0;
}

static void
batch_dealloc(hr_batch *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)batch_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Return how many items are left. */
static inline Py_ssize_t
items_left(const hr_batch *self)
{
    return self->items != NULL && PyList_CheckExact(self->items)
               ? PyList_GET_SIZE(self->items)
               : 0;
}

/* Return the next item as it is handed out; there has to be one. */
static PyObject *
take(hr_batch *self)
{
    /* As list.pop() does it; the list grows no more, so that it need not shrink. */
    Py_ssize_t last = PyList_GET_SIZE(self->items) - 1;
    PyObject *item = PyList_GET_ITEM(self->items, last);
    Py_SET_SIZE(self->items, last);
    if (self->convert == NULL || self->convert == Py_None ||
        PyObject_TypeCheck(item, self->state->entry_type)) {
        return item;
    }
    if (HR_LIKELY(self->wraps != NULL)) {
        return entry_over(self->wraps, item);
    }
    PyObject *convert = Py_NewRef(self->convert);
    PyObject *made = PyObject_CallOneArg(convert, item);
    Py_DECREF(convert);
    Py_DECREF(item);
    return made;
}

static PyObject *
batch_now(hr_state *state, PyObject *owner, PyObject *Py_UNUSED(first),
          PyObject *Py_UNUSED(second))
{
    hr_batch *self = (hr_batch *)owner;
    if (HR_UNLIKELY(self->credit <= 0 || items_left(self) == 0)) {
        return Py_NewRef(state->wait);
    }
    self->credit--;
    return take(self);
}

static const hr_operation iterating = {
    .now = batch_now,
    .now_name = HR_NAME_NEXT_NOW,
    .wait_name = HR_NAME_NEXT_WAIT,
    .name = "__anext__",
    .iterating = 1,
};

static PyObject *
batch_anext(hr_batch *self)
{
    return hr_ready_new(self->state, &iterating, (PyObject *)self, NULL, NULL);
}

PyDoc_STRVAR(take_doc, "_take($self, /)\n--\n\nReturn the next item of the batch.");

static PyObject *
batch_take(hr_batch *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *item;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (items_left(self) != 0) {
        item = take(self);
    }
    else {
        item = NULL;
        PyErr_SetString(PyExc_IndexError, "pop from empty list");
    }
    Py_END_CRITICAL_SECTION();
    return item;
}

/* -- Attributes ----------------------------------------------------------------- */

static PyObject *
batch_get_convert(hr_batch *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->convert == NULL ? Py_None : self->convert);
}

/* Tell whether calling type does no more than to fill in an Entry. */
static int
is_plain_entry(hr_state *state, PyObject *convert)
{
    if (!PyType_Check(convert)) {
        return 0;
    }
    PyTypeObject *type = (PyTypeObject *)convert, *base = state->entry_type;
    return PyType_IsSubtype(type, base) && type->tp_basicsize == base->tp_basicsize &&
           type->tp_init == base->tp_init && type->tp_new == base->tp_new &&
           !PyType_IS_GC(type);
}

static int
batch_set_convert(hr_batch *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_convert cannot be deleted");
        return -1;
    }
    int plain = is_plain_entry(self->state, value);
    PyObject *before;
    Py_BEGIN_CRITICAL_SECTION(self);
    before = self->convert;
    self->convert = Py_NewRef(value);
    self->wraps = plain ? (PyTypeObject *)value : NULL;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(before);
    return 0;
}

static PyGetSetDef batch_getset[] = {
    {"_convert", (getter)batch_get_convert, (setter)batch_set_convert, NULL, NULL},
    {NULL},
};

static PyMemberDef batch_members[] = {
    {"_items", Py_T_OBJECT_EX, offsetof(hr_batch, items), 0, NULL},
    {"_credit", Py_T_PYSSIZET, offsetof(hr_batch, credit), 0, NULL},
    {NULL},
};

static PyMethodDef batch_methods[] = {
    {"_take", (PyCFunction)batch_take, METH_NOARGS, take_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

PyDoc_STRVAR(batch_doc, "Batch()\n--\n\n"
                        "Items that are there, and what becomes of each as it is handed "
                        "out.");

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, (void *)batch_doc},
    {Py_tp_new, batch_new},
    {Py_tp_init, batch_init},
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_traverse, batch_traverse},
    {Py_tp_clear, batch_clear},
    {Py_am_anext, batch_anext},
    {Py_tp_getset, batch_getset},
    {Py_tp_members, batch_members},
    {Py_tp_methods, batch_methods},
    {0, NULL},
};

PyType_Spec hr_batch_spec = {
    .name = "headrace._native._core.Batch",
    .basicsize = sizeof(hr_batch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = batch_slots,
};
