/* Where lines end inside decoded text, and the text cut into them.

   Specified by py/lines.py. */

#include "core.h"

#include <string.h>

/* Return what ends a line where open() was given newline. */
hr_ends
hr_ends_of(PyObject *newline)
{
    if (newline == Py_None) {
        return HR_ENDS_FEED;
    }
    if (PyUnicode_Check(newline)) {
        Py_ssize_t n = PyUnicode_GET_LENGTH(newline);
        Py_UCS4 first = n > 0 ? PyUnicode_READ_CHAR(newline, 0) : 0;
        if (n == 0) {
            return HR_ENDS_ANY;
        }
        if (n == 1 && (first == '\n' || first == '\r')) {
            return first == '\n' ? HR_ENDS_FEED : HR_ENDS_RETURN;
        }
        if (n == 2 && first == '\r' && PyUnicode_READ_CHAR(newline, 1) == '\n') {
            return HR_ENDS_BOTH;
        }
    }
    PyErr_Format(PyExc_ValueError, "illegal newline value: %R", newline);
    return HR_ENDS_INVALID;
}

/* Find a character in text[start:stop]. Returns its index, or -1. */
static inline Py_ssize_t
find_char(PyObject *text, Py_UCS4 ch, Py_ssize_t start, Py_ssize_t stop)
{
    if (HR_LIKELY(PyUnicode_KIND(text) == PyUnicode_1BYTE_KIND)) {
        const char *data = (const char *)PyUnicode_1BYTE_DATA(text);
        const char *found = start < stop
                                ? memchr(data + start, (int)ch, (size_t)(stop - start))
                                : NULL;
        return found == NULL ? -1 : found - data;
    }
    return PyUnicode_FindChar(text, ch, start, stop, 1);
}

/* Find the first line end that begins in text[start:stop]; with HR_ENDS_ANY, a "\r"
   that is the last character counts as one. Returns the index behind it, or -1. */
Py_ssize_t
hr_find_line_end(PyObject *text, Py_ssize_t start, Py_ssize_t stop, hr_ends ends)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    Py_ssize_t feed, back;
    switch (ends) {
    case HR_ENDS_FEED:
        feed = find_char(text, '\n', start, stop);
        return feed < 0 ? -1 : feed + 1;
    case HR_ENDS_RETURN:
        back = find_char(text, '\r', start, stop);
        return back < 0 ? -1 : back + 1;
    case HR_ENDS_BOTH:
        for (back = start; (back = find_char(text, '\r', back, stop)) >= 0; back++) {
            if (back + 1 < length && PyUnicode_READ_CHAR(text, back + 1) == '\n') {
                return back + 2;
            }
        }
        return -1;
    default:
        feed = find_char(text, '\n', start, stop);
        back = find_char(text, '\r', start, feed >= 0 ? feed : stop);
        if (back < 0) {
            return feed < 0 ? -1 : feed + 1;
        }
        back++;
        return back < length && PyUnicode_READ_CHAR(text, back) == '\n' ? back + 1 : back;
    }
}

/* Find the last line end that begins in text[start:stop]. Returns the index behind it,
   beyond stop where that parts a "\r\n"; or -1. */
Py_ssize_t
hr_last_line_end(PyObject *text, Py_ssize_t start, Py_ssize_t stop, hr_ends ends)
{
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    for (Py_ssize_t i = stop - 1; i >= start; i--) {
        Py_UCS4 ch = PyUnicode_READ(kind, data, i);
        if (HR_LIKELY(ch != '\n' && ch != '\r')) {
            continue;
        }
        int feed_follows = i + 1 < length && PyUnicode_READ(kind, data, i + 1) == '\n';
        if (ch == '\n' ? ends == HR_ENDS_FEED || ends == HR_ENDS_ANY
                       : ends == HR_ENDS_RETURN) {
            return i + 1;
        }
        if (ch == '\r' && ends == HR_ENDS_ANY) {
            return i + 1 + feed_follows;
        }
        if (ch == '\r' && ends == HR_ENDS_BOTH && feed_follows && i + 1 < stop) {
            return i + 2;
        }
    }
    return -1;
}

/* -- Python functions ------------------------------------------------------- */

/* Return an index as a slice has it: from the end if negative, inside the text. */
static Py_ssize_t
clip(Py_ssize_t index, Py_ssize_t length)
{
    if (index < 0) {
        index = Py_MAX(index + length, 0);
    }
    return Py_MIN(index, length);
}

/* Check that obj is a str. Returns 0, or -1 with an exception. */
static int
check_text(PyObject *obj)
{
    if (PyUnicode_Check(obj)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "text must be a str, not %.200s", Py_TYPE(obj)->tp_name);
    return -1;
}

PyDoc_STRVAR(find_line_end_doc, "find_line_end($module, text, start, newline)\n--\n\n"
                                "Find the first line end at or behind start; the index "
                                "behind it, or -1.");

static PyObject *
lines_find_line_end(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"text", "start", "newline", NULL};
    PyObject *text, *newline;
    Py_ssize_t start;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UnO:find_line_end", names, &text,
                                     &start, &newline)) {
        return NULL;
    }
    hr_ends ends = hr_ends_of(newline);
    if (ends == HR_ENDS_INVALID) {
        return NULL;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    return PyLong_FromSsize_t(hr_find_line_end(text, clip(start, length), length, ends));
}

PyDoc_STRVAR(last_line_end_doc, "last_line_end($module, text, start, stop, newline)\n--\n\n"
                                "Find the last line end that begins in "
                                "text[start:stop]; the index behind it, or -1.");

static PyObject *
lines_last_line_end(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"text", "start", "stop", "newline", NULL};
    PyObject *text, *newline;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UnnO:last_line_end", names, &text,
                                     &start, &stop, &newline)) {
        return NULL;
    }
    hr_ends ends = hr_ends_of(newline);
    if (ends == HR_ENDS_INVALID) {
        return NULL;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    return PyLong_FromSsize_t(
        hr_last_line_end(text, clip(start, length), clip(stop, length), ends));
}

PyDoc_STRVAR(split_lines_doc, "split_lines($module, text, newline)\n--\n\n"
                              "Cut text behind each line end; the last piece may be "
                              "without one.");

static PyObject *
lines_split_lines(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"text", "newline", NULL};
    PyObject *text, *newline;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:split_lines", names, &text,
                                     &newline) ||
        check_text(text) < 0) {
        return NULL;
    }
    hr_ends ends = hr_ends_of(newline);
    PyObject *lines = ends == HR_ENDS_INVALID ? NULL : PyList_New(0);
    if (lines == NULL) {
        return NULL;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    for (Py_ssize_t pos = 0; pos < length;) {
        Py_ssize_t end = hr_find_line_end(text, pos, length, ends);
        if (end < 0) {
            end = length;
        }
        PyObject *line = PyUnicode_Substring(text, pos, end);
        if (line == NULL || PyList_Append(lines, line) < 0) {
            Py_XDECREF(line);
            Py_DECREF(lines);
            return NULL;
        }
        Py_DECREF(line);
        pos = end;
    }
    return lines;
}

PyMethodDef hr_lines_faces[] = {
    {"find_line_end", (PyCFunction)(void (*)(void))lines_find_line_end,
     METH_VARARGS | METH_KEYWORDS, find_line_end_doc},
    {"last_line_end", (PyCFunction)(void (*)(void))lines_last_line_end,
     METH_VARARGS | METH_KEYWORDS, last_line_end_doc},
    {"split_lines", (PyCFunction)(void (*)(void))lines_split_lines,
     METH_VARARGS | METH_KEYWORDS, split_lines_doc},
    {NULL},
};
