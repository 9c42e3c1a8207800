/* Python functions over the files that hold no PyObject: inline.c.

   Specified by py/inline.py. Here a negative errno becomes an exception, or an answer
   where it is one. The GIL is kept: the calls cannot wait, and giving it away costs
   more than most of them take. */

#include "core.h"

#include <errno.h>

/* Raise the OSError for a negative errno. Returns NULL. */
static PyObject *
raise_errno(intptr_t error)
{
    errno = (int)-error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* Check how many arguments came. Returns 0, or -1 with an exception. */
static int
check_count(const char *name, Py_ssize_t count, Py_ssize_t wanted)
{
    if (count == wanted) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s expected %zd arguments, got %zd", name, wanted,
                 count);
    return -1;
}

/* Return obj as a C int, or -1 with an exception set; OverflowError if it is none. */
static int
as_int(PyObject *obj)
{
    long value = PyLong_AsLong(obj);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value < INT_MIN || value > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
        return -1;
    }
    return (int)value;
}

/* -- Reading ---------------------------------------------------------------- */

PyDoc_STRVAR(read_at_doc, "read_at($module, fd, size, offset, /)\n--\n\n"
                          "Read up to size bytes without waiting; None if it would.");

static PyObject *
face_read_at(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (check_count("read_at", count, 3) < 0) {
        return NULL;
    }
    int fd = as_int(args[0]);
    Py_ssize_t size = PyLong_AsSsize_t(args[1]);
    long long offset = PyLong_AsLongLong(args[2]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (data == NULL) {
        return NULL;
    }
    intptr_t got = hr_inline_read_at(fd, PyBytes_AS_STRING(data), (size_t)size, offset);
    if (got == size) {
        return data;
    }
    if (got < 0) {
        Py_DECREF(data);
        if (got == -EAGAIN) {
            Py_RETURN_NONE;
        }
        return raise_errno(got);
    }
    (void)_PyBytes_Resize(&data, (Py_ssize_t)got);
    return data;
}

PyDoc_STRVAR(read_into_at_doc, "read_into_at($module, fd, buf, offset, /)\n--\n\n"
                               "Read into buf without waiting; the count, or -1 to wait.");

static PyObject *
face_read_into_at(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (check_count("read_into_at", count, 3) < 0) {
        return NULL;
    }
    int fd = as_int(args[0]);
    long long offset = PyLong_AsLongLong(args[2]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_buffer buf;
    if (PyObject_GetBuffer(args[1], &buf, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    intptr_t got = hr_inline_read_at(fd, buf.buf, (size_t)buf.len, offset);
    PyBuffer_Release(&buf);
    if (got < 0 && got != -EAGAIN) {
        return raise_errno(got);
    }
    return PyLong_FromSsize_t(got < 0 ? -1 : (Py_ssize_t)got);
}

/* -- Opening ---------------------------------------------------------------- */

/* Return the characters of path, bytes without a NUL; NULL with an exception if it is
   something else. */
static const char *
path_of(PyObject *path)
{
    char *start;
    return PyBytes_AsStringAndSize(path, &start, NULL) < 0 ? NULL : start;
}

/* Return the RESOLVE_* flags that obj gives; PyErr_Occurred() tells of errors. */
static uint64_t
as_resolve(PyObject *obj)
{
    return PyLong_AsUnsignedLongLong(obj);
}

PyDoc_STRVAR(open_cached_doc, "open_cached($module, path, flags, resolve=0, /)\n--\n\n"
                              "Open path only if the whole lookup is cached; a "
                              "descriptor or -errno.");

static PyObject *
face_open_cached(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 && check_count("open_cached", count, 3) < 0) {
        return NULL;
    }
    const char *path = path_of(args[0]);
    if (path == NULL) {
        return NULL;
    }
    int flags = as_int(args[1]);
    uint64_t resolve = count == 3 ? as_resolve(args[2]) : 0;
    if (PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromLong(hr_inline_open_cached(path, flags, resolve));
}

PyObject *
hr_described(int fd, const hr_status *status)
{
    PyObject *result = Py_BuildValue("iKIKL", fd, (unsigned long long)status->device,
                                     (unsigned int)status->mode,
                                     (unsigned long long)status->links,
                                     (long long)status->size);
    if (result == NULL && fd >= 0) {
        hr_inline_close(fd);
    }
    return result;
}

PyDoc_STRVAR(open_regular_doc, "open_regular($module, path, resolve, /)\n--\n\n"
                               "Open path for reading if the lookup is cached: (fd or "
                               "-errno, st_dev, st_mode, st_nlink, st_size).");

static PyObject *
face_open_regular(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (check_count("open_regular", count, 2) < 0) {
        return NULL;
    }
    const char *path = path_of(args[0]);
    if (path == NULL) {
        return NULL;
    }
    uint64_t resolve = as_resolve(args[1]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    hr_status status = {0};
    int fd = hr_inline_open_regular(path, resolve, &status);
    return hr_described(fd, &status);
}

/* Read all of the open file that status tells of, if it is a regular one of less than
   limit bytes. Returns its bytes; or NULL, without an exception and with the negative
   errno in *error if it cannot be read without waiting. */
static PyObject *
read_whole(int fd, const hr_status *status, Py_ssize_t limit, int *error)
{
    *error = -EAGAIN;
    /* S_ISREG, which Windows has under another name. */
    if ((status->mode & 0170000) != 0100000 || status->size >= limit) {
        return NULL;
    }
    Py_ssize_t size = (Py_ssize_t)status->size;
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (data == NULL) {
        return NULL;
    }
    intptr_t got = hr_inline_read_last_at(fd, PyBytes_AS_STRING(data), (size_t)size, 0);
    if (got == size) {
        return data;
    }
    if (got < 0) {
        *error = (int)got;
    }
    Py_DECREF(data);
    return NULL;
}

PyDoc_STRVAR(read_file_doc, "read_file($module, path, resolve, limit, /)\n--\n\n"
                            "Return the contents of path if that is possible without "
                            "waiting; else an int.");

static PyObject *
face_read_file(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (check_count("read_file", count, 3) < 0) {
        return NULL;
    }
    uint64_t resolve = as_resolve(args[1]);
    Py_ssize_t limit = PyLong_AsSsize_t(args[2]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    hr_path path;
    PyObject *answer;
    if (!hr_path_set(&path, args[0], &answer)) {
        return answer;
    }
    hr_status status = {0};
    int fd = hr_inline_open_regular(path.name, resolve, &status);
    hr_path_clear(&path);
    if (fd < 0) {
        return PyLong_FromLong(fd);
    }
    if (status.links == 0 || (status.mode & 0170000) == 0010000) {
        /* Closing what has no name any more frees its blocks, which may wait; and a
           FIFO's writer has been let in by opening it. Both are up to the caller. */
        PyObject *left = PyLong_FromLong(fd);
        if (left == NULL) {
            hr_inline_close(fd);
        }
        return left;
    }
    int error;
    PyObject *data = read_whole(fd, &status, limit, &error);
    hr_inline_close(fd);
    if (data != NULL) {
        hr_module_state(module)->inline_calls++;
        return data;
    }
    return PyErr_Occurred() ? NULL : PyLong_FromLong(error);
}

PyDoc_STRVAR(status_cached_doc, "status_cached($module, path, flags, resolve, /)\n--\n\n"
                                "Return os.stat_result of path if the lookup is cached; "
                                "else -errno.");

static PyObject *
face_status_cached(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (check_count("status_cached", count, 3) < 0) {
        return NULL;
    }
    int flags = as_int(args[1]);
    uint64_t resolve = as_resolve(args[2]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    hr_path path;
    PyObject *answer;
    if (!hr_path_set(&path, args[0], &answer)) {
        return answer;
    }
    int fd = hr_inline_open_cached(path.name, flags, resolve);
    hr_path_clear(&path);
    if (fd < 0) {
        return PyLong_FromLong(fd);
    }
    hr_state *state = hr_module_state(module);
    PyObject *result = hr_stat_result(state, fd);
    hr_inline_close(fd);
    state->inline_calls++;
    return result;
}

PyDoc_STRVAR(close_linked_doc, "close_linked($module, fd, /)\n--\n\n"
                               "Close fd if its file still has a name; tell whether it "
                               "was closed.");

static PyObject *
face_close_linked(PyObject *Py_UNUSED(module), PyObject *number)
{
    int fd = as_int(number);
    if (PyErr_Occurred()) {
        return NULL;
    }
    int closed = hr_inline_close_linked(fd);
    return closed < 0 ? raise_errno(closed) : PyBool_FromLong(closed);
}

PyDoc_STRVAR(cached_kind_doc, "cached_kind($module, fd, /)\n--\n\n"
                              "Return (st_dev, st_mode) of an open file, asking no "
                              "server; None if unknown.");

static PyObject *
face_cached_kind(PyObject *Py_UNUSED(module), PyObject *number)
{
    int fd = as_int(number);
    if (PyErr_Occurred()) {
        return NULL;
    }
    uint64_t device;
    uint32_t mode;
    if (hr_inline_cached_kind(fd, &device, &mode) < 0) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("KI", (unsigned long long)device, (unsigned int)mode);
}

PyDoc_STRVAR(file_system_type_doc, "file_system_type($module, fd, /)\n--\n\n"
                                   "Return f_type of the file system that fd is on; 0 if "
                                   "unknown. May wait.");

static PyObject *
face_file_system_type(PyObject *Py_UNUSED(module), PyObject *number)
{
    int fd = as_int(number);
    if (PyErr_Occurred()) {
        return NULL;
    }
    /* The one call here that may ask a server: in a worker, without the GIL. */
    uint64_t kind;
    Py_BEGIN_ALLOW_THREADS
    kind = hr_inline_file_system_type(fd);
    Py_END_ALLOW_THREADS
    return PyLong_FromUnsignedLongLong(kind);
}

/* -- Counting --------------------------------------------------------------- */

PyDoc_STRVAR(counts_doc, "counts($module, /)\n--\n\n"
                         "Return the buffer hits, inline calls and reads by rings "
                         "that the core counted.");

static PyObject *
face_counts(PyObject *module, PyObject *Py_UNUSED(none))
{
    hr_state *state = hr_module_state(module);
    return Py_BuildValue("nnn", state->buffer_hits, state->inline_calls,
                         state->ring_reads);
}

PyMethodDef hr_faces[] = {
    {"read_at", (PyCFunction)(void (*)(void))face_read_at, METH_FASTCALL, read_at_doc},
    {"read_into_at", (PyCFunction)(void (*)(void))face_read_into_at, METH_FASTCALL,
     read_into_at_doc},
    {"open_cached", (PyCFunction)(void (*)(void))face_open_cached, METH_FASTCALL,
     open_cached_doc},
    {"open_regular", (PyCFunction)(void (*)(void))face_open_regular, METH_FASTCALL,
     open_regular_doc},
    {"read_file", (PyCFunction)(void (*)(void))face_read_file, METH_FASTCALL,
     read_file_doc},
    {"status_cached", (PyCFunction)(void (*)(void))face_status_cached, METH_FASTCALL,
     status_cached_doc},
    {"close_linked", face_close_linked, METH_O, close_linked_doc},
    {"cached_kind", face_cached_kind, METH_O, cached_kind_doc},
    {"file_system_type", face_file_system_type, METH_O, file_system_type_doc},
    {"counts", face_counts, METH_NOARGS, counts_doc},
    {NULL},
};
