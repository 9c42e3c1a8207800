/* os.stat_result of an open file, made here: os.fstat() takes twice as long over it.

   Specified by os.fstat(), which makes the first one beside it: where the two differ (a
   later Python, another system), it makes all that follow as well. */

#include "core.h"

#if defined(__linux__)
#  include <string.h>
#  include <sys/stat.h>

/* Fields of os.stat_result on Linux: ten of the tuple (times as integers), then times as
   floats, times in nanoseconds, st_blksize, st_blocks, st_rdev. */
#  define FIELDS 19

static PyObject *
seconds(const struct timespec *time)
{
    return PyFloat_FromDouble((double)time->tv_sec + 1e-9 * (double)time->tv_nsec);
}

static PyObject *
nanoseconds(const struct timespec *time)
{
    /* Enough until the year 2262, and from 1677 on; os.fstat() has no such limits. */
    if (time->tv_sec > 9000000000LL || time->tv_sec < -9000000000LL) {
        PyErr_SetString(PyExc_OverflowError, "time out of range");
        return NULL;
    }
    return PyLong_FromLongLong((long long)time->tv_sec * 1000000000LL + time->tv_nsec);
}

/* Return os.stat_result for st; NULL without an exception if it cannot be made here. */
static PyObject *
make_result(hr_state *state, const struct stat *st)
{
    PyObject *result = PyStructSequence_New(state->stat_result);
    if (result == NULL) {
        return NULL;
    }
    PyObject *values[FIELDS] = {
        PyLong_FromLong((long)st->st_mode),
        PyLong_FromUnsignedLongLong(st->st_ino),
        PyLong_FromUnsignedLongLong(st->st_dev),
        PyLong_FromUnsignedLongLong(st->st_nlink),
        PyLong_FromUnsignedLong(st->st_uid),
        PyLong_FromUnsignedLong(st->st_gid),
        PyLong_FromLongLong(st->st_size),
        PyLong_FromLongLong(st->st_atim.tv_sec),
        PyLong_FromLongLong(st->st_mtim.tv_sec),
        PyLong_FromLongLong(st->st_ctim.tv_sec),
        seconds(&st->st_atim),
        seconds(&st->st_mtim),
        seconds(&st->st_ctim),
        nanoseconds(&st->st_atim),
        nanoseconds(&st->st_mtim),
        nanoseconds(&st->st_ctim),
        PyLong_FromLong((long)st->st_blksize),
        PyLong_FromLongLong(st->st_blocks),
        PyLong_FromUnsignedLongLong(st->st_rdev),
    };
    int missing = 0;
    for (Py_ssize_t i = 0; i < FIELDS; i++) {
        missing |= values[i] == NULL;
        PyStructSequence_SetItem(result, i, values[i]);
    }
    if (missing) {
        PyErr_Clear();
        Py_CLEAR(result);
    }
    return result;
}

/* Tell whether two results have the same fields throughout, those beyond the tuple too. */
static int
are_same(PyObject *one, PyObject *other)
{
    PyObject *a = PyObject_CallMethod(one, "__reduce__", NULL);
    PyObject *b = a == NULL ? NULL : PyObject_CallMethod(other, "__reduce__", NULL);
    int same = b == NULL ? -1 : PyObject_RichCompareBool(a, b, Py_EQ);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return same;
}

/* Return what os.fstat() says of fd. */
static PyObject *
ask_python(hr_state *state, int fd)
{
    PyObject *number = PyLong_FromLong(fd);
    if (number == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_CallOneArg(state->fstat, number);
    Py_DECREF(number);
    return result;
}

/* Find out whether results can be made here, beside one of os.fstat() for the same file.
   Returns that one. */
static PyObject *
compare_first(hr_state *state, int fd, const struct stat *before)
{
    PyObject *expected = ask_python(state, fd);
    struct stat after;
    memset(&after, 0, sizeof(after));
    if (expected == NULL || fstat(fd, &after) != 0 ||
        memcmp(before, &after, sizeof(after)) != 0) {
        /* Somebody used the file just then; the next one will tell. */
        return expected;
    }
    PyObject *fields = PyObject_GetAttrString((PyObject *)state->stat_result, "n_fields");
    long count = fields == NULL ? -1 : PyLong_AsLong(fields);
    Py_XDECREF(fields);
    PyObject *made = count == FIELDS ? make_result(state, before) : NULL;
    int same = made == NULL ? 0 : are_same(made, expected);
    Py_XDECREF(made);
    if (PyErr_Occurred()) {
        Py_DECREF(expected);
        return NULL;
    }
    state->makes_status = same > 0 ? 1 : -1;
    return expected;
}

PyObject *
hr_stat_result(hr_state *state, int fd)
{
    struct stat st;
    if (state->makes_status < 0) {
        return ask_python(state, fd);
    }
    memset(&st, 0, sizeof(st));
    if (fstat(fd, &st) != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (state->makes_status == 0) {
        return compare_first(state, fd, &st);
    }
    PyObject *result = make_result(state, &st);
    return result != NULL || PyErr_Occurred() ? result : ask_python(state, fd);
}

#else

PyObject *
hr_stat_result(hr_state *state, int fd)
{
    PyObject *number = PyLong_FromLong(fd);
    if (number == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_CallOneArg(state->fstat, number);
    Py_DECREF(number);
    return result;
}

#endif
