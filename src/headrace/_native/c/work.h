/* One job of a native thread. Nothing here holds a PyObject or needs the GIL; a failure is
   a negative errno. Linux only: HR_HAS_WORKERS says whether it is there. */

#ifndef HEADRACE_WORK_H
#define HEADRACE_WORK_H

#if defined(__linux__)
#  define HR_HAS_WORKERS 1

#  include <stdatomic.h>
#  include <stddef.h>
#  include <stdint.h>
#  include <sys/stat.h>

/* What a job does. In ../_core.pyi these are the attributes of `Call`. */
typedef enum {
    HR_READ_ONCE,      /* fd, buf, size, offset: one read */
    HR_READ_FULL,      /* the same, until size or the end of the file */
    HR_READ_TO_END,    /* the same, until the end; what is beyond buf goes to extra */
    HR_READ_FILE,      /* path, buf, size: open, read to the end, close */
    HR_WRITE_ALL,      /* fd, buf, size, offset: write all of buf */
    HR_WRITE_CLOSE,    /* the same, then close fd whatever happened */
    HR_WRITE_SYNC,     /* the same, then fsync(2), or fdatasync(2) if flags is 1 */
    HR_WRITE_VECTOR,   /* fd, buf: an array of struct iovec; size: its bytes; offset */
    HR_WRITE_FILE,     /* path, flags, mode, buf, size: open, write all, close */
    HR_OPEN,           /* path, flags, mode: open and fstat(2) */
    HR_CLOSE,          /* fd */
    HR_FSYNC,          /* fd */
    HR_FDATASYNC,      /* fd */
    HR_FTRUNCATE,      /* fd, offset: the length */
    HR_STAT,           /* path; flags as of fstatat(2) */
    HR_FSTAT,          /* fd */
    HR_ACCESS,         /* path, mode */
    HR_RENAME,         /* path, path2 */
    HR_LINK,           /* path, path2 */
    HR_SYMLINK,        /* path: what it points to; path2: its name */
    HR_UNLINK,         /* path */
    HR_MKDIR,          /* path, mode */
    HR_RMDIR,          /* path */
    HR_KINDS,
    HR_HELP            /* of large.c alone: take part in a large read */
} hr_kind;

/* What a job that opens a path answers where opening may wait for ever: a FIFO or a
   device. No errno. */
#  define HR_SPECIAL (-100001)
/* What HR_READ_FILE answers where the file has not the room of the caller: it is open,
   descriptor holds it, and nothing has been read. No errno. */
#  define HR_TOO_LARGE (-100002)

/* The threads that a job may go to. */
typedef enum { HR_LANE_WORK, HR_LANE_WAIT, HR_LANES } hr_lane_name;

typedef struct hr_pool hr_pool;
typedef struct hr_inbox hr_inbox;

/* One job. Its owner leaves it alone between hr_pool_submit and hr_inbox_reap, but for
   the functions below, and frees it afterwards. */
typedef struct hr_work {
    struct hr_work *next;      /* in the lane's queue, or in the inbox */
    struct hr_work *previous;  /* in the lane's queue */
    hr_pool *pool;             /* where it was submitted; NULL before */
    hr_inbox *inbox;           /* where it goes when complete */
    void *owner;               /* whose job it is; never looked at here */
    atomic_int state;          /* HR_STATE_* */
    int lane;                  /* hr_lane_name */
    int kind;                  /* hr_kind */
    /* What is asked. */
    int fd;
    int flags;
    unsigned mode;
    const char *path;
    const char *path2;
    char *buf;                 /* room for what is read, or what is written */
    size_t size;               /* of buf, bytes */
    int64_t offset;            /* bytes; -1: the descriptor's own position */
    /* What came of it. */
    int error;                 /* 0, a negative errno, HR_SPECIAL or HR_TOO_LARGE */
    int descriptor;            /* what was opened and is left open; -1: nothing */
    size_t count;              /* bytes read into buf, or written */
    char *extra;               /* bytes read beyond buf, from malloc(3); or NULL */
    size_t extra_size;         /* their count */
    struct stat status;        /* of HR_OPEN, HR_STAT, HR_FSTAT, HR_TOO_LARGE */
} hr_work;

#  define HR_STATE_BEGUN 1      /* a thread has taken it */
#  define HR_STATE_DONE 2       /* the outcome is there */
#  define HR_STATE_ABANDONED 4  /* nobody wants the outcome */
#  define HR_STATE_WITHDRAWN 8  /* it was taken back and never runs */

/* From this size on, a buffer is filled by several threads. The first huge pages of a
   process may be slow to come by, so not below some MiB. Bytes. */
#  define HR_LARGE_READ ((size_t)8 * 1024 * 1024)

int hr_work_perform(hr_work *work);
int hr_work_fill(hr_work *work);
int hr_work_fill_together(hr_work *work);
int hr_work_help(hr_work *work);
void hr_work_drop(hr_work *work);

#else
#  define HR_HAS_WORKERS 0
#endif

#endif
