/* The awaitable that the core's methods return.

   Specified by py/ready.py, and by what `async def` does: nothing happens before it is
   first resumed; then the operation is done at once if it can be, without a coroutine,
   and else the coroutine of the Python method that can wait is driven in its place.
   It has the methods of a coroutine, so that tasks take it as one. */

#include "core.h"

struct hr_ready {
    PyObject_HEAD
    hr_state *state;
    const hr_operation *operation;  /* what to do; NULL for a finished value */
    PyObject *owner;                /* on what; NULL once begun */
    PyObject *first;                /* argument or NULL; of a finished value, that */
    PyObject *second;               /* argument or NULL */
    PyObject *inner;                /* the coroutine that waits, or NULL */
    hr_ready *next;                 /* the next one that is free */
    char begun;                     /* whether it was resumed, or closed */
    char running;                   /* whether it is being resumed just now */
};

/* -- Making ----------------------------------------------------------------- */

static hr_ready *
ready_alloc(hr_state *state)
{
    hr_ready *self;
#if HR_FREE_LIST
    self = state->free;
    if (HR_LIKELY(self != NULL)) {
        state->free = self->next;
        state->free_count--;
        self->begun = 0;
        return self;
    }
#endif
    self = PyObject_GC_New(hr_ready, state->ready_type);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->operation = NULL;
    self->owner = self->first = self->second = self->inner = NULL;
    self->next = NULL;
    self->begun = 0;
    self->running = 0;
    PyObject_GC_Track(self);
    return self;
}

PyObject *
hr_ready_new(hr_state *state, const hr_operation *operation, PyObject *owner,
             PyObject *first, PyObject *second)
{
    hr_ready *self = ready_alloc(state);
    if (self == NULL) {
        return NULL;
    }
    self->operation = operation;
    self->owner = Py_NewRef(owner);
    self->first = Py_XNewRef(first);
    self->second = Py_XNewRef(second);
    return (PyObject *)self;
}

static PyObject *
ready_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", NULL};
    PyObject *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Ready", names, &value)) {
        return NULL;
    }
    hr_state *state = hr_type_state(type);
    if (state == NULL) {
        return NULL;
    }
    hr_ready *self = ready_alloc(state);
    if (self == NULL) {
        return NULL;
    }
    self->operation = NULL;
    self->first = Py_NewRef(value);
    return (PyObject *)self;
}

/* -- Ending ----------------------------------------------------------------- */

/* Return "File.read", or the name of this type for a finished value. */
static PyObject *
ready_qualname(hr_ready *self)
{
    if (self->operation == NULL) {
        return PyUnicode_FromString("Ready");
    }
    if (self->owner == NULL) {
        return PyUnicode_FromString(self->operation->name);
    }
    PyObject *type = PyType_GetQualName(Py_TYPE(self->owner));
    if (type == NULL) {
        return NULL;
    }
    PyObject *name = PyUnicode_FromFormat("%U.%s", type, self->operation->name);
    Py_DECREF(type);
    return name;
}

/* Warn of an operation that was never awaited, as for a coroutine. */
static void
ready_warn(hr_ready *self)
{
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *name = ready_qualname(self);
    if (name == NULL || PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                                         "coroutine '%U' was never awaited", name) < 0) {
        PyErr_WriteUnraisable(name);
    }
    Py_XDECREF(name);
    PyErr_SetRaisedException(raised);
}

static int
ready_traverse(hr_ready *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->owner);
    Py_VISIT(self->first);
    Py_VISIT(self->second);
    Py_VISIT(self->inner);
    return 0;
}

static int
ready_clear(hr_ready *self)
{
    Py_CLEAR(self->owner);
    Py_CLEAR(self->first);
    Py_CLEAR(self->second);
    Py_CLEAR(self->inner);
    return 0;
}

#if HR_FREE_LIST
/* Keep an object whose last reference is gone, for the next operation. It gets that
   reference back and stays known to the collector: undoing both and doing them again
   takes longer than all the rest. */
static inline int
ready_keep(hr_ready *self)
{
    hr_state *state = self->state;
    if (HR_UNLIKELY(state->free_count >= HR_FREE_MAX)) {
        return 0;
    }
#if defined(Py_REF_DEBUG) || defined(Py_TRACE_REFS)
    _Py_NewReference((PyObject *)self);
#else
    Py_SET_REFCNT(self, 1);
#endif
    self->next = state->free;
    state->free = self;
    state->free_count++;
    return 1;
}
#endif

static void
ready_dealloc(hr_ready *self)
{
    if (HR_UNLIKELY(!self->begun && self->operation != NULL && self->owner != NULL)) {
        /* The warning may run any code, and the collector. */
        PyObject_GC_UnTrack(self);
        ready_warn(self);
        PyObject_GC_Track(self);
    }
    if (HR_UNLIKELY(self->owner != NULL || self->first != NULL || self->inner != NULL)) {
        (void)ready_clear(self);
    }
#if HR_FREE_LIST
    if (HR_LIKELY(ready_keep(self))) {
        return;
    }
#endif
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

int
hr_ready_visit_free(hr_state *state, visitproc visit, void *arg)
{
    for (hr_ready *self = state->free; self != NULL; self = self->next) {
        Py_VISIT(self);
    }
    return 0;
}

void
hr_ready_clear_free(hr_state *state)
{
    /* No more are kept from here on. */
    state->free_count = HR_FREE_MAX;
    while (state->free != NULL) {
        hr_ready *self = state->free;
        state->free = self->next;
        Py_DECREF(self);
    }
}

/* -- Handing over the result ------------------------------------------------ */

/* Set StopIteration with value, which is stolen. */
static void
set_stop_iteration(PyObject *value)
{
    /* PyErr_SetObject would unpack a tuple, and raise an exception itself. */
    if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    else {
#if PY_VERSION_HEX < 0x030C0000
        /* As it is: the exception is only made for who looks at it. */
        PyErr_Restore(Py_NewRef(PyExc_StopIteration), value, NULL);
        return;
#else
        PyErr_SetObject(PyExc_StopIteration, value);
#endif
    }
    Py_DECREF(value);
}

#if HR_REUSE_STOP_ITERATION
/* Values beyond this are not worth being kept alive by the reused StopIteration until
   the next one comes: making a new one is little beside what they took. */
#define KEEP_MAX 8192  /* bytes or characters */

/* Tell whether value may be kept a while longer than its last user keeps it: nobody
   can notice for these, and deleting them runs no code. */
static inline int
may_be_kept(hr_state *state, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type->tp_base == state->entry_type && type->tp_finalize == NULL) {
        return 1;
    }
    if (PyBytes_CheckExact(value)) {
        return PyBytes_GET_SIZE(value) <= KEEP_MAX;
    }
    if (PyUnicode_CheckExact(value)) {
        return PyUnicode_GET_LENGTH(value) <= KEEP_MAX;
    }
    return PyLong_CheckExact(value);
}

/* Set the interpreter's StopIteration with value, which is stolen; it has to be one
   that may be kept. Returns 0 (and value still owned) if it is in use. */
static inline int
reuse_stop_iteration(hr_state *state, PyObject *value)
{
    PyStopIterationObject *stop = (PyStopIterationObject *)state->stop;
    /* The only reference is the module's if nobody kept what was raised before. */
    if (HR_UNLIKELY(stop == NULL || Py_REFCNT(stop) != 1)) {
        PyObject *fresh = PyObject_CallNoArgs(PyExc_StopIteration);
        if (fresh == NULL) {
            PyErr_Clear();
            return 0;
        }
        Py_XSETREF(state->stop, fresh);
        stop = (PyStopIterationObject *)fresh;
    }
    if (HR_UNLIKELY(stop->traceback != NULL || stop->context != NULL ||
                    stop->cause != NULL || stop->notes != NULL)) {
        Py_CLEAR(stop->traceback);
        Py_CLEAR(stop->context);
        Py_CLEAR(stop->cause);
        Py_CLEAR(stop->notes);
    }
    PyObject *before = stop->value;
    stop->value = value;
    Py_XDECREF(before);
    PyErr_SetRaisedException(Py_NewRef(stop));
    return 1;
}
#endif

/* End an iteration with value, which is stolen. Returns NULL; no exception is set for
   None, which means the same. */
static inline PyObject *
finish(hr_state *state, PyObject *value)
{
    if (value == Py_None) {
        Py_DECREF(value);
        return NULL;
    }
#if HR_REUSE_STOP_ITERATION
    if (may_be_kept(state, value) && reuse_stop_iteration(state, value)) {
        return NULL;
    }
#else
    (void)state;
#endif
    set_stop_iteration(value);
    return NULL;
}

/* -- Resuming --------------------------------------------------------------- */

static int
is_empty(PyObject *value)
{
    if (PyBytes_CheckExact(value)) {
        return PyBytes_GET_SIZE(value) == 0;
    }
    if (PyUnicode_CheckExact(value)) {
        return PyUnicode_GET_LENGTH(value) == 0;
    }
    return PyObject_Not(value);
}

/* Return value, which is stolen, as the operation's result; or NULL with the end of an
   async iteration. */
static inline PyObject *
result_of(const hr_operation *operation, PyObject *value)
{
    if (operation != NULL && operation->ends_empty) {
        int empty = is_empty(value);
        if (empty) {
            if (empty > 0) {
                PyErr_SetNone(PyExc_StopAsyncIteration);
            }
            Py_DECREF(value);
            return NULL;
        }
    }
    return value;
}

/* Call a method of owner with the arguments that there are. */
static PyObject *
call_method(PyObject *name, PyObject *owner, PyObject *first, PyObject *second)
{
    PyObject *args[3] = {owner, first, second};
    size_t count = first == NULL ? 1 : second == NULL ? 2 : 3;
    return PyObject_VectorcallMethod(name, args, count, NULL);
}

/* Return what is to be driven for awaiting obj, which is stolen: the coroutine itself,
   or the iterator of another awaitable. */
static PyObject *
awaited_iterator(PyObject *obj)
{
    if (obj == NULL || PyCoro_CheckExact(obj)) {
        return obj;
    }
    PyAsyncMethods *methods = Py_TYPE(obj)->tp_as_async;
    PyObject *iterator = NULL;
    if (methods != NULL && methods->am_await != NULL) {
        iterator = methods->am_await(obj);
    }
    else {
        PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression",
                     Py_TYPE(obj)->tp_name);
    }
    Py_DECREF(obj);
    return iterator;
}

/* Make sure that the collector sees what self refers to from now on: gc.freeze() may
   have put it aside while it was free. */
static inline void
ready_renew(hr_ready *self)
{
#if HR_FREE_LIST
    PyObject_GC_UnTrack(self);
    PyObject_GC_Track(self);
#else
    (void)self;
#endif
}

/* Begin: do the operation if that is possible at once. Returns the result; or NULL with
   an exception; or NULL without one, and then `inner` is to be driven. */
static inline PyObject *
ready_begin(hr_ready *self)
{
    hr_state *state = self->state;
    const hr_operation *operation = self->operation;
    PyObject *owner = self->owner, *first = self->first, *second = self->second;
    self->begun = 1;
    self->owner = self->first = self->second = NULL;
    if (operation == NULL) {
        return first;
    }
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(owner);
    result = operation->now(state, owner, first, second);
    Py_END_CRITICAL_SECTION();
    if (HR_UNLIKELY(result == state->wait)) {
        Py_DECREF(result);
        if (operation->start != NULL) {
            result = NULL;
            self->inner = awaited_iterator(
                operation->start(state, owner, first, second));
            ready_renew(self);
        }
        else {
            result = call_method(state->names[operation->now_name], owner, first, second);
        }
        if (result == state->wait) {
            Py_DECREF(result);
            result = NULL;
            self->inner = awaited_iterator(call_method(
                state->names[operation->wait_name], owner, first, second));
            ready_renew(self);
        }
    }
    Py_DECREF(owner);
    Py_XDECREF(first);
    Py_XDECREF(second);
    return result == NULL ? NULL : result_of(operation, result);
}

/* Resume with a value. Returns as PyIter_Send does. */
static PySendResult
ready_resume(hr_ready *self, PyObject *value, PyObject **result)
{
    if (HR_LIKELY(!self->begun)) {
        if (HR_UNLIKELY(value != Py_None)) {
            *result = NULL;
            PyErr_SetString(PyExc_TypeError,
                            "can't send non-None value to a just-started coroutine");
            return PYGEN_ERROR;
        }
        *result = ready_begin(self);
        if (HR_LIKELY(*result != NULL)) {
            return PYGEN_RETURN;
        }
        if (self->inner == NULL) {
            return PYGEN_ERROR;
        }
    }
    if (self->inner == NULL) {
        *result = NULL;
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
    PyObject *inner = Py_NewRef(self->inner);
    char nested = self->running;
    self->running = 1;
    PySendResult sent = PyIter_Send(inner, value, result);
    self->running = nested;
    Py_DECREF(inner);
    /* A coroutine that is resumed by itself has refused, and goes on. */
    if (sent != PYGEN_NEXT && !nested) {
        Py_CLEAR(self->inner);
    }
    if (sent == PYGEN_RETURN) {
        *result = result_of(self->operation, *result);
        if (*result == NULL) {
            return PYGEN_ERROR;
        }
    }
    return sent;
}

static PyObject *
ready_iternext(hr_ready *self)
{
    PyObject *result;
    PySendResult sent;
    Py_BEGIN_CRITICAL_SECTION(self);
    sent = ready_resume(self, Py_None, &result);
    Py_END_CRITICAL_SECTION();
    return HR_LIKELY(sent == PYGEN_RETURN) ? finish(self->state, result) : result;
}

static PySendResult
ready_am_send(hr_ready *self, PyObject *value, PyObject **result)
{
    PySendResult sent;
    Py_BEGIN_CRITICAL_SECTION(self);
    sent = ready_resume(self, value, result);
    Py_END_CRITICAL_SECTION();
    return sent;
}

static PyObject *
ready_await(hr_ready *self)
{
    if (HR_UNLIKELY(self->begun)) {
        if (self->inner == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
            return NULL;
        }
        /* anext(file, default) asks anew each time it is resumed. */
        if (self->operation == NULL || !self->operation->iterating) {
            PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
            return NULL;
        }
    }
    return Py_NewRef(self);
}

/* Turn the outcome of resuming into what the Python methods give. */
static PyObject *
ready_outcome(hr_ready *self, PySendResult sent, PyObject *result)
{
    (void)self;
    if (sent == PYGEN_RETURN) {
        if (result == Py_None) {
            Py_DECREF(result);
            PyErr_SetNone(PyExc_StopIteration);
        }
        else {
            set_stop_iteration(result);
        }
        return NULL;
    }
    return result;
}

PyDoc_STRVAR(ready_send_doc, "send(value) -> resume, and raise StopIteration with the "
                             "result at the end.");

static PyObject *
ready_send(hr_ready *self, PyObject *value)
{
    PyObject *result;
    PySendResult sent = ready_am_send(self, value, &result);
    return ready_outcome(self, sent, result);
}

void
hr_raise_given(PyObject *type, PyObject *value, PyObject *traceback)
{
    if (traceback == Py_None) {
        traceback = NULL;
    }
    if (value == Py_None) {
        value = NULL;
    }
    if (traceback != NULL && !PyTraceBack_Check(traceback)) {
        PyErr_SetString(PyExc_TypeError,
                        "throw() third argument must be a traceback object");
        return;
    }
    PyObject *exception;
    if (PyExceptionClass_Check(type)) {
        if (value != NULL && PyObject_TypeCheck(value, (PyTypeObject *)type)) {
            exception = Py_NewRef(value);
        }
        else if (value != NULL && PyTuple_Check(value)) {
            exception = PyObject_Call(type, value, NULL);
        }
        else {
            exception = value == NULL ? PyObject_CallNoArgs(type)
                                      : PyObject_CallOneArg(type, value);
        }
    }
    else if (PyExceptionInstance_Check(type)) {
        if (value != NULL) {
            PyErr_SetString(PyExc_TypeError,
                            "instance exception may not have a separate value");
            return;
        }
        exception = Py_NewRef(type);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes or instances deriving from "
                     "BaseException, not %s",
                     Py_TYPE(type)->tp_name);
        return;
    }
    if (exception == NULL) {
        return;
    }
    if (!PyExceptionInstance_Check(exception)) {
        PyErr_SetString(PyExc_TypeError, "calling the class gave no exception");
    }
    else {
        if (traceback != NULL) {
            PyException_SetTraceback(exception, traceback);
        }
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    }
    Py_DECREF(exception);
}

PyDoc_STRVAR(ready_throw_doc,
             "throw(type, value=None, traceback=None) -> raise it where it waits. An\n"
             "operation that has not begun then never does.");

static PyObject *
ready_throw(hr_ready *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", count);
        return NULL;
    }
    if (self->inner == NULL) {
        if (self->begun) {
            PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
            return NULL;
        }
        self->begun = 1;
        hr_raise_given(args[0], count > 1 ? args[1] : NULL, count > 2 ? args[2] : NULL);
        Py_CLEAR(self->owner);
        Py_CLEAR(self->first);
        Py_CLEAR(self->second);
        return NULL;
    }
    PyObject *inner = Py_NewRef(self->inner);
    PyObject *call[4] = {inner, args[0], count > 1 ? args[1] : NULL,
                         count > 2 ? args[2] : NULL};
    char nested = self->running;
    self->running = 1;
    PyObject *result = PyObject_VectorcallMethod(self->state->names[HR_NAME_THROW], call,
                                                 (size_t)count + 1, NULL);
    self->running = nested;
    Py_DECREF(inner);
    if (result != NULL || nested) {
        return result;
    }
    /* It has ended: with an exception, or with a result after all. */
    Py_CLEAR(self->inner);
    if (PyErr_ExceptionMatches(PyExc_StopIteration) && self->operation != NULL &&
        self->operation->iterating) {
        PyObject *stop = PyErr_GetRaisedException();
        PyObject *line = PyObject_GetAttrString(stop, "value");
        Py_DECREF(stop);
        line = line == NULL ? NULL : result_of(self->operation, line);
        if (line != NULL) {
            set_stop_iteration(line);
        }
    }
    return NULL;
}

PyDoc_STRVAR(ready_close_doc, "close() -> end it; an operation that has not begun never "
                              "does.");

static PyObject *
ready_close(hr_ready *self, PyObject *Py_UNUSED(ignored))
{
    self->begun = 1;
    if (self->inner != NULL) {
        PyObject *inner = Py_NewRef(self->inner);
        PyObject *result = PyObject_CallMethodNoArgs(inner,
                                                     self->state->names[HR_NAME_CLOSE]);
        Py_DECREF(inner);
        if (result == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
            /* The iterator of some awaitable: it needs no closing. */
            PyErr_Clear();
            result = Py_NewRef(Py_None);
        }
        Py_CLEAR(self->inner);
        return result;
    }
    Py_CLEAR(self->owner);
    Py_CLEAR(self->first);
    Py_CLEAR(self->second);
    Py_RETURN_NONE;
}

/* -- What coroutines tell of themselves --------------------------------------- */

static PyObject *
ready_get_name(hr_ready *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(self->operation == NULL ? "Ready"
                                                        : self->operation->name);
}

static PyObject *
ready_get_qualname(hr_ready *self, void *Py_UNUSED(closure))
{
    return ready_qualname(self);
}

static PyObject *
ready_get_await(hr_ready *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->inner == NULL ? Py_None : self->inner);
}

static PyObject *
ready_get_running(hr_ready *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->running);
}

static PyObject *
ready_repr(hr_ready *self)
{
    PyObject *name = ready_qualname(self);
    if (name == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("<awaitable %U at %p>", name, self);
    Py_DECREF(name);
    return text;
}

static PyGetSetDef ready_getset[] = {
    {"__name__", (getter)ready_get_name, NULL, NULL, NULL},
    {"__qualname__", (getter)ready_get_qualname, NULL, NULL, NULL},
    {"cr_await", (getter)ready_get_await, NULL, NULL, NULL},
    {"cr_running", (getter)ready_get_running, NULL, NULL, NULL},
    {NULL},
};

static PyMethodDef ready_methods[] = {
    {"send", (PyCFunction)ready_send, METH_O, ready_send_doc},
    {"throw", (PyCFunction)(void (*)(void))ready_throw, METH_FASTCALL, ready_throw_doc},
    {"close", (PyCFunction)ready_close, METH_NOARGS, ready_close_doc},
    {NULL},
};

PyDoc_STRVAR(ready_doc,
             "Ready(value, /)\n--\n\n"
             "An awaitable that is finished already: awaiting it gives *value* at once.");

static PyType_Slot ready_slots[] = {
    {Py_tp_doc, (void *)ready_doc},
    {Py_tp_new, ready_new},
    {Py_tp_dealloc, ready_dealloc},
    {Py_tp_traverse, ready_traverse},
    {Py_tp_clear, ready_clear},
    {Py_tp_repr, ready_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, ready_iternext},
    {Py_am_await, ready_await},
    {Py_am_send, ready_am_send},
    {Py_tp_methods, ready_methods},
    {Py_tp_getset, ready_getset},
    {0, NULL},
};

PyType_Spec hr_ready_spec = {
    .name = "headrace._native._core.Ready",
    .basicsize = sizeof(hr_ready),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ready_slots,
};
