/* System calls that the kernel promises not to wait in. Nothing here holds a PyObject
   or needs the GIL; a failure is a negative errno. */

#ifndef HEADRACE_INLINE_H
#define HEADRACE_INLINE_H

#include <stddef.h>
#include <stdint.h>

/* openat2(2): EXDEV rather than cross into another mount; EAGAIN rather than wait
   for a lookup (Linux 5.12). */
#define HR_RESOLVE_NO_XDEV 0x01u
#define HR_RESOLVE_CACHED 0x20u

/* What fstat(2) says of an open file. */
typedef struct {
    uint64_t device;     /* st_dev */
    uint32_t mode;       /* st_mode: kind and permissions */
    uint64_t links;      /* st_nlink */
    int64_t size;        /* st_size, bytes */
    int64_t block_size;  /* st_blksize, bytes; 0 if unknown */
} hr_status;

intptr_t hr_inline_read_at(int fd, void *buf, size_t n, int64_t offset);
intptr_t hr_inline_read_last_at(int fd, void *buf, size_t n, int64_t offset);
int hr_inline_absolute(const char *path, char *room, size_t size);
int hr_inline_open_cached(const char *path, int flags, uint64_t resolve);
int hr_inline_open_regular(const char *path, uint64_t resolve, hr_status *status);
int hr_inline_status(int fd, hr_status *status);
int hr_inline_cached_kind(int fd, uint64_t *device, uint32_t *mode);
uint64_t hr_inline_file_system_type(int fd);
int hr_inline_close_linked(int fd);
void hr_inline_close(int fd);

#endif
