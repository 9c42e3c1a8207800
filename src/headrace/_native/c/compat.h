/* What differs between the Python versions that are supported (3.11 to 3.14), and
   between compilers. Shims only: no logic lives here. */

#ifndef HEADRACE_COMPAT_H
#define HEADRACE_COMPAT_H

/* Before 3.12 these have other names, and their own header. */
#if PY_VERSION_HEX < 0x030C0000
#  include <structmember.h>
#  define Py_T_INT T_INT
#  define Py_T_BOOL T_BOOL
#  define Py_T_UINT T_UINT
#  define Py_T_ULONG T_ULONG
#  define Py_T_DOUBLE T_DOUBLE
#  define Py_T_LONGLONG T_LONGLONG
#  define Py_T_PYSSIZET T_PYSSIZET
#  define Py_T_OBJECT_EX T_OBJECT_EX
#  define Py_READONLY READONLY
#endif

/* One exception object instead of type, value and traceback: 3.12. */
#if PY_VERSION_HEX < 0x030C0000
static inline PyObject *
PyErr_GetRaisedException(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL && traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static inline void
PyErr_SetRaisedException(PyObject *exception)
{
    PyErr_Restore(exception == NULL ? NULL : Py_NewRef(Py_TYPE(exception)), exception,
                  exception == NULL ? NULL : PyException_GetTraceback(exception));
}
#endif

/* Critical sections came with 3.13; with the GIL they are nothing. */
#ifndef Py_BEGIN_CRITICAL_SECTION
#  define Py_BEGIN_CRITICAL_SECTION(op) {
#  define Py_END_CRITICAL_SECTION() }
#endif

/* Before 3.12 a value that was set for StopIteration stays a plain value: there is
   nothing to be reused. */
#if PY_VERSION_HEX >= 0x030C0000 && !defined(Py_GIL_DISABLED)
#  define HR_REUSE_STOP_ITERATION 1
#else
#  define HR_REUSE_STOP_ITERATION 0
#endif

/* Without the GIL a free list would need a lock, which costs more than it saves. */
#ifdef Py_GIL_DISABLED
#  define HR_FREE_LIST 0
#else
#  define HR_FREE_LIST 1
#endif

#if defined(__GNUC__) || defined(__clang__)
#  define HR_LIKELY(x) __builtin_expect(!!(x), 1)
#  define HR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#  define HR_LIKELY(x) (x)
#  define HR_UNLIKELY(x) (x)
#endif

#endif
