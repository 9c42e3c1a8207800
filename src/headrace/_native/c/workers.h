/* Threads that do the jobs of work.h, and how these come back. */

#ifndef HEADRACE_WORKERS_H
#define HEADRACE_WORKERS_H

#include "work.h"

#if HR_HAS_WORKERS

/* Jobs that are complete and have not been reaped: a list that many threads add to and
   one takes whole. */
struct hr_inbox {
    _Atomic(hr_work *) head;   /* the latest; NULL: none */
    atomic_int in_flight;            /* jobs that use this; 0: it may be freed */
    atomic_int outstanding;          /* jobs that were neither reaped nor withdrawn */
    atomic_int polled;               /* the owner looks at head, and needs no eventfd */
    int fd;                          /* an eventfd, written when the list gets its first */
};

hr_pool *hr_pool_new(void);
void hr_pool_free(hr_pool *pool);
void hr_pool_forget(hr_pool *pool);
void hr_pool_configure(hr_pool *pool, int limit, int waiting_limit, double idle_timeout,
                       int64_t busy_poll);
int hr_pool_threads(hr_pool *pool, hr_lane_name lane);
int hr_pool_submit(hr_pool *pool, hr_inbox *inbox, hr_work *work);

int hr_work_withdraw(hr_work *work);
int hr_work_abandon(hr_work *work);

void hr_inbox_deliver(hr_work *work);
hr_work *hr_inbox_reap(hr_inbox *inbox);
hr_work *hr_inbox_poll(hr_inbox *inbox, int64_t busy_poll);
void hr_inbox_settle(hr_inbox *inbox);

#endif

#endif
