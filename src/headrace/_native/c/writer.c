/* Bytes that have been accepted and not been written yet: the hot side of writing.

   Specified by py/writer.py. */

#include "core.h"

/* Accept data if there is room for it. Returns the number of its bytes, or WAIT. */
static PyObject *
writer_write_now(hr_state *state, PyObject *owner, PyObject *data,
                 PyObject *Py_UNUSED(none))
{
    hr_buffer *self = (hr_buffer *)owner;
    if (HR_LIKELY(PyBytes_CheckExact(data))) {
        Py_ssize_t count = PyBytes_GET_SIZE(data);
        if (count <= self->room) {
            if (PyList_Append(self->pending, data) < 0) {
                return NULL;
            }
            self->room -= count;
            return PyLong_FromSsize_t(count);
        }
    }
    return Py_NewRef(state->wait);
}

static const hr_operation writing = {
    writer_write_now, HR_NAME_WRITE_NOW, HR_NAME_WRITE_WAIT, "write", 0,
};

PyDoc_STRVAR(write_doc, "write($self, data, /)\n--\n\n"
                        "Write all of data into the buffer, and the buffer to the file "
                        "when full.");

static PyObject *
writer_write(hr_buffer *self, PyObject *data)
{
    return hr_ready_new(self->state, &writing, (PyObject *)self, data, NULL);
}

static PyMethodDef writer_methods[] = {
    {"write", (PyCFunction)writer_write, METH_O, write_doc},
    {NULL},
};

PyDoc_STRVAR(writer_doc, "Writer()\n--\n\n"
                         "A list of pieces, and how much more may come without looking.");

static PyType_Slot writer_slots[] = {
    {Py_tp_doc, (void *)writer_doc},
    {Py_tp_methods, writer_methods},
    {0, NULL},
};

/* No field of its own: a type may be a reader as well. */
PyType_Spec hr_writer_spec = {
    .name = "headrace._native._core.Writer",
    .basicsize = sizeof(hr_buffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = writer_slots,
};
