/* A small file copied to a new one, in one call without the GIL.

   Specified by py/copy.py. The copying itself touches no Python object. */

#if defined(__linux__) && !defined(_GNU_SOURCE)
#  define _GNU_SOURCE
#endif

#include "core.h"

#include <errno.h>

#if defined(__linux__)
#  include <fcntl.h>
#  include <stdlib.h>
#  include <sys/stat.h>
#  include <sys/xattr.h>
#  include <unistd.h>

/* Read size bytes of fd and not one more. Returns 0, -EAGAIN if there are fewer or
   more, or a negative errno. */
static int
read_exactly(int fd, char *room, size_t size)
{
    size_t have = 0;
    ssize_t n;
    /* One byte more than there should be: the end has to be seen. */
    while ((n = read(fd, room + have, size + 1 - have)) > 0) {
        have += (size_t)n;
        if (have > size) {
            return -EAGAIN;
        }
    }
    return n < 0 ? -errno : have == size ? 0 : -EAGAIN;
}

/* Write size bytes to fd. Returns 0 or a negative errno. */
static int
write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0) {
            return -errno;
        }
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Make target, a new file with size bytes of data, and with what metadata asks for of
   the source. Returns 0 or a negative errno. */
static int
make_file(const char *target, const char *data, size_t size, const struct stat *seen,
          int metadata)
{
    int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return -errno;
    }
    int error = write_all(fd, data, size);
    struct timespec times[2] = {seen->st_atim, seen->st_mtim};
    if (error == 0 && metadata > 1 && futimens(fd, times) < 0) {
        error = -errno;
    }
    if (error == 0 && metadata > 0 && fchmod(fd, seen->st_mode & 07777) < 0) {
        error = -errno;
    }
    return close(fd) < 0 && error == 0 ? -errno : error;
}

/* Copy what fd has open. Returns the count of bytes, or a negative errno. */
static intptr_t
copy_open(int fd, const char *target, size_t limit, int metadata)
{
    struct stat seen;
    if (fstat(fd, &seen) < 0) {
        return -errno;
    }
    if (!S_ISREG(seen.st_mode) || (uint64_t)seen.st_size > limit) {
        return -EAGAIN;
    }
    if (metadata > 1 && flistxattr(fd, NULL, 0) > 0) {
        return -EAGAIN;
    }
    size_t size = (size_t)seen.st_size;
    char *data = malloc(size + 1);
    if (data == NULL) {
        return -ENOMEM;
    }
    int error = read_exactly(fd, data, size);
    if (error == 0) {
        error = make_file(target, data, size, &seen, metadata);
    }
    free(data);
    return error < 0 ? error : (intptr_t)size;
}

static intptr_t
copy_new(const char *source, const char *target, size_t limit, int metadata)
{
    int fd = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    intptr_t copied = copy_open(fd, target, limit, metadata);
    (void)close(fd);  /* It was only read. */
    return copied;
}

#else

static intptr_t
copy_new(const char *source, const char *target, size_t limit, int metadata)
{
    (void)source, (void)target, (void)limit, (void)metadata;
    return -ENOSYS;
}

#endif

PyDoc_STRVAR(copy_new_doc, "copy_new($module, source, target, limit, metadata, /)\n--\n\n"
                           "Copy a regular file of at most limit bytes to a new file; "
                           "the bytes or -errno.");

static PyObject *
face_copy_new(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *source, *target;
    Py_ssize_t limit;
    int metadata;
    if (!PyArg_ParseTuple(args, "yyni:copy_new", &source, &target, &limit, &metadata)) {
        return NULL;
    }
    /* The paths belong to the arguments, which the caller holds. */
    intptr_t copied;
    Py_BEGIN_ALLOW_THREADS
    copied = limit < 0 ? -EAGAIN : copy_new(source, target, (size_t)limit, metadata);
    Py_END_ALLOW_THREADS
    return PyLong_FromSsize_t(copied);
}

PyMethodDef hr_copy_faces[] = {
    {"copy_new", face_copy_new, METH_VARARGS, copy_new_doc},
    {NULL},
};
