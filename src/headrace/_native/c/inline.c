/* One system call that the kernel promises not to wait in, or a few of them in a row.

   Specified by py/inline.py. Knows descriptors, offsets and paths; no PyObject, no
   policy. `faces.c` makes Python functions of these. */

#if defined(__linux__) && !defined(_GNU_SOURCE)
#  define _GNU_SOURCE
#endif

#include "inline.h"

#include <errno.h>
#include <string.h>

#if defined(__linux__)
#  include <fcntl.h>
#  include <sys/stat.h>
#  include <sys/statfs.h>
#  include <sys/syscall.h>
#  include <sys/sysmacros.h>
#  include <sys/uio.h>
#  include <unistd.h>

/* Numbers that older C libraries have no names for; the same on every architecture
   but alpha. */
#  ifndef RWF_NOWAIT
#    define RWF_NOWAIT 0x08
#  endif
#  ifndef SYS_openat2
#    define SYS_openat2 437
#  endif

/* struct open_how of <linux/openat2.h>, which older kernel headers lack. */
typedef struct {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
} hr_open_how;

/* Read into iov at offset (-1: at the descriptor's position) without waiting. Returns
   the count, or a negative errno. By its number: musl has no preadv2 before 1.2.5. */
static intptr_t
read_vector(int fd, const struct iovec *iov, int count, int64_t offset)
{
#  if defined(SYS_preadv2)
    /* The kernel takes the offset in two longs and, where long has 64 bits, looks at
       the lower alone. */
    unsigned long low = (unsigned long)(uint64_t)offset;
    unsigned long high = sizeof(long) >= 8 ? 0 : (unsigned long)((uint64_t)offset >> 32);
    long n;
    do {
        n = syscall(SYS_preadv2, fd, iov, (long)count, low, high, RWF_NOWAIT);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -(intptr_t)errno : (intptr_t)n;
#  else
    (void)fd, (void)iov, (void)count, (void)offset;
    return -ENOSYS;
#  endif
}

/* Read up to n bytes at offset, or at the descriptor's own position if that is -1,
   without waiting. Returns the count (0 at end of file), -EAGAIN if the pages are not
   cached, or another -errno. */
intptr_t
hr_inline_read_at(int fd, void *buf, size_t n, int64_t offset)
{
    struct iovec iov = {buf, n};
    return read_vector(fd, &iov, 1, offset);
}

/* Read the last n bytes of a file without waiting. Returns n only if there were n and
   then the end of file, n + 1 if there was more; or like hr_inline_read_at. */
intptr_t
hr_inline_read_last_at(int fd, void *buf, size_t n, int64_t offset)
{
    /* A byte more than there should be: a short answer is the end of the file. It has
       a place of its own, so that the caller's buffer has the right size. */
    char beyond;
    struct iovec iov[2] = {{buf, n}, {&beyond, 1}};
    return read_vector(fd, iov, 2, offset);
}

/* Put the current directory and path, which is relative, into room. Returns 0, or a
   negative errno. */
int
hr_inline_absolute(const char *path, char *room, size_t size)
{
    if (getcwd(room, size) == NULL) {
        return -errno;
    }
    size_t have = strlen(room), more = strlen(path);
    /* Outside the root of this process, getcwd(3) gives no path: "(unreachable)...". */
    if (room[0] != '/' || have + 1 + more + 1 > size) {
        return -ENAMETOOLONG;
    }
    room[have] = '/';
    memcpy(room + have + 1, path, more + 1);
    return 0;
}

/* Open path, for reading or with O_PATH, only if every step of the lookup is in the
   kernel's caches. Returns a descriptor or a negative errno. */
int
hr_inline_open_cached(const char *path, int flags, uint64_t resolve)
{
    hr_open_how how = {(uint64_t)(unsigned)flags, 0, resolve | HR_RESOLVE_CACHED};
    long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

/* Return 0 and what fstat(2) says of fd, or a negative errno. */
int
hr_inline_status(int fd, hr_status *status)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return -errno;
    }
    status->device = st.st_dev;
    status->mode = st.st_mode;
    status->links = st.st_nlink;
    status->size = st.st_size;
    status->block_size = st.st_blksize;
    return 0;
}

/* Open path for reading, if that is possible without waiting, and look at it. Returns
   a descriptor or a negative errno. It is in blocking mode if it is a regular file;
   anything else was opened with O_NONBLOCK, so as not to wait for a FIFO's writer,
   and stays so. */
int
hr_inline_open_regular(const char *path, uint64_t resolve, hr_status *status)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    int fd = hr_inline_open_cached(path, flags, resolve);
    if (fd < 0) {
        return fd;
    }
    int error = hr_inline_status(fd, status);
    if (error < 0) {
        close(fd);
        return error;
    }
    if (S_ISREG(status->mode)) {
        /* The flags are known: no need to ask. O_LARGEFILE is not settable. */
        fcntl(fd, F_SETFL, O_RDONLY);
    }
    return fd;
}

/* Return 0 with the device and the mode of an open file as the kernel has them in its
   caches, asking no server; or a negative errno. */
int
hr_inline_cached_kind(int fd, uint64_t *device, uint32_t *mode)
{
#  if defined(SYS_statx) && defined(STATX_TYPE) && defined(AT_STATX_DONT_SYNC)
    struct statx st;
    long result = syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
                          STATX_TYPE, &st);
    if (result != 0) {
        return -errno;
    }
    *device = makedev(st.stx_dev_major, st.stx_dev_minor);
    *mode = st.stx_mode;
    return 0;
#  else
    (void)fd, (void)device, (void)mode;
    return -ENOSYS;
#  endif
}

/* Return fstatfs(2)'s f_type of the file system that fd is on; 0 if unknown. May wait
   on a network file system. */
uint64_t
hr_inline_file_system_type(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 ? (uint64_t)(uint32_t)fs.f_type : 0;
}

/* Close fd if its file still has a name. Returns 1 if it was closed, 0 if it has none,
   or a negative errno: of close(2), with fd closed. */
int
hr_inline_close_linked(int fd)
{
    hr_status status = {0};
    int error = hr_inline_status(fd, &status);
    if (error < 0) {
        return error;
    }
    if (status.links == 0) {
        return 0;
    }
    /* EINTR: Linux has closed it all the same, close(2). */
    return close(fd) == 0 || errno == EINTR ? 1 : -errno;
}

void
hr_inline_close(int fd)
{
    close(fd);
}

#else  /* Not Linux: no such calls, and the portable ways are taken. */

intptr_t
hr_inline_read_at(int fd, void *buf, size_t n, int64_t offset)
{
    (void)fd, (void)buf, (void)n, (void)offset;
    return -ENOSYS;
}

intptr_t
hr_inline_read_last_at(int fd, void *buf, size_t n, int64_t offset)
{
    return hr_inline_read_at(fd, buf, n, offset);
}

int
hr_inline_absolute(const char *path, char *room, size_t size)
{
    (void)path, (void)room, (void)size;
    return -ENOSYS;
}

int
hr_inline_open_cached(const char *path, int flags, uint64_t resolve)
{
    (void)path, (void)flags, (void)resolve;
    return -ENOSYS;
}

int
hr_inline_open_regular(const char *path, uint64_t resolve, hr_status *status)
{
    (void)path, (void)resolve, (void)status;
    return -ENOSYS;
}

int
hr_inline_status(int fd, hr_status *status)
{
    (void)fd, (void)status;
    return -ENOSYS;
}

int
hr_inline_cached_kind(int fd, uint64_t *device, uint32_t *mode)
{
    (void)fd, (void)device, (void)mode;
    return -ENOSYS;
}

uint64_t
hr_inline_file_system_type(int fd)
{
    (void)fd;
    return 0;
}

int
hr_inline_close_linked(int fd)
{
    (void)fd;
    return 0;
}

void
hr_inline_close(int fd)
{
    (void)fd;
}

#endif
