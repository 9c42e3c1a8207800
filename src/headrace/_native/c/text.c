/* Decoded text that has not been taken, and text not handed on: the hot side of both.

   Specified by py/text.py. Lines are cut when they are asked for, not beforehand, so
   that the position is always behind what was handed out. */

#include "core.h"

#include <string.h>

/* How many attributes are kept for the subclass; see text_members. */
#define KEPT 26
/* Which of them the buffer below is. */
#define KEPT_BUFFER 3

typedef struct {
    PyObject_HEAD
    hr_state *state;
    PyObject *text;            /* what was decoded */
    Py_ssize_t pos;            /* where in text the next character is */
    Py_ssize_t limit;          /* reads up to here need no look; -1: shut */
    Py_ssize_t lines_end;      /* whole lines up to here are handed out; -1: none */
    hr_ends ends;              /* what ends those lines */
    char *pile;                /* accepted text, encoded; NULL before there is any */
    Py_ssize_t piled;          /* how many bytes that is */
    Py_ssize_t capacity;       /* for how many there is memory */
    Py_ssize_t room;           /* bytes that may be added without a look; or -1 */
    char utf8;                 /* whether text that is not ASCII is encoded as UTF-8 */
    PyObject *kept[KEPT];      /* those; NULL where not set */
} hr_text;

/* -- Reading ---------------------------------------------------------------- */

static PyObject *
text_read_now(hr_state *state, PyObject *owner, PyObject *wanted,
              PyObject *Py_UNUSED(none))
{
    hr_text *self = (hr_text *)owner;
    Py_ssize_t pos = self->pos;
    if (self->limit >= 0 && self->limit <= PyUnicode_GET_LENGTH(self->text) && pos >= 0 &&
        PyLong_CheckExact(wanted)) {
        Py_ssize_t size = PyLong_AsSsize_t(wanted);
        if (size >= 0 && size <= self->limit - pos) {
            PyObject *piece = PyUnicode_Substring(self->text, pos, pos + size);
            if (piece != NULL) {
                self->pos = pos + size;
                state->buffer_hits++;
            }
            return piece;
        }
        PyErr_Clear();
    }
    return Py_NewRef(state->wait);
}

static const hr_operation reading = {
    text_read_now, HR_NAME_READ_NOW, HR_NAME_READ_WAIT, "read", 0,
};

PyDoc_STRVAR(read_doc, "read($self, size=-1, /)\n--\n\n"
                       "Read size characters, fewer only at the end; all if None or "
                       "negative.");

static PyObject *
text_read(hr_text *self, PyObject *const *args, Py_ssize_t count)
{
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "read expected at most 1 argument, got %zd", count);
        return NULL;
    }
    return hr_ready_new(self->state, &reading, (PyObject *)self,
                        count ? args[0] : self->state->minus_one, NULL);
}

/* -- Lines ------------------------------------------------------------------ */

/* Tell whether there are lines to be handed out. */
static inline int
has_line(const hr_text *self)
{
    return self->pos < self->lines_end && self->pos >= 0 &&
           self->lines_end <= PyUnicode_GET_LENGTH(self->text);
}

/* Return the next of the lines that may be handed out; there has to be one. */
static inline PyObject *
next_line(hr_text *self)
{
    PyObject *text = self->text, *line;
    Py_ssize_t pos = self->pos;
    Py_ssize_t end = hr_find_line_end(text, pos, self->lines_end, self->ends);
    if (HR_UNLIKELY(end < 0)) {
        end = self->lines_end;
    }
    if (HR_LIKELY(PyUnicode_IS_ASCII(text))) {
        line = PyUnicode_New(end - pos, 127);
        if (HR_LIKELY(line != NULL)) {
            memcpy(PyUnicode_1BYTE_DATA(line), PyUnicode_1BYTE_DATA(text) + pos,
                   (size_t)(end - pos));
        }
    }
    else {
        line = PyUnicode_Substring(text, pos, end);
    }
    if (HR_LIKELY(line != NULL)) {
        self->pos = end;
        self->state->buffer_hits++;
    }
    return line;
}

static PyObject *
text_readline_now(hr_state *state, PyObject *owner, PyObject *size,
                  PyObject *Py_UNUSED(none))
{
    hr_text *self = (hr_text *)owner;
    if (HR_LIKELY(size == state->minus_one && has_line(self))) {
        return next_line(self);
    }
    return Py_NewRef(state->wait);
}

static const hr_operation reading_line = {
    text_readline_now, HR_NAME_READLINE_NOW, HR_NAME_READLINE_WAIT, "readline", 0,
};

static const hr_operation iterating = {
    text_readline_now, HR_NAME_READLINE_NOW, HR_NAME_READLINE_WAIT, "__anext__", 1, 1,
};

PyDoc_STRVAR(readline_doc, "readline($self, size=-1, /)\n--\n\n"
                           "Read to the next line end or the end of the file, at most "
                           "size characters.");

static PyObject *
text_readline(hr_text *self, PyObject *const *args, Py_ssize_t count)
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
text_anext(hr_text *self)
{
    return hr_ready_new(self->state, &iterating, (PyObject *)self,
                        self->state->minus_one, NULL);
}

/* -- Writing ---------------------------------------------------------------- */

/* What room is made for at first, bytes: a line or a few. */
#define FIRST_CAPACITY 512

/* Make room for as many bytes as the pile will have. */
static int
make_room(hr_text *self, Py_ssize_t size)
{
    Py_ssize_t capacity = Py_MAX(self->capacity, FIRST_CAPACITY / 2);
    while (capacity < size) {
        if (capacity > PY_SSIZE_T_MAX / 2) {
            PyErr_NoMemory();
            return -1;
        }
        capacity *= 2;
    }
    char *pile = PyMem_Realloc(self->pile, (size_t)capacity);
    if (pile == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->pile = pile;
    self->capacity = capacity;
    return 0;
}

/* Put size bytes on the pile. */
static inline int
put(hr_text *self, const void *data, Py_ssize_t size)
{
    Py_ssize_t piled = self->piled + size;
    if (HR_UNLIKELY(size == 0)) {
        return 0;  /* There may be no pile yet. */
    }
    if (HR_UNLIKELY(piled > self->capacity) && make_room(self, piled) < 0) {
        return -1;
    }
    memcpy(self->pile + self->piled, data, (size_t)size);
    self->piled = piled;
    return 0;
}

/* Accept size bytes, if there is room. Returns 1; 0 if there is none; -1 with an
   exception. */
static inline int
accept(hr_text *self, const void *data, Py_ssize_t size)
{
    if (size > self->room) {
        return 0;
    }
    if (put(self, data, size) < 0) {
        return -1;
    }
    self->room -= size;
    self->state->buffer_hits++;
    return 1;
}

static PyObject *
text_write_now(hr_state *state, PyObject *owner, PyObject *text,
               PyObject *Py_UNUSED(none))
{
    hr_text *self = (hr_text *)owner;
    if (HR_UNLIKELY(!PyUnicode_CheckExact(text) || self->room < 0)) {
        return Py_NewRef(state->wait);
    }
    Py_ssize_t count = PyUnicode_GET_LENGTH(text);
    int taken = 0;
    if (HR_LIKELY(PyUnicode_IS_ASCII(text))) {
        taken = accept(self, PyUnicode_1BYTE_DATA(text), count);
    }
    else if (self->utf8) {
        PyObject *data = PyUnicode_AsUTF8String(text);
        taken = data == NULL ? -1
                             : accept(self, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
        Py_XDECREF(data);
    }
    if (HR_LIKELY(taken > 0)) {
        return PyLong_FromSsize_t(count);
    }
    return taken < 0 ? NULL : Py_NewRef(state->wait);
}

static const hr_operation writing = {
    text_write_now, HR_NAME_WRITE_NOW, HR_NAME_WRITE_WAIT, "write", 0,
};

PyDoc_STRVAR(write_doc, "write($self, text, /)\n--\n\n"
                        "Write text: into memory, and on towards the file when enough "
                        "has come.");

static PyObject *
text_write(hr_text *self, PyObject *text)
{
    return hr_ready_new(self->state, &writing, (PyObject *)self, text, NULL);
}

/* -- Closing ---------------------------------------------------------------- */

/* Close the file if nothing was written and that cannot wait; or WAIT. */
static PyObject *
text_close_now(hr_state *state, PyObject *owner, PyObject *Py_UNUSED(none),
               PyObject *Py_UNUSED(nothing))
{
    hr_text *self = (hr_text *)owner;
    PyObject *buffer = self->kept[KEPT_BUFFER];
    /* A turn that is held has shut reads, and so have lines and accepted text. */
    if (self->limit < 0 || self->room >= 0 || buffer == NULL ||
        !PyObject_TypeCheck(buffer, state->buffer_type)) {
        return Py_NewRef(state->wait);
    }
    PyObject *result;
    Py_INCREF(buffer);
    Py_BEGIN_CRITICAL_SECTION(buffer);
    result = hr_buffer_close_now(state, buffer, NULL, NULL);
    Py_END_CRITICAL_SECTION();
    Py_DECREF(buffer);
    if (result != state->wait) {
        self->limit = -1;
        self->pos = 0;
        Py_SETREF(self->text, Py_NewRef(state->empty_str));
    }
    return result;
}

static const hr_operation closing = {
    text_close_now, HR_NAME_CLOSE_NOW, HR_NAME_CLOSE_WAIT, "close", 0,
};

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\n"
                        "Write what is buffered and close the file; closing twice does "
                        "nothing.");

static PyObject *
text_close(hr_text *self, PyObject *Py_UNUSED(none))
{
    return hr_ready_new(self->state, &closing, (PyObject *)self, NULL, NULL);
}

static const hr_operation leaving = {
    text_close_now, HR_NAME_CLOSE_NOW, HR_NAME_CLOSE_WAIT, "__aexit__", 0,
};

PyDoc_STRVAR(aexit_doc, "__aexit__($self, exc_type, exc, traceback, /)\n--\n\n"
                        "Close the file.");

static PyObject *
text_aexit(hr_text *self, PyObject *const *Py_UNUSED(args), Py_ssize_t count)
{
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "__aexit__ expected 3 arguments, got %zd", count);
        return NULL;
    }
    return hr_ready_new(self->state, &leaving, (PyObject *)self, NULL, NULL);
}

/* -- What the Python methods use -------------------------------------------- */

PyDoc_STRVAR(put_doc, "_put($self, piece, /)\n--\n\n"
                      "Accept bytes, or a str of ASCII, whatever room there is.");

static PyObject *
text_put(hr_text *self, PyObject *piece)
{
    const void *data;
    Py_ssize_t size;
    if (PyBytes_CheckExact(piece)) {
        data = PyBytes_AS_STRING(piece);
        size = PyBytes_GET_SIZE(piece);
    }
    else if (PyUnicode_CheckExact(piece) && PyUnicode_IS_ASCII(piece)) {
        data = PyUnicode_1BYTE_DATA(piece);
        size = PyUnicode_GET_LENGTH(piece);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "piece must be bytes, or a str of ASCII");
        return NULL;
    }
    int done;
    Py_BEGIN_CRITICAL_SECTION(self);
    done = put(self, data, size);
    Py_END_CRITICAL_SECTION();
    if (done < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(piled_doc, "_piled($self, /)\n--\n\n"
                        "Return all that was accepted, in one piece.");

static PyObject *
text_piled(hr_text *self, PyObject *Py_UNUSED(none))
{
    PyObject *data;
    Py_BEGIN_CRITICAL_SECTION(self);
    data = PyBytes_FromStringAndSize(self->pile, self->piled);
    Py_END_CRITICAL_SECTION();
    return data;
}

PyDoc_STRVAR(clear_pile_doc, "_clear_pile($self, /)\n--\n\n"
                             "Forget what was accepted.");

static PyObject *
text_clear_pile(hr_text *self, PyObject *Py_UNUSED(none))
{
    self->piled = 0;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(cut_lines_doc, "_cut_lines($self, window, newline, /)\n--\n\n"
                            "Let the whole lines of the next window characters be handed "
                            "out; False if none.");

static PyObject *
text_cut_lines(hr_text *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "_cut_lines expected 2 arguments, got %zd", count);
        return NULL;
    }
    Py_ssize_t window = PyLong_AsSsize_t(args[0]);
    if (window == -1 && PyErr_Occurred()) {
        return NULL;
    }
    hr_ends ends = hr_ends_of(args[1]);
    if (ends == HR_ENDS_INVALID) {
        return NULL;
    }
    Py_ssize_t end = -1;
    Py_BEGIN_CRITICAL_SECTION(self);
    Py_ssize_t have = PyUnicode_GET_LENGTH(self->text) - self->pos;
    if (self->pos >= 0 && have > 0) {
        Py_ssize_t stop = self->pos + Py_MIN(have, window);
        end = hr_last_line_end(self->text, self->pos, stop, ends);
    }
    if (end >= 0) {
        self->ends = ends;
        self->lines_end = end;
        self->limit = -1;
    }
    Py_END_CRITICAL_SECTION();
    return PyBool_FromLong(end >= 0);
}

PyDoc_STRVAR(next_line_doc, "_next_line($self, /)\n--\n\n"
                            "Return the next of the lines that were cut.");

static PyObject *
text_next_line(hr_text *self, PyObject *Py_UNUSED(none))
{
    PyObject *line = NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (has_line(self)) {
        line = next_line(self);
    }
    else {
        PyErr_SetNone(PyExc_StopIteration);
    }
    Py_END_CRITICAL_SECTION();
    return line;
}

PyDoc_STRVAR(count_lines_doc, "_count_lines($self, /)\n--\n\n"
                              "Bring the position behind the lines that were handed out.");

static PyObject *
text_count_lines(hr_text *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    /* It always is. */
    Py_RETURN_NONE;
}

PyDoc_STRVAR(settle_lines_doc, "_settle_lines($self, /)\n--\n\n"
                               "Hand out no more lines, and count those that were; tell "
                               "whether any were left.");

static PyObject *
text_settle_lines(hr_text *self, PyObject *Py_UNUSED(none))
{
    int left = has_line(self);
    self->lines_end = -1;
    return PyBool_FromLong(left);
}

/* -- Attributes ------------------------------------------------------------- */

static PyObject *
text_get_text(hr_text *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->text);
}

static int
text_set_text(hr_text *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || !PyUnicode_CheckExact(value)) {
        PyErr_SetString(PyExc_TypeError, "_text must be a str");
        return -1;
    }
    Py_XSETREF(self->text, Py_NewRef(value));
    return 0;
}

static PyObject *
text_get_has_lines(hr_text *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->lines_end >= 0);
}

static PyGetSetDef text_getset[] = {
    {"_text", (getter)text_get_text, (setter)text_set_text, NULL, NULL},
    {"_has_lines", (getter)text_get_has_lines, NULL, NULL, NULL},
    {NULL},
};

/* The i-th attribute that is kept for the subclass. */
#define KEEP(name, i) {name, Py_T_OBJECT_EX, offsetof(hr_text, kept[i]), 0, NULL}

/* Attributes of the subclass, kept here whatever they are: a method call on an object
   whose __dict__ is in use is not specialised by 3.13 and newer, and then costs 50 ns
   more. One that is missing below is in the __dict__, and all is well but slower. */
static PyMemberDef text_members[] = {
    {"_pos", Py_T_PYSSIZET, offsetof(hr_text, pos), 0, NULL},
    {"_limit", Py_T_PYSSIZET, offsetof(hr_text, limit), 0, NULL},
    {"_room", Py_T_PYSSIZET, offsetof(hr_text, room), 0, NULL},
    {"_utf8", Py_T_BOOL, offsetof(hr_text, utf8), 0, NULL},
    KEEP("_ahead", 0),
    KEEP("_appends", 1),
    KEEP("_base", 2),
    KEEP("_buffer", KEPT_BUFFER),
    KEEP("_decoded", 4),
    KEEP("_decoder", 5),
    KEEP("_encoder", 6),
    KEEP("_encoding", 7),
    KEEP("_errors", 8),
    KEEP("_fetch_size", 9),
    KEEP("_held", 10),
    KEEP("_line_end", 11),
    KEEP("_newline", 12),
    KEEP("_opened", 13),
    KEEP("_ratio", 14),
    KEEP("_remembered", 15),
    KEEP("_searched", 16),
    KEEP("_seekable", 17),
    KEEP("_segments", 18),
    KEEP("_turns", 19),
    KEEP("_want", 20),
    KEEP("_window", 21),
    KEEP("line_buffering", 22),
    KEEP("mode", 23),
    KEEP("write_through", 24),
    KEEP("_most_held", 25),
    {NULL},
};

static PyMethodDef text_methods[] = {
    {"read", (PyCFunction)(void (*)(void))text_read, METH_FASTCALL, read_doc},
    {"readline", (PyCFunction)(void (*)(void))text_readline, METH_FASTCALL, readline_doc},
    {"write", (PyCFunction)text_write, METH_O, write_doc},
    {"close", (PyCFunction)text_close, METH_NOARGS, close_doc},
    {"__aexit__", (PyCFunction)(void (*)(void))text_aexit, METH_FASTCALL, aexit_doc},
    {"_put", (PyCFunction)text_put, METH_O, put_doc},
    {"_piled", (PyCFunction)text_piled, METH_NOARGS, piled_doc},
    {"_clear_pile", (PyCFunction)text_clear_pile, METH_NOARGS, clear_pile_doc},
    {"_cut_lines", (PyCFunction)(void (*)(void))text_cut_lines, METH_FASTCALL,
     cut_lines_doc},
    {"_next_line", (PyCFunction)text_next_line, METH_NOARGS, next_line_doc},
    {"_count_lines", (PyCFunction)text_count_lines, METH_NOARGS, count_lines_doc},
    {"_settle_lines", (PyCFunction)text_settle_lines, METH_NOARGS, settle_lines_doc},
    HR_INIT_SUBCLASS,
    {NULL},
};

/* -- Life ------------------------------------------------------------------- */

static PyObject *
text_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    hr_state *state = hr_type_state(type);
    if (state == NULL) {
        return NULL;
    }
    hr_text *self = (hr_text *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->text = Py_NewRef(state->empty_str);
    self->limit = -1;
    self->lines_end = -1;
    self->room = -1;
    return (PyObject *)self;
}

static int
text_init(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args),
          PyObject *Py_UNUSED(kwargs))
{
    return 0;
}

static int
text_traverse(hr_text *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    for (int i = 0; i < KEPT; i++) {
        Py_VISIT(self->kept[i]);
    }
    return 0;
}

static int
text_clear(hr_text *self)
{
    /* `text` stays: it is in no cycle, and never NULL. */
    for (int i = 0; i < KEPT; i++) {
        Py_CLEAR(self->kept[i]);
    }
    return 0;
}

/* What is collected without having been closed warns, and is written. */
static void
text_finalize(hr_text *self)
{
    PyObject *buffer = self->kept[KEPT_BUFFER];
    if (buffer == NULL) {
        return;
    }
    if (PyObject_TypeCheck(buffer, self->state->buffer_type)) {
        hr_raw *raw = ((hr_buffer *)buffer)->core_raw;
        if (raw != NULL && raw->closed) {
            return;
        }
    }
    hr_call_dropped(self->state, (PyObject *)self);
}

static void
text_dealloc(hr_text *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)text_clear(self);
    Py_XDECREF(self->text);
    PyMem_Free(self->pile);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(text_doc, "Text()\n--\n\n"
                       "Text, a position in it, lines that may be handed out; and bytes "
                       "that were accepted.");

static PyType_Slot text_slots[] = {
    {Py_tp_doc, (void *)text_doc},
    {Py_tp_new, text_new},
    {Py_tp_init, text_init},
    {Py_tp_dealloc, text_dealloc},
    {Py_tp_traverse, text_traverse},
    {Py_tp_clear, text_clear},
    {Py_tp_finalize, text_finalize},
    {Py_am_anext, text_anext},
    {Py_tp_members, text_members},
    {Py_tp_getset, text_getset},
    {Py_tp_methods, text_methods},
    {0, NULL},
};

PyType_Spec hr_text_spec = {
    .name = "headrace._native._core.Text",
    .basicsize = sizeof(hr_text),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = text_slots,
};
