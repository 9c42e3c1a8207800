/* Python's face of an operation of ring.c: what it does, how it ends, its outcome.

   No Python twin: without the core there is no ring. See ring_face.h. */

#include "ring_face.h"

#include <errno.h>

#if HR_HAVE_RING

/* -- One operation ----------------------------------------------------------------- */

/* Give back what the kernel is done with. What it may still use stays for ever. */
void
hr_operation_release(hr_ring_job *self)
{
    if (self->lost) {
        return;
    }
    if (self->view.obj != NULL) {
        PyBuffer_Release(&self->view);
    }
    hr_reads_give_back(self);
    Py_CLEAR(self->data);
    Py_CLEAR(self->keep);
}

static int
operation_traverse(hr_ring_job *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->ring);
    Py_VISIT(self->signal);
    Py_VISIT(self->keep);
    Py_VISIT(self->view.obj);
    Py_VISIT(self->result);
    Py_VISIT(self->error);
    Py_VISIT(self->await.reads);
    Py_VISIT(self->await.file);
    Py_VISIT(self->await.loop);
    Py_VISIT(self->await.callback);
    Py_VISIT(self->await.context);
    Py_VISIT(self->await.message);
    Py_VISIT(self->await.inner);
    return 0;
}

static int
operation_clear(hr_ring_job *self)
{
    hr_operation_release(self);
    Py_CLEAR(self->ring);
    Py_CLEAR(self->signal);
    Py_CLEAR(self->result);
    Py_CLEAR(self->error);
    Py_CLEAR(self->await.file);
    Py_CLEAR(self->await.loop);
    Py_CLEAR(self->await.callback);
    Py_CLEAR(self->await.context);
    Py_CLEAR(self->await.message);
    Py_CLEAR(self->await.inner);
    return 0;
}

static void
operation_dealloc(hr_ring_job *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)operation_clear(self);
    /* Last: it takes memory back. What the kernel may still use is not given back. */
    Py_CLEAR(self->await.reads);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Make the result of a successful operation. Returns NULL with an exception if there
   is no memory for it. */
static PyObject *
make_result(hr_ring_job *self)
{
    switch ((hr_gives)self->gives) {
    case HR_GIVES_BYTES: {
        PyObject *data = self->data;
        self->data = NULL;
        if (self->done < self->wanted) {
            (void)_PyBytes_Resize(&data, self->done);
        }
        return data;
    }
    case HR_GIVES_PIECE: {
        const hr_await *await = &self->await;
        if (self->done < await->skip + await->size) {
            /* The end of the file, or not: Python finds out. */
            self->await.again = 1;
            return Py_NewRef(Py_None);
        }
        return PyBytes_FromStringAndSize(await->aligned + await->skip, await->size);
    }
    case HR_GIVES_COUNT:
        return PyLong_FromSsize_t(self->done);
    case HR_GIVES_WRITTEN:
        return Py_BuildValue("nO", self->done, Py_None);
    default:
        return Py_NewRef(Py_None);
    }
}

/* Set the signal; errors go to the unraisable hook: nobody is there to take them. */
void
hr_operation_signal(hr_ring_job *self, hr_state *state)
{
    PyObject *signal = self->signal;
    if (signal == NULL || signal == Py_None) {
        return;
    }
    PyObject *done = PyObject_CallMethodNoArgs(signal, state->names[HR_NAME_SET]);
    if (done == NULL) {
        PyErr_WriteUnraisable(signal);
    }
    Py_XDECREF(done);
}

/* Complete a successful operation. */
void
hr_operation_succeed(hr_ring_job *self, hr_state *state)
{
    PyObject *result = make_result(self);
    if (result == NULL) {
        Py_XSETREF(self->error, PyErr_GetRaisedException());
    }
    Py_XSETREF(self->result, result);
    hr_operation_release(self);
    self->completed = 1;
    hr_operation_signal(self, state);
}

/* Complete an operation that no ring has any more with an OSError. */
void
hr_operation_fail(hr_ring_job *self, int error)
{
    errno = error;
    (void)PyErr_SetFromErrno(PyExc_OSError);
    Py_XSETREF(self->error, PyErr_GetRaisedException());
    self->completed = 1;
    if (self->abandoned) {
        hr_await_forget(self);
    }
}

PyDoc_STRVAR(withdraw_doc, "withdraw($self, /)\n--\n\n"
                           "Take the operation back if the kernel does not have it yet; "
                           "tell whether that worked.");

static PyObject *
operation_withdraw(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    hr_ring_object *ring = (hr_ring_object *)Py_XNewRef(self->ring);
    int withdrawn = 0;
    if (ring != NULL) {
        Py_BEGIN_CRITICAL_SECTION(ring);
        withdrawn = hr_ring_withdraw(&ring->ring, &self->op);
        Py_END_CRITICAL_SECTION();
        Py_DECREF(ring);
    }
    if (withdrawn) {
        self->withdrawn = 1;
        hr_operation_release(self);
        Py_CLEAR(self->ring);
        Py_DECREF(self);    /* the ring's reference */
    }
    return PyBool_FromLong(withdrawn);
}

PyDoc_STRVAR(abandon_doc, "abandon($self, /)\n--\n\n"
                          "Give the outcome up, and ask the kernel to; tell whether it "
                          "had completed.");

static PyObject *
operation_abandon(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    hr_ring_object *ring = (hr_ring_object *)Py_XNewRef(self->ring);
    self->abandoned = 1;
    /* They hold the loop, which may end before the operation does. */
    Py_CLEAR(self->signal);
    Py_CLEAR(self->await.loop);
    Py_CLEAR(self->await.callback);
    Py_CLEAR(self->await.context);
    if (ring != NULL) {
        Py_BEGIN_CRITICAL_SECTION(ring);
        /* A refusal does no harm: the operation completes by itself. */
        (void)hr_ring_cancel(&ring->ring, &self->op);
        Py_END_CRITICAL_SECTION();
        Py_DECREF(ring);
    }
    return PyBool_FromLong(self->completed);
}

PyDoc_STRVAR(settle_doc, "settle($self, result, error, /)\n--\n\n"
                         "Complete an operation that the ring handed back.");

static PyObject *
operation_settle(hr_ring_job *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || self->ring != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "settle() takes what was handed back");
        return NULL;
    }
    Py_XSETREF(self->result, Py_NewRef(args[0]));
    if (args[1] != Py_None) {
        Py_XSETREF(self->error, Py_NewRef(args[1]));
    }
    hr_operation_release(self);
    self->completed = 1;
    hr_operation_signal(self, hr_type_state(Py_TYPE(self)));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(restart_doc, "restart($self, /)\n--\n\n"
                          "Have Python do from the start what the ring handed back; False "
                          "if nobody awaits the operation itself.");

static PyObject *
operation_restart(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    if (self->await.reads == NULL || self->ring != NULL || self->abandoned) {
        Py_RETURN_FALSE;
    }
    hr_operation_release(self);
    self->await.again = 1;
    self->completed = 1;
    hr_await_wake_soon(self);
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(outcome_doc, "outcome($self, /)\n--\n\n"
                          "Return the result or raise the error of a completed "
                          "operation.");

static PyObject *
operation_outcome(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    if (self->error != NULL) {
        /* Handed over: kept here, its traceback would make a cycle. */
        PyErr_SetRaisedException(Py_NewRef(self->error));
        Py_CLEAR(self->error);
        return NULL;
    }
    if (self->result == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the operation has not completed");
        return NULL;
    }
    return Py_NewRef(self->result);
}

PyDoc_STRVAR(leftover_doc, "leftover($self, /)\n--\n\n"
                           "Return the result of a completed operation that was given "
                           "up; None if it failed.");

static PyObject *
operation_leftover(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    return Py_NewRef(self->result == NULL ? Py_None : self->result);
}

PyDoc_STRVAR(drop_result_doc, "drop_result($self, /)\n--\n\n"
                              "Nothing has to be undone: a count or bytes.");

static PyObject *
operation_drop_result(hr_ring_job *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    Py_RETURN_NONE;
}

static PyObject *
operation_get_discards(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_FALSE;
}

static PyObject *
operation_get_in_flight(hr_ring_job *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->op.state == HR_RING_FLYING);
}

PyDoc_STRVAR(pursue_doc, "pursue($self, timeout, /)\n--\n\n"
                         "Complete what the kernel does within timeout seconds, though "
                         "the loop is gone; False if that tells nothing.");

/* Return the object in the field at offset, or None. */
static PyObject *
operation_get_object(PyObject *self, void *offset)
{
    PyObject *object = *(PyObject **)((char *)self + (size_t)offset);
    return Py_NewRef(object == NULL ? Py_None : object);
}

static PyMethodDef operation_methods[] = {
    {"withdraw", (PyCFunction)operation_withdraw, METH_NOARGS, withdraw_doc},
    {"abandon", (PyCFunction)operation_abandon, METH_NOARGS, abandon_doc},
    {"settle", (PyCFunction)(void (*)(void))operation_settle, METH_FASTCALL, settle_doc},
    {"restart", (PyCFunction)operation_restart, METH_NOARGS, restart_doc},
    {"throw", (PyCFunction)(void (*)(void))hr_await_throw, METH_FASTCALL, NULL},
    {"close", (PyCFunction)hr_await_close, METH_NOARGS, NULL},
    {"get_loop", (PyCFunction)hr_await_get_loop, METH_NOARGS, NULL},
    {"add_done_callback", (PyCFunction)(void (*)(void))hr_await_add_done_callback,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"remove_done_callback", (PyCFunction)hr_await_remove_done_callback, METH_O, NULL},
    {"cancel", (PyCFunction)(void (*)(void))hr_await_cancel,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"cancelled", (PyCFunction)hr_await_cancelled, METH_NOARGS, NULL},
    {"result", (PyCFunction)hr_await_result, METH_NOARGS, NULL},
    {"pursue", (PyCFunction)hr_operation_pursue, METH_O, pursue_doc},
    {"leftover", (PyCFunction)operation_leftover, METH_NOARGS, leftover_doc},
    {"outcome", (PyCFunction)operation_outcome, METH_NOARGS, outcome_doc},
    {"drop_result", (PyCFunction)operation_drop_result, METH_NOARGS, drop_result_doc},
    {NULL},
};

static PyGetSetDef operation_getset[] = {
    {"_asyncio_future_blocking", (getter)hr_await_get_blocking,
     (setter)hr_await_set_blocking, "asyncio's mark of a future.", NULL},
    {"discards", operation_get_discards, NULL, "Whether a result has to be undone.",
     NULL},
    {"in_flight", (getter)operation_get_in_flight, NULL, "Whether the kernel has it.",
     NULL},
    {"signal", operation_get_object, NULL, "What is set on completion.",
     (void *)offsetof(hr_ring_job, signal)},
    {"keep", operation_get_object, NULL, "What lives as long as the operation.",
     (void *)offsetof(hr_ring_job, keep)},
    {"error", operation_get_object, NULL, "The exception of a failed operation.",
     (void *)offsetof(hr_ring_job, error)},
    {NULL},
};

static PyMemberDef operation_members[] = {
    {"completed", Py_T_BOOL, offsetof(hr_ring_job, completed), Py_READONLY, NULL},
    {"withdrawn", Py_T_BOOL, offsetof(hr_ring_job, withdrawn), Py_READONLY, NULL},
    {"abandoned", Py_T_BOOL, offsetof(hr_ring_job, abandoned), Py_READONLY, NULL},
    {"failure", Py_T_INT, offsetof(hr_ring_job, failure), Py_READONLY, NULL},
    {"done", Py_T_PYSSIZET, offsetof(hr_ring_job, done), Py_READONLY, NULL},
    {NULL},
};

PyDoc_STRVAR(operation_doc, "One operation of a ring: what it does, and its outcome.");

static PyType_Slot operation_slots[] = {
    {Py_tp_doc, (void *)operation_doc},
    {Py_tp_dealloc, operation_dealloc},
    {Py_tp_traverse, operation_traverse},
    {Py_tp_clear, operation_clear},
    {Py_tp_methods, operation_methods},
    {Py_tp_members, operation_members},
    {Py_tp_getset, operation_getset},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, hr_await_iternext},
    {Py_am_send, hr_await_send},
    {Py_am_await, PyObject_SelfIter},
    {0, NULL},
};

PyType_Spec hr_operation_spec = {
    .name = "headrace._native._core.Operation",
    .basicsize = sizeof(hr_ring_job),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = operation_slots,
};

#endif
