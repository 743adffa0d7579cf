/* A wall clock that can be put wrong and names that can be looked up in vain, for one process.
 *
 * Preloaded into a program when it starts. It changes nothing until somebody writes into its page:
 * 4096 bytes of memory that it shares with whoever opens /proc/PID/fd/N, and that die with the
 * process. Children made by fork share the page of their parent; a program that is started anew
 * has a page of its own. sloproof/effects/page.py has the same layout.
 *
 * The monotonic clock stays right. Programs that ask the kernel without the C library (Go) are
 * not reached, nor are resolvers of their own (c-ares in Envoy).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define SECOND 1000000000LL
#define HIGH_FD 200 /* out of the way of programs that count theirs */
#define BEFORE_2001 1000000000LL

struct page {
    char magic[8];
    volatile int64_t offset_ns;
    char clock_owner[104];
    volatile uint32_t fails; /* 0: no look-up, 1: those of the names below, 2: every one */
    uint32_t unused;
    char names_owner[112];
    char names[3856]; /* each ended by a zero byte, the last one by two */
};

static struct page right; /* all zero: until the page is there, and where it can't be had */
static struct page *page = &right;

static struct page *mapped(int fd) {
    void *found = mmap(NULL, sizeof right, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return found == MAP_FAILED ? NULL : found;
}

__attribute__((constructor)) static void begin(void) {
    int kept = errno;
    const char *other = getenv("SLOPROOF_PAGE"); /* another process's, to see what it sees */
    int fd = other ? open(other, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        fd = memfd_create("sloproof-shim", MFD_CLOEXEC);
        if (fd >= 0 && ftruncate(fd, sizeof right) != 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0) {
        int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
        if (high >= 0) {
            close(fd);
            fd = high;
        }
        struct page *found = mapped(fd);
        if (found) {
            memcpy(found->magic, "SLOPROOF", sizeof found->magic);
            page = found;
        }
    }
    errno = kept;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* -- the clock */

static void shift(struct timespec *time, int64_t by) {
    int64_t ns = time->tv_nsec + by % SECOND;
    time->tv_sec += by / SECOND + (ns >= SECOND) - (ns < 0);
    time->tv_nsec = ns + (ns < 0 ? SECOND : 0) - (ns >= SECOND ? SECOND : 0);
}

static int is_wall(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

PUBLIC int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(clock_gettime);
    int failed = real ? real(clock, time) : (int)syscall(SYS_clock_gettime, clock, time);
    if (!failed && is_wall(clock)) shift(time, page->offset_ns);
    return failed;
}

PUBLIC int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    REAL(gettimeofday);
    int failed = real(time, zone);
    if (!failed) {
        struct timespec exact = {time->tv_sec, time->tv_usec * 1000};
        shift(&exact, page->offset_ns);
        time->tv_sec = exact.tv_sec;
        time->tv_usec = exact.tv_nsec / 1000;
    }
    return failed;
}

PUBLIC time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

PUBLIC int timespec_get(struct timespec *time, int base) {
    if (base != TIME_UTC) {
        REAL(timespec_get);
        return real(time, base);
    }
    return clock_gettime(CLOCK_REALTIME, time) ? 0 : base;
}

/* Who waits until a wall time waits by the kernel's clock, which is right: the time is put right,
 * else a wait of a second would last an hour. No uptime is as large as a wall time. */

static const struct timespec *put_right(const struct timespec *until, struct timespec *place) {
    if (!until || !page->offset_ns || until->tv_sec < BEFORE_2001) return until;
    *place = *until;
    shift(place, -page->offset_ns);
    return place;
}

PUBLIC int pthread_cond_timedwait(
    pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
    const struct timespec *restrict until) {
    static __typeof__(pthread_cond_timedwait) *real;
#ifdef __GLIBC__
    /* The unversioned name may be that of 1998, which takes another kind of condition. */
    if (!real) real = (__typeof__(real))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
#endif
    if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec place;
    return real(cond, mutex, put_right(until, &place));
}

PUBLIC int pthread_mutex_timedlock(
    pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    REAL(pthread_mutex_timedlock);
    struct timespec place;
    return real(mutex, put_right(until, &place));
}

PUBLIC int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict until) {
    REAL(sem_timedwait);
    struct timespec place;
    return real(sem, put_right(until, &place));
}

PUBLIC int clock_nanosleep(
    clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    REAL(clock_nanosleep);
    struct timespec place;
    if (is_wall(clock) && (flags & TIMER_ABSTIME)) until = put_right(until, &place);
    return real(clock, flags, until, left);
}

/* -- names */

static int is_address(const char *name) {
    unsigned char place[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, place) == 1 || strchr(name, ':') != NULL;
}

static int same_name(const char *one, const char *other, size_t length) {
    return strlen(other) == length && strncasecmp(one, other, length) == 0;
}

static int fails(const char *name) {
    uint32_t which = page->fails;
    if (!which || !name || !*name || is_address(name)) return 0;
    if (which == 2) return 1;
    size_t length = strlen(name);
    if (name[length - 1] == '.') length--;
    const char *end = page->names + sizeof page->names - 1;
    for (const char *each = page->names; each < end && *each; each += strlen(each) + 1)
        if (same_name(name, each, length)) return 1;
    return 0;
}

PUBLIC int getaddrinfo(
    const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
    struct addrinfo **restrict result) {
    REAL(getaddrinfo);
    if (fails(name) && !(hints && hints->ai_flags & AI_NUMERICHOST)) return EAI_AGAIN;
    return real(name, service, hints, result);
}

PUBLIC struct hostent *gethostbyname(const char *name) {
    REAL(gethostbyname);
    if (!fails(name)) return real(name);
    h_errno = TRY_AGAIN;
    return NULL;
}

PUBLIC struct hostent *gethostbyname2(const char *name, int family) {
    REAL(gethostbyname2);
    if (!fails(name)) return real(name, family);
    h_errno = TRY_AGAIN;
    return NULL;
}

PUBLIC int gethostbyname_r(
    const char *restrict name, struct hostent *restrict place, char *restrict buffer, size_t size,
    struct hostent **restrict result, int *restrict error) {
    REAL(gethostbyname_r);
    if (!fails(name)) return real(name, place, buffer, size, result, error);
    *result = NULL;
    *error = TRY_AGAIN;
    return EAGAIN;
}

PUBLIC int gethostbyname2_r(
    const char *restrict name, int family, struct hostent *restrict place, char *restrict buffer,
    size_t size, struct hostent **restrict result, int *restrict error) {
    REAL(gethostbyname2_r);
    if (!fails(name)) return real(name, family, place, buffer, size, result, error);
    *result = NULL;
    *error = TRY_AGAIN;
    return EAGAIN;
}
