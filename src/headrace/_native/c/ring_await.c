/* A read of the ring's as what a task awaits: to the coroutine it is an iterator, to the
   asyncio task what a future is, so that nothing stands between the two and the kernel.

   No Python twin: without the core there is no ring. Whatever is out of the ordinary (a
   refusal, a short direct read, a ring that is given up) is done again from the start by
   the Python method `_pread_wait`, which this then drives. */

#include "ring_face.h"

#if HR_HAVE_RING

/* -- Ending ------------------------------------------------------------------------ */

/* Note that the descriptor is not in use by self any more: closing need not wait. */
void
hr_await_forget(hr_ring_job *self)
{
    hr_raw *file = self->await.file;
    if (file == NULL) {
        return;
    }
    if (PySet_CheckExact(file->in_flight) &&
        PySet_Discard(file->in_flight, (PyObject *)self) < 0) {
        PyErr_Clear();
    }
    Py_CLEAR(self->await.file);
}

/* Call a method of self's own type. */
static void
call_own(hr_ring_job *self, const char *name)
{
    PyObject *done = PyObject_CallMethod((PyObject *)self, name, NULL);
    if (done == NULL) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_XDECREF(done);
}

/* Nobody waits any more: take the operation back, or leave it to the kernel, which is
   asked to give it up. Until it has, closing the file waits. */
void
hr_await_leave(hr_ring_job *self)
{
    PyObject *raised = PyErr_GetRaisedException();
    Py_CLEAR(self->await.callback);
    Py_CLEAR(self->await.context);
    if (!self->completed) {
        call_own(self, "withdraw");
        if (!self->withdrawn) {
            call_own(self, "abandon");
        }
    }
    if (self->completed || self->withdrawn) {
        hr_await_forget(self);
    }
    PyErr_SetRaisedException(raised);
}

/* -- Waking the task --------------------------------------------------------------- */

/* Have the task go on, now; for the loop's thread between two tasks. Returns -1 with an
   exception where that ends the loop (KeyboardInterrupt). */
int
hr_await_wake(hr_ring_job *self)
{
    PyObject *callback = self->await.callback, *context = self->await.context;
    self->await.callback = self->await.context = NULL;
    if (callback == NULL) {
        return 0;
    }
    PyObject *done = NULL;
    if (PyContext_Enter(context) == 0) {
        done = PyObject_CallOneArg(callback, (PyObject *)self);
        PyObject *raised = PyErr_GetRaisedException();
        if (PyContext_Exit(context) < 0) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(raised);
    }
    Py_DECREF(callback);
    Py_DECREF(context);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Have the task go on in the loop's next turn. */
void
hr_await_wake_soon(hr_ring_job *self)
{
    PyObject *callback = self->await.callback, *context = self->await.context;
    self->await.callback = self->await.context = NULL;
    if (callback == NULL) {
        return;
    }
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *call_soon = PyObject_GetAttrString(self->await.loop, "call_soon");
    PyObject *args = Py_BuildValue("(OO)", callback, (PyObject *)self);
    PyObject *named = Py_BuildValue("{sO}", "context", context);
    PyObject *done = NULL;
    if (call_soon != NULL && args != NULL && named != NULL) {
        done = PyObject_Call(call_soon, args, named);
    }
    if (done == NULL) {
        /* The loop is closed: nobody waits any more. */
        PyErr_Clear();
    }
    Py_XDECREF(done);
    Py_XDECREF(named);
    Py_XDECREF(args);
    Py_XDECREF(call_soon);
    Py_DECREF(callback);
    Py_DECREF(context);
    PyErr_SetRaisedException(raised);
}

/* -- What the coroutine sees: an iterator ------------------------------------------ */

/* Have Python do it from the start. Returns as PyIter_Send does. */
static PySendResult
begin_again(hr_ring_job *self, PyObject **result)
{
    hr_raw *file = (hr_raw *)Py_NewRef(self->await.file);
    *result = NULL;
    hr_await_forget(self);
    self->await.inner = PyObject_CallMethod((PyObject *)file, "_pread_wait", "nL",
                                            self->await.size, self->await.offset);
    Py_DECREF(file);
    if (self->await.inner == NULL) {
        return PYGEN_ERROR;
    }
    return PyIter_Send(self->await.inner, Py_None, result);
}

PySendResult
hr_await_send(hr_ring_job *self, PyObject *value, PyObject **result)
{
    hr_await *await = &self->await;
    *result = NULL;
    if (await->inner != NULL) {
        PyObject *inner = Py_NewRef(await->inner);
        PySendResult sent = PyIter_Send(inner, value, result);
        Py_DECREF(inner);
        return sent;
    }
    if (await->file == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited operation");
        return PYGEN_ERROR;
    }
    if (!self->completed) {
        if (await->begun) {
            PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
            return PYGEN_ERROR;
        }
        await->begun = await->blocking = 1;
        *result = Py_NewRef(self);
        return PYGEN_NEXT;
    }
    if (await->again) {
        return begin_again(self, result);
    }
    /* The loop has had its turn: a file's next inline reads need not ask. */
    await->file->credit = HR_OPERATIONS_PER_LOOK;
    hr_await_forget(self);
    if (self->error != NULL) {
        PyErr_SetRaisedException(self->error);
        self->error = NULL;
        return PYGEN_ERROR;
    }
    *result = self->result;
    self->result = NULL;
    return PYGEN_RETURN;
}

PyObject *
hr_await_iternext(hr_ring_job *self)
{
    PyObject *result;
    if (hr_await_send(self, Py_None, &result) == PYGEN_RETURN) {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        Py_SETREF(result, NULL);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    return result;
}

PyObject *
hr_await_throw(hr_ring_job *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", count);
        return NULL;
    }
    if (self->await.inner != NULL) {
        PyObject *inner = Py_NewRef(self->await.inner);
        PyObject *call[4] = {inner, args[0], count > 1 ? args[1] : NULL,
                             count > 2 ? args[2] : NULL};
        hr_state *state = self->await.reads->state;
        PyObject *result = PyObject_VectorcallMethod(state->names[HR_NAME_THROW], call,
                                                     (size_t)count + 1, NULL);
        Py_DECREF(inner);
        return result;
    }
    hr_await_leave(self);
    hr_raise_given(args[0], count > 1 ? args[1] : NULL, count > 2 ? args[2] : NULL);
    return NULL;
}

PyObject *
hr_await_close(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    if (self->await.inner != NULL) {
        return PyObject_CallMethod(self->await.inner, "close", NULL);
    }
    hr_await_leave(self);
    Py_RETURN_NONE;
}

/* -- What the task sees: a future -------------------------------------------------- */

/* None for an operation that is not awaited itself: asyncio.isfuture() then says so. */
PyObject *
hr_await_get_blocking(hr_ring_job *self, void *Py_UNUSED(closure))
{
    if (self->await.reads == NULL) {
        Py_RETURN_NONE;
    }
    return PyBool_FromLong(self->await.blocking);
}

int
hr_await_set_blocking(hr_ring_job *self, PyObject *value, void *Py_UNUSED(closure))
{
    int yes = value == NULL ? 0 : PyObject_IsTrue(value);
    if (yes < 0) {
        return -1;
    }
    self->await.blocking = (char)yes;
    return 0;
}

PyObject *
hr_await_get_loop(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    if (self->await.loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no task awaits this operation");
        return NULL;
    }
    return Py_NewRef(self->await.loop);
}

PyObject *
hr_await_add_done_callback(hr_ring_job *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *names)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    if (count != 1 || named > 1 || self->await.loop == NULL) {
        PyErr_SetString(PyExc_TypeError, "add_done_callback(callback, *, context)");
        return NULL;
    }
    if (self->await.callback != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "one task awaits an operation");
        return NULL;
    }
    PyObject *context = named && args[1] != Py_None ? Py_NewRef(args[1])
                                                    : PyContext_CopyCurrent();
    if (context == NULL) {
        return NULL;
    }
    self->await.callback = Py_NewRef(args[0]);
    self->await.context = context;
    if (self->completed || self->await.cancelled) {
        hr_await_wake_soon(self);
    }
    Py_RETURN_NONE;
}

PyObject *
hr_await_remove_done_callback(hr_ring_job *self, PyObject *callback)
{
    int same = 0;
    if (self->await.callback != NULL) {
        same = PyObject_RichCompareBool(self->await.callback, callback, Py_EQ);
        if (same > 0) {
            Py_CLEAR(self->await.callback);
            Py_CLEAR(self->await.context);
        }
    }
    return same < 0 ? NULL : PyLong_FromLong(same);
}

PyObject *
hr_await_cancel(hr_ring_job *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"msg", NULL};
    PyObject *message = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cancel", names, &message)) {
        return NULL;
    }
    if (self->await.loop == NULL || self->completed || self->await.cancelled) {
        Py_RETURN_FALSE;
    }
    self->await.cancelled = 1;
    Py_XSETREF(self->await.message, Py_NewRef(message));
    /* What the operation comes to is decided where the task lets go of it: throw(). */
    hr_await_wake_soon(self);
    Py_RETURN_TRUE;
}

PyObject *
hr_await_result(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    if (self->await.cancelled) {
        PyObject *message = self->await.message;
        PyObject *kind = self->await.reads->cancelled;
        PyObject *error = message == NULL || message == Py_None
                              ? PyObject_CallNoArgs(kind)
                              : PyObject_CallOneArg(kind, message);
        if (error != NULL) {
            PyErr_SetObject(kind, error);
            Py_DECREF(error);
        }
        return NULL;
    }
    if (!self->completed) {
        PyErr_SetString(PyExc_RuntimeError, "the operation has not completed");
        return NULL;
    }
    /* The bytes, or what went wrong, are for the coroutine. */
    Py_RETURN_NONE;
}

PyObject *
hr_await_cancelled(hr_ring_job *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(self->await.cancelled);
}

#endif
