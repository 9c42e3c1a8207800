/* Waiting for a word of memory without sleeping, for a moment. */

#ifndef HEADRACE_SPIN_H
#define HEADRACE_SPIN_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

/* Looks between two looks at the clock, which takes 20 ns. */
#define HR_LOOKS_PER_TIME 4

/* Tell the CPU that this thread waits for a word of memory to change. */
static inline void
hr_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Return CLOCK_MONOTONIC in nanoseconds. */
static inline int64_t
hr_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

#endif
