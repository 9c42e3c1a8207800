/* What makes the methods of the core as quick in a subclass as in the core's own types.

   The interpreter calls a method written in C directly only if the object is of just
   the type that the method's descriptor names (CALL_METHOD_DESCRIPTOR_*, 3.12 and
   newer). A file is always of a subclass written in Python, so each subclass is given
   descriptors of its own. */

#include "core.h"

/* Names of the methods that are worth it. */
static const char *const hot[] = {"read", "readline", "write", "seek", "close"};

/* Give type its own descriptor for a method that it inherits from the core. */
static int
adopt_method(PyTypeObject *type, const char *name)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    if (found == NULL) {
        PyErr_Clear();
        return 0;
    }
    int result = 0;
    /* A method that was overridden in Python is of another kind. */
    if (Py_IS_TYPE(found, &PyMethodDescr_Type) && PyDescr_TYPE(found) != type) {
        PyMethodDef *method = ((PyMethodDescrObject *)found)->d_method;
        PyObject *own = PyDescr_NewMethod(type, method);
        result = own == NULL ? -1 : PyObject_SetAttrString((PyObject *)type, name, own);
        Py_XDECREF(own);
    }
    Py_DECREF(found);
    return result;
}

/* __init_subclass__ of the core's types: called for each new subclass. */
PyObject *
hr_init_subclass(PyObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) != 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "__init_subclass__() takes no arguments");
        return NULL;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(hot); i++) {
        if (adopt_method((PyTypeObject *)type, hot[i]) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}
