/* The module itself: its state, its types, what it is made from. */

#include "core.h"
#include "ring.h"

static const char *const method_names[HR_NAMES] = {
    [HR_NAME_READ_NOW] = "_read_now",
    [HR_NAME_READ_WAIT] = "_read_wait",
    [HR_NAME_READLINE_NOW] = "_readline_now",
    [HR_NAME_READLINE_WAIT] = "_readline_wait",
    [HR_NAME_WRITE_NOW] = "_write_now",
    [HR_NAME_WRITE_WAIT] = "_write_wait",
    [HR_NAME_NEXT_NOW] = "_next_now",
    [HR_NAME_NEXT_WAIT] = "_next_wait",
    [HR_NAME_SEEK_NOW] = "_seek_now",
    [HR_NAME_SEEK_WAIT] = "_seek_wait",
    [HR_NAME_CLOSE_NOW] = "_close_now",
    [HR_NAME_CLOSE_WAIT] = "_close_wait",
    [HR_NAME_DROPPED] = "_dropped",
    [HR_NAME_LOCAL] = "local",
    [HR_NAME_NOWAIT] = "nowait",
    [HR_NAME_LAYERS] = "layers",
    [HR_NAME_TURNS] = "_turns",
    [HR_NAME_MAY_READ] = "_may_read",
    [HR_NAME_HELD] = "held",
    [HR_NAME_THROW] = "throw",
    [HR_NAME_CLOSE] = "close",
    [HR_NAME_SET] = "set",
    [HR_NAME_RING] = "ring",
    [HR_NAME_PREAD_WAIT] = "_pread_wait",
    [HR_NAME_PREAD_JOB] = "_pread_job",
};

/* -- Filling ---------------------------------------------------------------- */

/* Make a type, add it to the module if it is public, and put it into *place. */
static int
add_type(PyObject *module, PyTypeObject **place, PyType_Spec *spec, PyTypeObject *base)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    if (type == NULL) {
        return -1;
    }
    *place = (PyTypeObject *)type;
    return PyModule_AddType(module, *place);
}

static int
add_types(PyObject *module, hr_state *state)
{
    if (add_type(module, &state->ready_type, &hr_ready_spec, NULL) < 0 ||
        add_type(module, &state->raw_type, &hr_raw_spec, NULL) < 0 ||
        add_type(module, &state->buffer_type, &hr_buffer_spec, NULL) < 0 ||
        add_type(module, &state->text_type, &hr_text_spec, NULL) < 0 ||
        add_type(module, &state->entry_type, &hr_entry_spec, NULL) < 0 ||
        add_type(module, &state->batch_type, &hr_batch_spec, NULL) < 0) {
        return -1;
    }
#if HR_HAVE_RING
    if (add_type(module, &state->ring_type, &hr_ring_spec, NULL) < 0 ||
        add_type(module, &state->operation_type, &hr_operation_spec, NULL) < 0 ||
        add_type(module, &state->reads_type, &hr_reads_spec, NULL) < 0) {
        return -1;
    }
#endif
    PyTypeObject *base = state->buffer_type;
    return add_type(module, &state->reader_type, &hr_reader_spec, base) < 0 ||
                   add_type(module, &state->writer_type, &hr_writer_spec, base) < 0
               ? -1
               : 0;
}

static int
make_constants(hr_state *state)
{
    for (int i = 0; i < HR_NAMES; i++) {
        state->names[i] = PyUnicode_InternFromString(method_names[i]);
        if (state->names[i] == NULL) {
            return -1;
        }
    }
    PyObject *typing = PyImport_ImportModule("headrace._typing");
    if (typing == NULL) {
        return -1;
    }
    state->wait = PyObject_GetAttrString(typing, "WAIT");
    Py_DECREF(typing);
    PyObject *os = PyImport_ImportModule("os");
    state->fstat = os == NULL ? NULL : PyObject_GetAttrString(os, "fstat");
    PyObject *result = os == NULL ? NULL : PyObject_GetAttrString(os, "stat_result");
    Py_XDECREF(os);
    state->stat_result = (PyTypeObject *)result;
    if (state->fstat == NULL || result == NULL || !PyType_Check(result)) {
        return -1;
    }
    state->empty_bytes = PyBytes_FromStringAndSize(NULL, 0);
    state->empty_str = PyUnicode_FromStringAndSize(NULL, 0);
    state->zero = PyLong_FromLong(0);
    state->minus_one = PyLong_FromLong(-1);
    return state->wait == NULL || state->empty_bytes == NULL ||
                   state->empty_str == NULL || state->zero == NULL ||
                   state->minus_one == NULL
               ? -1
               : 0;
}

static int
module_exec(PyObject *module)
{
    hr_state *state = hr_module_state(module);
    if (make_constants(state) < 0 || add_types(module, state) < 0) {
        return -1;
    }
    if (PyModule_AddFunctions(module, hr_lines_faces) < 0 ||
        PyModule_AddFunctions(module, hr_copy_faces) < 0 ||
        hr_calls_add(module, state) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "RESOLVE_CACHED", HR_RESOLVE_CACHED) < 0 ||
                   PyModule_AddIntConstant(module, "RESOLVE_NO_XDEV",
                                           HR_RESOLVE_NO_XDEV) < 0
               ? -1
               : 0;
}

/* -- Emptying --------------------------------------------------------------- */

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    hr_state *state = hr_module_state(module);
    Py_VISIT(state->ready_type);
    Py_VISIT(state->raw_type);
    Py_VISIT(state->buffer_type);
    Py_VISIT(state->reader_type);
    Py_VISIT(state->writer_type);
    Py_VISIT(state->text_type);
    Py_VISIT(state->batch_type);
    Py_VISIT(state->entry_type);
    Py_VISIT(state->ring_type);
    Py_VISIT(state->operation_type);
    Py_VISIT(state->reads_type);
    Py_VISIT(state->call_type);
    Py_VISIT(state->call_workers_type);
    Py_VISIT(state->completions_type);
    Py_VISIT(state->wait);
    Py_VISIT(state->fstat);
    Py_VISIT(state->stat_result);
    Py_VISIT(state->stop);
    return hr_ready_visit_free(state, visit, arg);
}

static int
module_clear(PyObject *module)
{
    hr_state *state = hr_module_state(module);
    Py_CLEAR(state->ready_type);
    Py_CLEAR(state->raw_type);
    Py_CLEAR(state->buffer_type);
    Py_CLEAR(state->reader_type);
    Py_CLEAR(state->writer_type);
    Py_CLEAR(state->text_type);
    Py_CLEAR(state->batch_type);
    Py_CLEAR(state->entry_type);
    Py_CLEAR(state->ring_type);
    Py_CLEAR(state->operation_type);
    Py_CLEAR(state->reads_type);
    Py_CLEAR(state->fstat);
    Py_CLEAR(state->stat_result);
    Py_CLEAR(state->call_type);
    Py_CLEAR(state->call_workers_type);
    Py_CLEAR(state->completions_type);
    Py_CLEAR(state->stop);
    hr_ready_clear_free(state);
    return 0;
}

/* The constants go last: objects that are still alive answer with them. */
static void
module_free(void *pointer)
{
    PyObject *module = pointer;
    hr_state *state = hr_module_state(module);
    (void)module_clear(module);
    for (int i = 0; i < HR_NAMES; i++) {
        Py_CLEAR(state->names[i]);
    }
    Py_CLEAR(state->wait);
    Py_CLEAR(state->empty_bytes);
    Py_CLEAR(state->empty_str);
    Py_CLEAR(state->zero);
    Py_CLEAR(state->minus_one);
}

/* -- The definition --------------------------------------------------------- */

PyDoc_STRVAR(module_doc, "The hot paths of headrace in C; ../py has the same in Python.");

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef hr_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "headrace._native._core",
    .m_doc = module_doc,
    .m_size = sizeof(hr_state),
    .m_methods = hr_faces,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&hr_module);
}
