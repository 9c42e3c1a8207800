/* Threads that make system calls which may wait, bounded, reused, ended when idle.

   Beside py/workers.py, whose threads run Python functions: these do what `work.c` can,
   without the GIL, and hand a job back by `inbox.c`. No PyObject, no event loop, no
   policy; `calls.c` makes Python types of these. */

#if defined(__linux__) && !defined(_GNU_SOURCE)
#  define _GNU_SOURCE
#endif

#include "workers.h"

#if HR_HAS_WORKERS

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "spin.h"

/* The stack of a thread, bytes: it needs a few hundred, and libc some more. */
#define STACK_SIZE ((size_t)128 * 1024)

/* -- The pool ----------------------------------------------------------------- */

/* Threads of one kind, and the jobs that wait for them. Guarded by the pool's lock. */
typedef struct {
    hr_work *first;        /* the queue, oldest first */
    hr_work *last;
    atomic_int queued;     /* its length; looked at by who searches, without the lock */
    int pressing;          /* of them known to take long: a thread for each */
    int threads;           /* alive, or being started */
    int idle;              /* of them asleep, also those that have been woken */
    int coming;            /* woken or started, and not here yet */
    int working;           /* of them with a job */
    int watching;          /* whether one of them watches the pace of the others */
    int searching;         /* whether one of them looks for a job without sleeping */
    int brisk;             /* how much speaks for the next job coming soon, 0 to BRISK */
    unsigned taken;        /* jobs that were begun */
    int64_t emptied;       /* when the queue was last found empty, hr_now() */
    int limit;             /* the most threads */
    pthread_cond_t wake;   /* there is a job, or the pool ends */
} lane;

struct hr_pool {
    pthread_mutex_t lock;
    lane lanes[HR_LANES];
    double idle_timeout;   /* seconds that a thread stays without work */
    int64_t busy_poll;     /* nanoseconds that one looks for work before it sleeps */
    int ending;            /* the owner is gone: threads end when there is no work */
    int users;             /* the owner and the threads; the last one frees it */
    atomic_int forgotten;  /* this process is a fork: no thread is here */
};

/* What a new thread is told. */
typedef struct {
    hr_pool *pool;
    lane *lane;
} assignment;

/* Return a new pool without threads, to be configured, or NULL without memory. */
hr_pool *
hr_pool_new(void)
{
    hr_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    for (int i = 0; i < HR_LANES; i++) {
        pthread_cond_init(&pool->lanes[i].wake, &clock);
    }
    pthread_condattr_destroy(&clock);
    pool->users = 1;
    return pool;
}

/* Give up one use of the pool, whose lock is held and is released. */
static void
release(hr_pool *pool)
{
    int left = --pool->users;
    pthread_mutex_unlock(&pool->lock);
    if (left > 0) {
        return;
    }
    for (int i = 0; i < HR_LANES; i++) {
        pthread_cond_destroy(&pool->lanes[i].wake);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* End the pool: jobs that were submitted are still done. Does not wait. */
void
hr_pool_free(hr_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ending = 1;
    for (int i = 0; i < HR_LANES; i++) {
        pthread_cond_broadcast(&pool->lanes[i].wake);
    }
    release(pool);
}

/* Leave the pool to the parent, in a forked child. The lock may be held by a thread that
   does not exist here, so the memory stays as it is, and allocated. */
void
hr_pool_forget(hr_pool *pool)
{
    atomic_store(&pool->forgotten, 1);
}

void
hr_pool_configure(hr_pool *pool, int limit, int waiting_limit, double idle_timeout,
                  int64_t busy_poll)
{
    pthread_mutex_lock(&pool->lock);
    pool->lanes[HR_LANE_WORK].limit = limit;
    pool->lanes[HR_LANE_WAIT].limit = waiting_limit;
    pool->idle_timeout = idle_timeout;
    pool->busy_poll = busy_poll;
    /* Who waits begins anew, with the new time. */
    for (int i = 0; i < HR_LANES; i++) {
        pthread_cond_broadcast(&pool->lanes[i].wake);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Return how many threads of a lane are alive. */
int
hr_pool_threads(hr_pool *pool, hr_lane_name name)
{
    pthread_mutex_lock(&pool->lock);
    int threads = pool->lanes[name].threads;
    pthread_mutex_unlock(&pool->lock);
    return threads;
}

/* A call that moves more than this is taken to last, bytes: 20 us. */
#define SHORT ((size_t)64 * 1024)

/* Tell whether a job is known to take so long that it must not wait behind others, nor
   they behind it: it gets a thread at once, as far as there may be more. */
static int
is_pressing(const hr_work *work)
{
    switch (work->kind) {
    case HR_WRITE_SYNC:
    case HR_FSYNC:
    case HR_FDATASYNC:
    case HR_WRITE_VECTOR:
    case HR_HELP: return 1;
    default: return work->lane == HR_LANE_WAIT || work->size > SHORT;
    }
}

static void
append(lane *to, hr_work *work)
{
    work->next = NULL;
    work->previous = to->last;
    if (to->last != NULL) {
        to->last->next = work;
    }
    else {
        to->first = work;
    }
    to->last = work;
    to->queued++;
    to->pressing += is_pressing(work);
}

static void
take_out(lane *from, hr_work *work)
{
    if (work->previous != NULL) {
        work->previous->next = work->next;
    }
    else {
        from->first = work->next;
    }
    if (work->next != NULL) {
        work->next->previous = work->previous;
    }
    else {
        from->last = work->previous;
    }
    work->next = work->previous = NULL;
    from->queued--;
    from->pressing -= is_pressing(work);
}

/* Waking a thread that sleeps takes the kernel 5 us, and until it runs another 20 to 60
   where its CPU sleeps too (a virtual one; 2 CPUs, Linux 6.18): longer than most calls.
   So a thread whose lane is in brisk use looks for the next job before it goes to sleep;
   one at a time, and only where jobs have lately come so soon after one another. */
#define BRISK 4

/* Look for a job for a moment, if that is worthwhile. The lock is held, and not
   meanwhile. */
static void
search(hr_pool *pool, lane *from)
{
    int64_t begun = hr_now();
    from->emptied = begun;
    int64_t busy_poll = pool->busy_poll;
    if (from->searching || from->brisk == 0 || busy_poll == 0 || pool->ending ||
        from != &pool->lanes[HR_LANE_WORK]) {
        return;
    }
    from->searching = 1;
    pthread_mutex_unlock(&pool->lock);
    do {
        for (int i = 0; i < HR_LOOKS_PER_TIME && atomic_load(&from->queued) == 0; i++) {
            hr_relax();
        }
    } while (atomic_load(&from->queued) == 0 && hr_now() < begun + busy_poll);
    pthread_mutex_lock(&pool->lock);
    from->searching = 0;
}

/* Note that a job came for a lane whose queue was empty: soon after it was, or not. */
static void
feel_pace(hr_pool *pool, lane *to)
{
    if (pool->busy_poll == 0) {
        return;
    }
    if (hr_now() - to->emptied > pool->busy_poll) {
        to->brisk -= to->brisk > 0;
    }
    else {
        to->brisk += to->brisk < BRISK;
    }
}

/* Jobs are short as a rule: 15 us to make a file, where it takes 5 us to wake a thread and
   as long to be held up by one on the same CPU or at the same directory. Making files in
   64 tasks took twice as long with 6 threads as with one or two (2 CPUs, ext4 and tmpfs,
   Linux 6.18). So another thread joins only where there are jobs and the others do not
   get on with them: one watches that. */
#define TICK 200000         /* between two looks, nanoseconds */
#define QUICK 50000         /* jobs that take less are not worth another thread */
#define IDLE_TICKS 5        /* how long one goes on to watch where there is no job */

/* Tell whether a thread that slept should take a job, if there is one. */
static int
is_wanted(hr_pool *pool, lane *from)
{
    return from->working == 0 || from->pressing > 0 || pool->ending;
}

/* Sleep until woken, or until a time. Returns whether that has come. */
static int
doze(hr_pool *pool, lane *from, int64_t until)
{
    struct timespec time = {.tv_sec = (time_t)(until / 1000000000),
                            .tv_nsec = (long)(until % 1000000000)};
    from->idle++;
    int error = pthread_cond_timedwait(&from->wake, &pool->lock, &time);
    from->idle--;
    from->coming -= from->coming > 0;
    return error == ETIMEDOUT;
}

/* Watch how the other threads get on with the jobs. Returns whether this one should join
   them; else there have been no jobs for a while. */
static int
watch(hr_pool *pool, lane *from)
{
    from->watching = 1;
    int join = 0;
    int empty = 0;
    while (!join && empty < IDLE_TICKS && !pool->ending && from->threads <= from->limit) {
        unsigned before = from->taken;
        int late = doze(pool, from, hr_now() + TICK);
        if (from->first == NULL) {
            empty += late;
            continue;
        }
        empty = 0;
        unsigned quick = (unsigned)from->working * (TICK / QUICK);
        join = is_wanted(pool, from) || (late && from->taken - before < quick);
    }
    from->watching = 0;
    return join;
}

/* Wait for a job, the lock being held. Returns whether there is one for this thread,
   which has just come, or just ended another; else it has nothing to do any more. */
static int
await_job(hr_pool *pool, lane *from, int just_came)
{
    if (from->first == NULL && !just_came) {
        search(pool, from);
    }
    if (from->first != NULL && !just_came) {
        return 1;
    }
    double timeout = 0;
    int64_t until = 0;
    for (;;) {
        if (from->first != NULL) {
            if (is_wanted(pool, from) || (!from->watching && watch(pool, from))) {
                return 1;
            }
        }
        if (pool->ending || from->threads > from->limit) {
            return 0;
        }
        if (pool->idle_timeout != timeout) {
            timeout = pool->idle_timeout;
            until = hr_now() + (int64_t)((timeout < 1e9 ? timeout : 1e9) * 1e9);
        }
        if (doze(pool, from, until)) {
            if (from->first == NULL) {
                return 0;
            }
            timeout = 0;  /* anew, once the jobs are done */
        }
    }
}

/* Tell whether a thread has to come for what is queued. */
static int
is_short_of_threads(lane *from)
{
    /* Who searches takes the first. */
    int left = atomic_load(&from->queued) - from->searching;
    if (left <= 0) {
        return 0;
    }
    return from->pressing > 0 ? from->coming < left
                              : from->coming == 0 && (from->working == 0 || !from->watching);
}

static int start_thread(hr_pool *pool, lane *to);

/* Have a thread come if that is needed: one that sleeps, else a new one. The lock is
   held, and not for a moment. Returns 0, or a negative errno where none can be started. */
static int
summon(hr_pool *pool, lane *from)
{
    if (!is_short_of_threads(from)) {
        return 0;
    }
    if (from->idle > from->coming) {
        from->coming++;
        pthread_cond_signal(&from->wake);
        return 0;
    }
    if (from->threads >= from->limit) {
        return 0;
    }
    from->threads++;
    from->coming++;
    pool->users++;
    pthread_mutex_unlock(&pool->lock);
    int error = start_thread(pool, from);
    pthread_mutex_lock(&pool->lock);
    if (error < 0) {
        from->threads--;
        from->coming -= from->coming > 0;
        pool->users--;
    }
    return error;
}

static void *
serve(void *given)
{
    assignment where = *(assignment *)given;
    free(given);
    hr_pool *pool = where.pool;
    lane *from = where.lane;
    prctl(PR_SET_NAME,
          from == &pool->lanes[HR_LANE_WAIT] ? "headrace-wait" : "headrace");
    pthread_mutex_lock(&pool->lock);
    from->coming -= from->coming > 0;
    for (int just_came = 1; await_job(pool, from, just_came); just_came = 0) {
        hr_work *work = from->first;
        take_out(from, work);
        atomic_fetch_or(&work->state, HR_STATE_BEGUN);
        from->taken++;
        from->working++;
        /* It may take long, whatever it is: somebody has to look after the others. */
        (void)summon(pool, from);
        pthread_mutex_unlock(&pool->lock);
        work->error = hr_work_perform(work);
        hr_inbox_deliver(work);
        pthread_mutex_lock(&pool->lock);
        from->working--;
    }
    from->threads--;
    (void)summon(pool, from);
    release(pool);
    return NULL;
}

/* Start a thread, which has been counted already. Returns 0 or a negative errno. */
static int
start_thread(hr_pool *pool, lane *to)
{
    assignment *where = malloc(sizeof(*where));
    if (where == NULL) {
        return -ENOMEM;
    }
    where->pool = pool;
    where->lane = to;
    pthread_attr_t how;
    pthread_attr_init(&how);
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    size_t stack = STACK_SIZE;
#ifdef PTHREAD_STACK_MIN
    if (stack < (size_t)PTHREAD_STACK_MIN) {
        stack = (size_t)PTHREAD_STACK_MIN;
    }
#endif
    pthread_attr_setstacksize(&how, stack);
    /* Signals are for Python's threads; the new one inherits the mask. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, &how, serve, where);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
    if (error != 0) {
        free(where);
        return -error;
    }
    return 0;
}

/* Count off a call that is not made. */
static void
expect_no_more(hr_inbox *inbox)
{
    if (inbox != NULL) {
        atomic_fetch_sub_explicit(&inbox->outstanding, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&inbox->in_flight, 1, memory_order_release);
    }
}

/* Have a thread do work, and put it into inbox, if there is one. Returns 0, or a negative
   errno if there is no thread and none can be started: the job is then not submitted. */
int
hr_pool_submit(hr_pool *pool, hr_inbox *inbox, hr_work *work)
{
    lane *to = &pool->lanes[work->lane];
    work->pool = pool;
    work->inbox = inbox;
    atomic_store_explicit(&work->state, 0, memory_order_relaxed);
    if (inbox != NULL) {
        atomic_fetch_add_explicit(&inbox->in_flight, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&inbox->outstanding, 1, memory_order_relaxed);
    }
    pthread_mutex_lock(&pool->lock);
    if (to->first == NULL) {
        feel_pace(pool, to);
    }
    append(to, work);
    int error = summon(pool, to);
    if (error < 0 && (to->threads > 0 || atomic_load(&work->state) != 0)) {
        error = 0;  /* there are others, who will do it or have done it */
    }
    if (error < 0) {
        take_out(to, work);
        expect_no_more(inbox);
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

/* -- Giving up ---------------------------------------------------------------- */

/* Take a job back that no thread has begun. Returns whether that worked: it is then its
   owner's again, and is not reaped. */
int
hr_work_withdraw(hr_work *work)
{
    hr_pool *pool = work->pool;
    if (pool == NULL || atomic_load(&pool->forgotten)) {
        return 0;
    }
    pthread_mutex_lock(&pool->lock);
    int mine = (atomic_load(&work->state) & (HR_STATE_BEGUN | HR_STATE_WITHDRAWN)) == 0;
    if (mine) {
        atomic_fetch_or(&work->state, HR_STATE_WITHDRAWN);
        take_out(&pool->lanes[work->lane], work);
    }
    pthread_mutex_unlock(&pool->lock);
    if (mine) {
        expect_no_more(work->inbox);
    }
    return mine;
}

/* Give the outcome of a job up: its thread drops it. Returns whether it was done
   already, and so is the caller's to drop. */
int
hr_work_abandon(hr_work *work)
{
    return (atomic_fetch_or(&work->state, HR_STATE_ABANDONED) & HR_STATE_DONE) != 0;
}

#endif
