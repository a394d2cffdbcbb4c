/*
 * clock.h - what time it is.
 *
 * Two clocks that are never mixed.  The monotonic one measures: deadlines,
 * ages, waits; it does not jump when somebody sets the time.  The wall clock
 * is for people: log lines and SHOW.
 *
 * Never blocks; on the systems in use it is not even a system call.
 */
#ifndef CONF_CLOCK_H
#define CONF_CLOCK_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* Microseconds since some moment of the past; the same for all processes. */
static inline uint64_t
clock_now_us(void)
{
	struct timespec ts;

	/* cannot fail: the clock exists and the address is ours */
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static inline uint64_t
clock_now_ms(void)
{
	return clock_now_us() / 1000;
}

/* Microseconds since 1970, for people. */
static inline uint64_t
clock_wall_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/*
 * The wall-clock time of a monotonic moment, by today's difference of the
 * two clocks.
 */
static inline uint64_t
clock_wall_of_us(uint64_t mono_us)
{
	return clock_wall_us() - (clock_now_us() - mono_us);
}

#define CLOCK_TEXT 64

/*
 * `wall_us` as "2026-01-31 12:00:00.123 UTC" (with milliseconds, the log) or
 * "2026-01-31 12:00:00 UTC" (without, SHOW), in the local zone.
 */
static inline const char *
clock_text(char text[CLOCK_TEXT], uint64_t wall_us, int with_ms)
{
	/* most calls are for the second of the call before: a log line costs
	 * half without the work of strftime(3) */
	static _Thread_local time_t last = -1;
	static _Thread_local char day[32], zone[16];
	time_t t = (time_t)(wall_us / 1000000);
	struct tm tm = { 0 };

	if (t != last) {
		(void)localtime_r(&t, &tm);
		if (strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm) == 0)
			day[0] = '\0';
		if (strftime(zone, sizeof(zone), "%Z", &tm) == 0)
			zone[0] = '\0';
		last = t;
	}
	if (with_ms)
		snprintf(text, CLOCK_TEXT, "%s.%03u %s", day,
		    (unsigned)(wall_us / 1000 % 1000), zone);
	else
		snprintf(text, CLOCK_TEXT, "%s %s", day, zone);
	return text;
}

#endif
