/* Bytes that have been read and not been taken yet: the hot side of reading.

   Specified by py/reader.py. Goes further than that in one thing: where the raw file
   may be read inline, the buffer is filled here, without a call of Python. Whatever is
   not the ordinary case (the end of the file, an error, pages that are not cached) is
   left to Python, which finds what was read so far in the buffer. */

#include "core.h"

#include <string.h>

/* -- Filling ---------------------------------------------------------------- */

/* Tell whether an operation on the raw file is under way: 1, 0, or -1 with an
   exception. */
static int
is_held(hr_buffer *self)
{
    PyObject *turns = self->core_raw->turns;
    if (turns == NULL || turns == Py_None) {
        return 0;
    }
    PyObject *held = PyObject_GetAttr(turns, self->state->names[HR_NAME_HELD]);
    if (held == NULL) {
        return -1;
    }
    Py_DECREF(held);
    return held == Py_True;
}

/* Tell whether count inline reads of size bytes may be made: 1, 0, or -1 with an
   exception. */
static int
may_read(hr_buffer *self, Py_ssize_t size, int count)
{
    hr_raw *raw = self->core_raw;
    if (raw == NULL || !raw->inline_reads || size > raw->inline_limit ||
        self->room >= 0 || self->held != 0 || !hr_raw_in_order(raw)) {
        return 0;
    }
    int held = is_held(self);
    if (held != 0) {
        return held < 0 ? -1 : 0;
    }
    int allowed = hr_raw_spend(raw, count);
    /* Somebody may have used the file meanwhile. */
    return allowed > 0 ? self->core_raw == raw && hr_raw_in_order(raw) : allowed;
}

/* Return a bytes object that begins with what the buffer has left and goes on with up
   to size bytes from the file; *come says how many came. If none came, for whatever
   reason, that is NULL without an exception, and nothing has changed. */
static PyObject *
read_behind_rest(hr_buffer *self, Py_ssize_t size, Py_ssize_t *come)
{
    hr_raw *raw = self->core_raw;
    Py_ssize_t rest = PyBytes_GET_SIZE(self->data) - self->pos;
    *come = 0;
    PyObject *data = PyBytes_FromStringAndSize(NULL, rest + size);
    if (data == NULL) {
        return NULL;
    }
    char *start = PyBytes_AS_STRING(data);
    intptr_t count = hr_inline_read_at(raw->fd, start + rest, (size_t)size, raw->position);
    if (count <= 0) {
        Py_DECREF(data);
        return NULL;
    }
    memcpy(start, PyBytes_AS_STRING(self->data) + self->pos, (size_t)rest);
    self->state->inline_calls++;
    raw->position += count;
    *come = (Py_ssize_t)count;
    if (count < size && _PyBytes_Resize(&data, rest + (Py_ssize_t)count) < 0) {
        /* As good as unread. */
        raw->position -= count;
        return NULL;
    }
    return data;
}

/* How much to ask the kernel for, in order to have at least lacking bytes. */
static Py_ssize_t
fill_size(hr_buffer *self, Py_ssize_t lacking)
{
    hr_raw *raw = self->core_raw;
    Py_ssize_t size = Py_MAX(lacking, self->ahead);
    /* No room for 64 KiB is made for a file of one page. */
    if (raw != NULL && raw->size > raw->position && raw->position >= 0 &&
        raw->size - raw->position < size) {
        size = Py_MAX(lacking, (Py_ssize_t)(raw->size - raw->position));
    }
    return size;
}

/* Put at least one byte, wanted are lacking, behind what the buffer has. Returns 1; 0 if
   that cannot be done here; -1 with an exception. */
static int
fill(hr_buffer *self, Py_ssize_t lacking)
{
    Py_ssize_t size = fill_size(self, lacking);
    int allowed = may_read(self, size, 1);
    if (allowed <= 0) {
        return allowed;
    }
    Py_ssize_t come;
    PyObject *data = read_behind_rest(self, size, &come);
    if (data == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    hr_buffer_set_data(self, data);
    self->ahead = self->ahead < self->buffer_size / 2 ? self->ahead * 2
                                                      : self->buffer_size;
    return 1;
}

/* -- Reading ---------------------------------------------------------------- */

/* Return size bytes of the buffer, which has them, and move on. */
static PyObject *
take(hr_buffer *self, Py_ssize_t size)
{
    PyObject *piece;
    if (self->pos == 0 && size == PyBytes_GET_SIZE(self->data)) {
        piece = Py_NewRef(self->data);
    }
    else {
        piece = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self->data) + self->pos, size);
        if (piece == NULL) {
            return NULL;
        }
    }
    self->pos += size;
    self->state->buffer_hits++;
    return piece;
}

/* Read all that is left. Returns it, or WAIT. */
static PyObject *
read_to_end(hr_state *state, hr_buffer *self)
{
    hr_raw *raw = self->core_raw;
    if (raw == NULL || raw->position < 0 || raw->size <= raw->position ||
        raw->size - raw->position >= raw->inline_limit) {
        return Py_NewRef(state->wait);
    }
    Py_ssize_t left = (Py_ssize_t)(raw->size - raw->position);
    int allowed = may_read(self, left + 1, 1);
    if (allowed <= 0) {
        return allowed < 0 ? NULL : Py_NewRef(state->wait);
    }
    Py_ssize_t rest = PyBytes_GET_SIZE(self->data) - self->pos;
    PyObject *data = PyBytes_FromStringAndSize(NULL, rest + left);
    if (data == NULL) {
        return NULL;
    }
    char *start = PyBytes_AS_STRING(data);
    intptr_t count = hr_inline_read_last_at(raw->fd, start + rest, (size_t)left,
                                            raw->position);
    if (count != left) {
        /* It grew, shrank, or is cached in part only. */
        Py_DECREF(data);
        return Py_NewRef(state->wait);
    }
    memcpy(start, PyBytes_AS_STRING(self->data) + self->pos, (size_t)rest);
    state->inline_calls++;
    raw->position += left;
    hr_buffer_set_data(self, Py_NewRef(state->empty_bytes));
    self->limit = 0;
    return data;
}

/* Read size bytes where the buffer has not that many. Returns them, or WAIT. */
static PyObject *
read_inline(hr_state *state, hr_buffer *self, Py_ssize_t size)
{
    Py_ssize_t have = PyBytes_GET_SIZE(self->data) - self->pos;
    Py_ssize_t lacking = size - have;
    hr_raw *raw = self->core_raw;
    if (raw != NULL && raw->size > 0 && 0 <= raw->position &&
        raw->position <= raw->size && raw->size - raw->position < lacking) {
        /* All that is left: with that, the kernel is asked for the end as well. Where
           nothing is, Python makes sure. */
        return read_to_end(state, self);
    }
    if (lacking >= self->ahead) {
        /* Straight into what is returned. */
        int allowed = may_read(self, lacking, 1);
        if (allowed <= 0) {
            return allowed < 0 ? NULL : Py_NewRef(state->wait);
        }
        Py_ssize_t come;
        PyObject *data = read_behind_rest(self, lacking, &come);
        if (data == NULL) {
            return PyErr_Occurred() ? NULL : Py_NewRef(state->wait);
        }
        if (come == lacking) {
            hr_buffer_set_data(self, Py_NewRef(state->empty_bytes));
            self->limit = 0;
            return data;
        }
        hr_buffer_set_data(self, data);
        return Py_NewRef(state->wait);
    }
    int filled = fill(self, lacking);
    if (filled < 0) {
        return NULL;
    }
    if (filled == 0 || PyBytes_GET_SIZE(self->data) - self->pos < size) {
        return Py_NewRef(state->wait);
    }
    PyObject *piece = take(self, size);
    hr_buffer_open_reads(self);
    return piece;
}

static PyObject *
reader_read_now(hr_state *state, PyObject *owner, PyObject *wanted,
                PyObject *Py_UNUSED(none))
{
    hr_buffer *self = (hr_buffer *)owner;
    Py_ssize_t limit = self->limit, pos = self->pos;
    if (limit < 0 || limit > PyBytes_GET_SIZE(self->data) || pos < 0 || pos > limit) {
        return Py_NewRef(state->wait);
    }
    if (wanted == Py_None) {
        return read_to_end(state, self);
    }
    if (!PyLong_CheckExact(wanted)) {
        return Py_NewRef(state->wait);
    }
    Py_ssize_t size = PyLong_AsSsize_t(wanted);
    if (HR_UNLIKELY(size < 0)) {
        if (size == -1 && !PyErr_Occurred()) {
            return read_to_end(state, self);
        }
        PyErr_Clear();
        return Py_NewRef(state->wait);
    }
    if (size <= limit - pos) {
        return take(self, size);
    }
    if (size <= PyBytes_GET_SIZE(self->data) - pos) {
        /* The window is used up: time for a look at the budget. */
        return Py_NewRef(state->wait);
    }
    return read_inline(state, self, size);
}

static const hr_operation reading = {
    reader_read_now, HR_NAME_READ_NOW, HR_NAME_READ_WAIT, "read", 0,
};

PyDoc_STRVAR(read_doc, "read($self, size=-1, /)\n--\n\n"
                       "Read size bytes, fewer only at the end; all of them if None or "
                       "negative.");

static PyObject *
reader_read(hr_buffer *self, PyObject *const *args, Py_ssize_t count)
{
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "read expected at most 1 argument, got %zd", count);
        return NULL;
    }
    return hr_ready_new(self->state, &reading, (PyObject *)self,
                        count ? args[0] : self->state->minus_one, NULL);
}

PyDoc_STRVAR(try_read_doc, "_try_read($self, size, /)\n--\n\n"
                           "Read as read() does, if the core can do it without waiting; "
                           "else WAIT.");

static PyObject *
reader_try_read(hr_buffer *self, PyObject *size)
{
    PyObject *data;
    Py_BEGIN_CRITICAL_SECTION(self);
    data = reader_read_now(self->state, (PyObject *)self, size, NULL);
    Py_END_CRITICAL_SECTION();
    return data;
}

/* -- Lines ------------------------------------------------------------------ */

/* Find the last line end among n bytes. Returns how many bytes it and those before it
   are, 0 if there is none. */
static Py_ssize_t
last_line_end(const char *start, Py_ssize_t n)
{
    while (n > 0 && start[n - 1] != '\n') {
        n--;
    }
    return n;
}

/* Let the whole lines of the next window be handed out. Returns whether there are any. */
static int
cut_lines(hr_buffer *self)
{
    Py_ssize_t have = PyBytes_GET_SIZE(self->data) - self->pos;
    const char *start = PyBytes_AS_STRING(self->data) + self->pos;
    Py_ssize_t n = last_line_end(start, Py_MIN(have, self->read_window));
    if (n == 0) {
        return 0;
    }
    self->limit = -1;
    self->lines_end = self->pos + n;
    return 1;
}

/* Return the next of the lines that may be handed out; there has to be one. */
static inline PyObject *
next_line(hr_buffer *self)
{
    const char *start = PyBytes_AS_STRING(self->data) + self->pos;
    const char *end = memchr(start, '\n', (size_t)(self->lines_end - self->pos));
    Py_ssize_t size = end == NULL ? self->lines_end - self->pos : end + 1 - start;
    PyObject *line = PyBytes_FromStringAndSize(start, size);
    if (line != NULL) {
        self->pos += size;
        self->state->buffer_hits++;
    }
    return line;
}

/* Get more lines ready when those of a window have been handed out. Returns 1; 0 if
   Python has to; -1 with an exception. */
static int
more_lines(hr_buffer *self)
{
    int allowed = may_read(self, 0, HR_WINDOW_OPERATIONS);
    if (allowed <= 0) {
        return allowed;
    }
    if (self->lines_end < 0 || self->lines_end > PyBytes_GET_SIZE(self->data) ||
        self->pos < 0 || self->pos != self->lines_end) {
        return 0;
    }
    if (cut_lines(self)) {
        return 1;
    }
    if (PyBytes_GET_SIZE(self->data) - self->pos >= self->read_window) {
        return 0;
    }
    int filled = fill(self, 1);
    if (filled > 0) {
        /* The old mark is meaningless in the new data. */
        self->lines_end = -1;
        return cut_lines(self);
    }
    return filled;
}

static PyObject *
reader_readline_now(hr_state *state, PyObject *owner, PyObject *size,
                    PyObject *Py_UNUSED(none))
{
    hr_buffer *self = (hr_buffer *)owner;
    if (HR_UNLIKELY(size != state->minus_one)) {
        return Py_NewRef(state->wait);
    }
    if (HR_LIKELY(self->pos < self->lines_end && self->pos >= 0 &&
                  self->lines_end <= PyBytes_GET_SIZE(self->data))) {
        return next_line(self);
    }
    if (self->lines_end < 0) {
        return Py_NewRef(state->wait);
    }
    int more = more_lines(self);
    if (more <= 0) {
        return more < 0 ? NULL : Py_NewRef(state->wait);
    }
    return next_line(self);
}

static const hr_operation reading_line = {
    reader_readline_now, HR_NAME_READLINE_NOW, HR_NAME_READLINE_WAIT, "readline", 0,
};

static const hr_operation iterating = {
    reader_readline_now, HR_NAME_READLINE_NOW, HR_NAME_READLINE_WAIT, "__anext__", 1, 1,
};

PyDoc_STRVAR(readline_doc, "readline($self, size=-1, /)\n--\n\n"
                           "Read until b\"\\n\" or the end of the file, at most size "
                           "bytes.");

static PyObject *
reader_readline(hr_buffer *self, PyObject *const *args, Py_ssize_t count)
{
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "readline expected at most 1 argument, got %zd",
                     count);
        return NULL;
    }
    return hr_ready_new(self->state, &reading_line, (PyObject *)self,
                        count ? args[0] : self->state->minus_one, NULL);
}

static PyObject *
reader_anext(hr_buffer *self)
{
    return hr_ready_new(self->state, &iterating, (PyObject *)self,
                        self->state->minus_one, NULL);
}

/* -- What the Python methods use -------------------------------------------- */

PyDoc_STRVAR(cut_lines_doc, "_cut_lines($self, window, /)\n--\n\n"
                            "Let the whole lines of the next window bytes be handed out; "
                            "False if none.");

static PyObject *
reader_cut_lines(hr_buffer *self, PyObject *window)
{
    Py_ssize_t size = PyLong_AsSsize_t(window);
    if (size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int found;
    Py_BEGIN_CRITICAL_SECTION(self);
    self->read_window = size;
    found = self->pos >= 0 && self->pos <= PyBytes_GET_SIZE(self->data) &&
            cut_lines(self);
    Py_END_CRITICAL_SECTION();
    return PyBool_FromLong(found);
}

PyDoc_STRVAR(next_line_doc, "_next_line($self, /)\n--\n\n"
                            "Return the next of the lines that were cut.");

static PyObject *
reader_next_line(hr_buffer *self, PyObject *Py_UNUSED(none))
{
    PyObject *line = NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->pos >= 0 && self->pos < self->lines_end &&
        self->lines_end <= PyBytes_GET_SIZE(self->data)) {
        line = next_line(self);
    }
    else {
        PyErr_SetNone(PyExc_StopIteration);
    }
    Py_END_CRITICAL_SECTION();
    return line;
}

PyDoc_STRVAR(settle_lines_doc, "_settle_lines($self, /)\n--\n\n"
                               "Shut the fast paths; the position is behind what was "
                               "handed out.");

static PyObject *
reader_settle_lines(hr_buffer *self, PyObject *Py_UNUSED(none))
{
    self->limit = -1;
    self->lines_end = -1;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(open_reads_doc, "_open_reads($self, window, /)\n--\n\n"
                             "Let reads be answered from the buffer for one window, "
                             "unless lines are handed out.");

static PyObject *
reader_open_reads(hr_buffer *self, PyObject *window)
{
    Py_ssize_t size = PyLong_AsSsize_t(window);
    if (size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    self->read_window = size;
    if (self->lines_end < 0) {
        hr_buffer_open_reads(self);
    }
    Py_END_CRITICAL_SECTION();
    Py_RETURN_NONE;
}

static PyMethodDef reader_methods[] = {
    {"read", (PyCFunction)(void (*)(void))reader_read, METH_FASTCALL, read_doc},
    {"readline", (PyCFunction)(void (*)(void))reader_readline, METH_FASTCALL,
     readline_doc},
    {"_try_read", (PyCFunction)reader_try_read, METH_O, try_read_doc},
    {"_cut_lines", (PyCFunction)reader_cut_lines, METH_O, cut_lines_doc},
    {"_next_line", (PyCFunction)reader_next_line, METH_NOARGS, next_line_doc},
    {"_settle_lines", (PyCFunction)reader_settle_lines, METH_NOARGS, settle_lines_doc},
    {"_open_reads", (PyCFunction)reader_open_reads, METH_O, open_reads_doc},
    {NULL},
};

PyDoc_STRVAR(reader_doc, "Reader()\n--\n\n"
                         "A buffer, a position in it, and lines that may be handed out.");

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, (void *)reader_doc},
    {Py_am_anext, reader_anext},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};

/* No field of its own: a type may be a writer as well. */
PyType_Spec hr_reader_spec = {
    .name = "headrace._native._core.Reader",
    .basicsize = sizeof(hr_buffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};
