/* How a job that is done gets back to the loop that it is for: a list, and an eventfd
   that is written when the list gets its first. */

#if defined(__linux__) && !defined(_GNU_SOURCE)
#  define _GNU_SOURCE
#endif

#include "workers.h"

#if HR_HAS_WORKERS

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "spin.h"

/* Put a job that is done where its owner reaps it. It is not touched afterwards: it may
   be gone. */
void
hr_inbox_deliver(hr_work *work)
{
    hr_inbox *inbox = work->inbox;
    if (inbox == NULL) {
        /* A helper, which has told who waits for it. */
        return;
    }
    int before = atomic_fetch_or(&work->state, HR_STATE_DONE);
    if (before & HR_STATE_ABANDONED) {
        hr_work_drop(work);
    }
    struct hr_work *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        work->next = head;
        /* Pairs with the exchange in hr_inbox_reap. */
    } while (!atomic_compare_exchange_weak(&inbox->head, &head, work));
    /* Pairs with hr_inbox_poll: either this sees that nobody polls any more, or the owner
       sees the job; so both are sequentially consistent, as is the exchange above. */
    if (head == NULL && !atomic_load(&inbox->polled)) {
        uint64_t one = 1;
        ssize_t written;
        do {
            written = write(inbox->fd, &one, sizeof(one));
        } while (written < 0 && errno == EINTR);
    }
    /* The last look at the inbox. Pairs with hr_inbox_settle. */
    atomic_fetch_sub_explicit(&inbox->in_flight, 1, memory_order_release);
}

/* Take all jobs that are complete: a list by `next`, the first done first; or NULL. */
hr_work *
hr_inbox_reap(hr_inbox *inbox)
{
    hr_work *latest = atomic_exchange(&inbox->head, NULL);
    hr_work *first = NULL;
    while (latest != NULL) {
        hr_work *earlier = latest->next;
        latest->next = first;
        first = latest;
        latest = earlier;
        atomic_fetch_sub_explicit(&inbox->outstanding, 1, memory_order_relaxed);
    }
    return first;
}

/* Like hr_inbox_reap, but look for so many nanoseconds until there is something. The
   eventfd is mostly not written for that. */
hr_work *
hr_inbox_poll(hr_inbox *inbox, int64_t busy_poll)
{
    atomic_store(&inbox->polled, 1);
    int64_t until = hr_now() + busy_poll;
    do {
        for (int i = 0; i < HR_LOOKS_PER_TIME && atomic_load(&inbox->head) == NULL; i++) {
            hr_relax();
        }
    } while (atomic_load(&inbox->head) == NULL && hr_now() < until);
    /* Before the last look: what comes behind it writes the eventfd; see deliver. */
    atomic_store(&inbox->polled, 0);
    return hr_inbox_reap(inbox);
}

/* Wait for threads that are just leaving: all jobs have been reaped. */
void
hr_inbox_settle(hr_inbox *inbox)
{
    while (atomic_load_explicit(&inbox->in_flight, memory_order_acquire) > 0) {
        sched_yield();
    }
}

#endif
