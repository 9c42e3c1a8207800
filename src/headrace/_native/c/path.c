/* A str or bytes made into a path that the kernel takes.

   Specified by absolute() of py/inline.py. */

#include "core.h"

#include <errno.h>
#include <string.h>

/* Point name at the characters of a str or bytes. Returns 0; 1 if it is neither, or is
   empty, or has a NUL inside, or cannot be encoded; or -1 with an exception. */
static int
set_name(hr_path *path, PyObject *given)
{
    Py_ssize_t size;
    if (PyUnicode_CheckExact(given)) {
        /* Every encoding of file names has ASCII as it is. */
        if (PyUnicode_IS_ASCII(given)) {
            path->owner = Py_NewRef(given);
            path->name = (const char *)PyUnicode_1BYTE_DATA(given);
            size = PyUnicode_GET_LENGTH(given);
            return strlen(path->name) == (size_t)size ? 0 : 1;
        }
        path->owner = PyUnicode_EncodeFSDefault(given);
        if (path->owner == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                return -1;
            }
            PyErr_Clear();
            return 1;
        }
    }
    else if (PyBytes_CheckExact(given)) {
        path->owner = Py_NewRef(given);
    }
    else {
        return 1;
    }
    path->name = PyBytes_AS_STRING(path->owner);
    size = PyBytes_GET_SIZE(path->owner);
    return strlen(path->name) == (size_t)size ? 0 : 1;
}

int
hr_path_set(hr_path *path, PyObject *given, PyObject **answer)
{
    path->owner = NULL;
    int unfit = set_name(path, given);
    if (unfit == 0 && path->name[0] == '\0') {
        /* The kernel has no file of no name; made absolute it would be the directory. */
        unfit = 1;
    }
    else if (unfit == 0 && path->name[0] != '/') {
        unfit = hr_inline_absolute(path->name, path->room, sizeof(path->room)) < 0;
        path->name = path->room;
    }
    if (unfit != 0) {
        hr_path_clear(path);
        *answer = unfit < 0 ? NULL : PyLong_FromLong(-EAGAIN);
    }
    return unfit == 0;
}
