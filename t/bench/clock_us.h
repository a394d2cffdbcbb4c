/*
 * clock_us.h - microseconds on a clock that only runs forward.
 */
#ifndef BENCH_CLOCK_US_H
#define BENCH_CLOCK_US_H

#include <stdint.h>

int64_t clock_us(void);

#endif
