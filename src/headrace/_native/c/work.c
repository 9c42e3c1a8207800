/* What one job of a native thread does: the system calls of each kind, one after another.

   No PyObject, no GIL, no threads: `workers.c` has these done. */

#if defined(__linux__) && !defined(_GNU_SOURCE)
#  define _GNU_SOURCE
#endif

#include "work.h"

#if HR_HAS_WORKERS

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Linux moves at most this many bytes in one call, read(2) and write(2). */
#define MAX_TRANSFER ((size_t)0x7FFFF000)
/* A file whose size is not known is read in pieces from this size on, bytes. */
#define FIRST_PIECE ((size_t)64 * 1024)
#define LARGEST_PIECE ((size_t)8 * 1024 * 1024)
/* What HR_READ_FILE reads of a file that the caller had no room for: beyond this, the
   copy that it takes would keep the loop waiting. Bytes. */
#define LARGEST_COPY ((size_t)256 * 1024)

/* Return result, or the negative errno where it is -1. */
static inline int64_t
answer(int64_t result)
{
    return result < 0 ? -(int64_t)errno : result;
}

/* Read up to size bytes at offset, or at the descriptor's position if that is -1.
   Returns the count or a negative errno. */
static int64_t
read_some(int fd, char *buf, size_t size, int64_t offset)
{
    size_t most = size < MAX_TRANSFER ? size : MAX_TRANSFER;
    ssize_t n;
    do {
        n = offset < 0 ? read(fd, buf, most) : pread(fd, buf, most, offset);
    } while (n < 0 && errno == EINTR);
    return answer(n);
}

/* Return where the byte after the first `done` ones is; -1 stays -1. */
static inline int64_t
advanced(int64_t offset, size_t done)
{
    return offset < 0 ? -1 : offset + (int64_t)done;
}

static int
read_once(hr_work *work)
{
    int64_t n = read_some(work->fd, work->buf, work->size, work->offset);
    if (n < 0) {
        return (int)n;
    }
    work->count = (size_t)n;
    return 0;
}

/* Fill buf, up to the end of the file. Returns 1 if that was met, 0 if buf is full, or a
   negative errno. */
int
hr_work_fill(hr_work *work)
{
    if (work->size >= HR_LARGE_READ && work->offset >= 0) {
        return hr_work_fill_together(work);
    }
    while (work->count < work->size) {
        int64_t n = read_some(work->fd, work->buf + work->count,
                              work->size - work->count,
                              advanced(work->offset, work->count));
        if (n <= 0) {
            return n < 0 ? (int)n : 1;
        }
        work->count += (size_t)n;
    }
    return 0;
}

static int
read_full(hr_work *work)
{
    int end = hr_work_fill(work);
    return end < 0 ? end : 0;
}

/* Make room for more in extra, which has `room` bytes. Returns the room that there is
   then, or 0 without memory. */
static size_t
grow_extra(hr_work *work, size_t room)
{
    size_t more = work->count + work->extra_size;
    more = more < FIRST_PIECE ? FIRST_PIECE : more > LARGEST_PIECE ? LARGEST_PIECE : more;
    char *larger = realloc(work->extra, room + more);
    if (larger == NULL) {
        return 0;
    }
    work->extra = larger;
    return room + more;
}

/* Read what is left after buf was filled. Returns 0 or a negative errno. */
static int
read_extra(hr_work *work)
{
    /* Mostly there is nothing: a byte tells. */
    char first;
    int64_t n = read_some(work->fd, &first, 1, advanced(work->offset, work->count));
    if (n <= 0) {
        return (int)n;
    }
    size_t room = grow_extra(work, 0);
    if (room == 0) {
        return -ENOMEM;
    }
    work->extra[0] = first;
    work->extra_size = 1;
    for (;;) {
        if (work->extra_size == room && (room = grow_extra(work, room)) == 0) {
            return -ENOMEM;
        }
        int64_t at = advanced(work->offset, work->count + work->extra_size);
        n = read_some(work->fd, work->extra + work->extra_size, room - work->extra_size,
                      at);
        if (n <= 0) {
            return (int)n;
        }
        work->extra_size += (size_t)n;
    }
}

static int
read_to_end(hr_work *work)
{
    int end = hr_work_fill(work);
    return end == 0 ? read_extra(work) : end < 0 ? end : 0;
}

/* Write all of buf, continuing after short writes. Returns 0 or a negative errno; count
   says how far it came. */
static int
write_all(hr_work *work)
{
    while (work->count < work->size) {
        size_t left = work->size - work->count;
        size_t most = left < MAX_TRANSFER ? left : MAX_TRANSFER;
        const char *from = work->buf + work->count;
        ssize_t n;
        if (work->offset < 0) {
            n = write(work->fd, from, most);
        }
        else {
            n = pwrite(work->fd, from, most, advanced(work->offset, work->count));
        }
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        work->count += (size_t)n;
    }
    return 0;
}

/* Pieces that one call is given: UIO_FASTIOV of <linux/uio.h> is what the kernel has on
   its stack for them, and more make a call no cheaper. */
#define PIECES_PER_CALL 64

/* Write all the pieces that buf lists, one behind the other. */
static int
write_vector(hr_work *work)
{
    const struct iovec *pieces = (const struct iovec *)(const void *)work->buf;
    size_t count = work->size / sizeof(*pieces);
    size_t first = 0, inside = 0;  /* the piece that is next, and what of it is done */
    while (first < count) {
        struct iovec some[PIECES_PER_CALL];
        size_t left = count - first;
        int many = (int)(left < PIECES_PER_CALL ? left : PIECES_PER_CALL);
        memcpy(some, pieces + first, (size_t)many * sizeof(*some));
        some[0].iov_base = (char *)some[0].iov_base + inside;
        some[0].iov_len -= inside;
        ssize_t n = work->offset < 0
                        ? writev(work->fd, some, many)
                        : pwritev(work->fd, some, many,
                                  advanced(work->offset, work->count));
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        work->count += (size_t)n;
        inside += (size_t)n;
        while (first < count && inside >= pieces[first].iov_len) {
            inside -= pieces[first++].iov_len;
        }
    }
    return 0;
}

/* Close fd. Returns 0 or a negative errno; fd is closed all the same, close(2). */
static int
close_fd(int fd)
{
    return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

static int
sync_fd(int fd, int data_only)
{
    int result;
    do {
        result = data_only ? fdatasync(fd) : fsync(fd);
    } while (result < 0 && errno == EINTR);
    return (int)answer(result);
}

/* Tell whether opening path may wait for ever: a FIFO, a device. */
static int
may_wait(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 &&
           (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
}

/* Open path as os.open() does. Returns the descriptor, HR_SPECIAL or a negative errno. */
static int
open_path(hr_work *work)
{
    /* What must not exist is no FIFO. */
    if ((work->flags & O_EXCL) == 0 && may_wait(work->path)) {
        return HR_SPECIAL;
    }
    int fd;
    do {
        fd = open(work->path, work->flags | O_CLOEXEC, (mode_t)work->mode);
    } while (fd < 0 && errno == EINTR);
    return (int)answer(fd);
}

static int
open_and_look(hr_work *work)
{
    int fd = open_path(work);
    if (fd < 0) {
        return fd;
    }
    if (fstat(fd, &work->status) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    work->descriptor = fd;
    return 0;
}

static int
write_file(hr_work *work)
{
    work->fd = open_path(work);
    if (work->fd < 0) {
        return work->fd;
    }
    int error = write_all(work);
    int closing = close_fd(work->fd);
    return error < 0 ? error : closing;
}

/* Read all of an open file of which the caller knew no size, into extra. Returns 0 or a
   negative errno. */
static int
read_unknown(hr_work *work)
{
    size_t size = (size_t)work->status.st_size;
    /* A byte more, to be told of the end by a short read; /proc knows no sizes. */
    size = size > 0 ? size + 1 : FIRST_PIECE;
    work->extra = malloc(size);
    if (work->extra == NULL) {
        return -ENOMEM;
    }
    while (work->extra_size < size) {
        int64_t n = read_some(work->fd, work->extra + work->extra_size,
                              size - work->extra_size, -1);
        if (n <= 0) {
            return (int)n;
        }
        work->extra_size += (size_t)n;
        if (work->extra_size == size) {
            size = grow_extra(work, size);
            if (size == 0) {
                return -ENOMEM;
            }
        }
    }
    return 0;
}

static int
read_file(hr_work *work)
{
    work->flags = O_RDONLY;
    int error = open_and_look(work);
    if (error < 0) {
        return error;
    }
    work->fd = work->descriptor;
    /* By position where that is sure to be right: several threads may then read. */
    work->offset = S_ISREG(work->status.st_mode) && work->size >= HR_LARGE_READ ? 0 : -1;
    if (work->size > 0) {
        error = read_to_end(work);
    }
    else if (work->status.st_size > (off_t)LARGEST_COPY) {
        return HR_TOO_LARGE;
    }
    else {
        error = read_unknown(work);
    }
    work->descriptor = -1;
    int closing = close_fd(work->fd);
    return error < 0 ? error : closing;
}

/* Repeat a call that returns 0, or -1 with errno, while a signal interrupts it. */
#define RETRIED(call)                                                                  \
    do {                                                                               \
        result = (call);                                                               \
    } while (result < 0 && errno == EINTR)

/* The calls that take names and return nothing. Returns 0 or a negative errno. */
static int
change_names(hr_work *work)
{
    int result = -1;
    errno = ENOSYS;
    switch (work->kind) {
    case HR_ACCESS: RETRIED(access(work->path, (int)work->mode)); break;
    case HR_RENAME: RETRIED(rename(work->path, work->path2)); break;
    case HR_LINK: RETRIED(link(work->path, work->path2)); break;
    case HR_SYMLINK: RETRIED(symlink(work->path, work->path2)); break;
    case HR_UNLINK: RETRIED(unlink(work->path)); break;
    case HR_MKDIR: RETRIED(mkdir(work->path, (mode_t)work->mode)); break;
    case HR_RMDIR: RETRIED(rmdir(work->path)); break;
    default: break;
    }
    return (int)answer(result);
}

static int
look(hr_work *work)
{
    int result;
    if (work->kind == HR_FSTAT) {
        RETRIED(fstat(work->fd, &work->status));
    }
    else {
        RETRIED(fstatat(AT_FDCWD, work->path, &work->status, work->flags));
    }
    return (int)answer(result);
}

/* Do the job. Returns what its error is. */
int
hr_work_perform(hr_work *work)
{
    int result;
    switch (work->kind) {
    case HR_READ_ONCE: return read_once(work);
    case HR_READ_FULL: return read_full(work);
    case HR_READ_TO_END: return read_to_end(work);
    case HR_READ_FILE: return read_file(work);
    case HR_WRITE_ALL: return write_all(work);
    case HR_WRITE_CLOSE:
        result = write_all(work);
        /* Closed whatever happened; the first error counts. */
        return result < 0 ? (void)close_fd(work->fd), result : close_fd(work->fd);
    case HR_WRITE_SYNC:
        result = write_all(work);
        return result < 0 ? result : sync_fd(work->fd, work->flags);
    case HR_WRITE_VECTOR: return write_vector(work);
    case HR_WRITE_FILE: return write_file(work);
    case HR_OPEN: return open_and_look(work);
    case HR_CLOSE: return close_fd(work->fd);
    case HR_FSYNC: return sync_fd(work->fd, 0);
    case HR_FDATASYNC: return sync_fd(work->fd, 1);
    case HR_FTRUNCATE:
        RETRIED(ftruncate(work->fd, work->offset));
        return (int)answer(result);
    case HR_STAT:
    case HR_FSTAT: return look(work);
    case HR_HELP: return hr_work_help(work);
    default: return change_names(work);
    }
}

/* Undo what came of a job that nobody wants: close what it opened. */
void
hr_work_drop(hr_work *work)
{
    if (work->descriptor >= 0) {
        close(work->descriptor);
        work->descriptor = -1;
    }
}

#endif
