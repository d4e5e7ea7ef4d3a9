/* The floor's reader: the least that a client can do to receive notifications, N times in one thread on epoll. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "asking.h"
#include "options.h"
#include "usage.h"

enum {
    CONNECTIONS = 100,
    CONNECTIONS_MAX = 20000,    /* a loopback address has about 28,000 ports */
    SECONDS = 10,
    SECONDS_MAX = 3600,
    INTERVAL_MS = 1000,
    INTERVAL_MAX_MS = 3600000,
    GRID_MAX_MS = 1000,
    EVENTS = 512,               /* events taken from the kernel at once */
};

/* What came in the time that is measured. */
struct totals {
    uint64_t notifications, bytes, reads, polls, ended;
    uint64_t late;              /* short polls that were due while the one before was not answered: not asked */
};

static struct site site = {.topic = "news"};
static struct client *clients;
static long connections = CONNECTIONS;
static struct totals totals;
/* What the instants of short polls are rounded up to, us; 1: each wakes the reader by itself. */
static int64_t grid_us = 1;
/* Notifications after which there is no need to go on. */
static uint64_t enough = UINT64_MAX;

static void usage(FILE *to)
{
    fprintf(to,
            "usage: floor-reader --url http://127.0.0.1:PORT --transport ws|sse|long-poll|short-poll [OPTIONS]\n"
            "  --topic TOPIC      what to subscribe to (default news)\n"
            "  --connections N    clients (default %d, at most %d)\n"
            "  --seconds SECONDS  how long to count once all are live, s (default %d)\n"
            "  --messages N       ends as soon as so many have come, clients taken together (default: counts to the end)\n"
            "  --interval MS      between two short polls of a client, ms (default %d)\n"
            "  --grid MS          short polls that are due within so many ms are asked together, ms (default: each on time)\n"
            "Says `ready` on standard error when all are live, and at the end, or on SIGTERM, one line of JSON on standard output.\n",
            CONNECTIONS, CONNECTIONS_MAX, SECONDS, INTERVAL_MS);
}

static void fail(const char *what)
{
    fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void end(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    totals.ended++;
}

static void ask(struct client *client)
{
    totals.polls++;
    if (!client_ask(client, &site))
        end(client);
}

/* One read(2), and what it brought. */
static void receive(struct client *client)
{
    static char bytes[64 << 10];
    ssize_t len = read(client->fd, bytes, sizeof bytes);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        end(client);
        return;
    }
    totals.reads++;
    totals.bytes += (uint64_t)len;
    struct counted counted = reading_take(&client->reading, site.transport, bytes, (size_t)len);
    totals.notifications += counted.notifications;
    if (counted.is_broken) {
        end(client);
    } else if (counted.answers > 0) {
        client->is_asking = false;
        if (site.transport == LONG_POLL)
            ask(client);
    }
}

/* Asks for all clients whose turn has come: one after the other, evenly over the interval. Returns the wait until the next, us. */
static int64_t ask_in_turn(int64_t began_us, int64_t interval_us)
{
    static uint64_t turn;
    for (;;) {
        int64_t due = began_us + (int64_t)(turn * (uint64_t)interval_us / (uint64_t)connections);
        int64_t wait = due - now_us();
        if (wait > 0)
            return wait;
        struct client *client = &clients[turn++ % (uint64_t)connections];
        if (client->fd >= 0 && client->is_asking)
            totals.late++;
        else if (client->fd >= 0)
            ask(client);
    }
}

/* How long to wait for a turn that is due in so long, us: until the grid's next instant. */
static int64_t on_grid(int64_t since_us, int64_t wait_us)
{
    return (since_us + wait_us + grid_us - 1) / grid_us * grid_us - since_us;
}

/* Reads until the time is over, enough has come, all connections have ended, or a signal says stop. */
static void run(int events, int *signals, int64_t began_us, int64_t end_us, int64_t interval_us)
{
    struct epoll_event happened[EVENTS];
    for (int64_t now; (now = now_us()) < end_us && totals.notifications < enough && totals.ended < (uint64_t)connections;) {
        int64_t wait = end_us - now;
        if (site.transport == SHORT_POLL) {
            int64_t turn = on_grid(now - began_us, ask_in_turn(began_us, interval_us));
            wait = turn < wait ? turn : wait;
        }
        struct timespec bound = {.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};
        int len = epoll_pwait2(events, happened, EVENTS, &bound, NULL);
        for (int i = 0; i < len; i++) {
            if (happened[i].data.ptr == signals)
                return;
            receive(happened[i].data.ptr);
        }
    }
}

/* A share of nothing is missing, not zero. */
static void print_share(const char *name, int64_t whole, uint64_t parts)
{
    if (parts > 0)
        printf(",\"%s\":%.3f", name, (double)whole / (double)parts);
    else
        printf(",\"%s\":null", name);
}

static void report(struct usage before, int64_t took_us)
{
    struct usage after = usage_now();
    int64_t user_us = after.user_us - before.user_us, system_us = after.system_us - before.system_us;
    printf("{\"transport\":\"%s\",\"connections\":%ld,\"seconds\":%.3f,\"messages\":%llu,\"bytes\":%llu,\"reads\":%llu,"
           "\"polls\":%llu,\"late_polls\":%llu,\"ended\":%llu,\"user_us\":%lld,\"system_us\":%lld",
           transport_name(site.transport), connections, (double)took_us / 1e6, (unsigned long long)totals.notifications,
           (unsigned long long)totals.bytes, (unsigned long long)totals.reads, (unsigned long long)totals.polls,
           (unsigned long long)totals.late, (unsigned long long)totals.ended, (long long)user_us, (long long)system_us);
    print_share("cpu_us_per_message", user_us + system_us, totals.notifications);
    print_share("cpu_us_per_poll", user_us + system_us, totals.polls);
    printf(",\"max_rss_kib\":%ld}\n", after.max_rss_kib);
}

static void read_options(int argc, char **argv, int64_t *seconds, int64_t *interval_ms)
{
    static const struct option OPTIONS[] = {
        {"url", required_argument, NULL, 'u'},         {"transport", required_argument, NULL, 't'},
        {"topic", required_argument, NULL, 'o'},       {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},     {"interval", required_argument, NULL, 'i'},
        {"messages", required_argument, NULL, 'm'},    {"grid", required_argument, NULL, 'g'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool has_url = false, has_transport = false, is_wrong = false;
    for (int option; (option = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'u': has_url = site_parse(&site, optarg); break;
        case 't': has_transport = transport_parse(&site.transport, optarg); break;
        case 'o': site.topic = optarg; is_wrong |= strlen(optarg) > 128; break;
        case 'c': connections = option_number("--connections", optarg, 1, CONNECTIONS_MAX); break;
        case 's': *seconds = option_number("--seconds", optarg, 1, SECONDS_MAX); break;
        case 'i': *interval_ms = option_number("--interval", optarg, 1, INTERVAL_MAX_MS); break;
        case 'g': grid_us = 1000 * option_number("--grid", optarg, 1, GRID_MAX_MS); break;
        case 'm': enough = (uint64_t)option_number("--messages", optarg, 1, LONG_MAX); break;
        case 'h': usage(stdout); exit(0);
        default: is_wrong = true;
        }
    }
    if (is_wrong || !has_url || !has_transport || optind < argc) {
        usage(stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    int64_t seconds = SECONDS, interval_ms = INTERVAL_MS;
    read_options(argc, argv, &seconds, &interval_ms);

    signal(SIGPIPE, SIG_IGN);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    int events = epoll_create1(EPOLL_CLOEXEC), signals = signalfd(-1, &ends, SFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &signals};
    clients = calloc((size_t)connections, sizeof *clients);
    if (!clients || events < 0 || signals < 0 || epoll_ctl(events, EPOLL_CTL_ADD, signals, &event) != 0)
        fail("cannot get what the event loop needs");
    for (long i = 0; i < connections; i++) {
        if (!client_open(&clients[i], &site))
            fail("cannot subscribe; does a floor listen at that URL?");
        event = (struct epoll_event){.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(events, EPOLL_CTL_ADD, clients[i].fd, &event) != 0)
            fail("cannot watch a connection");
    }
    struct usage before = usage_now();
    int64_t began_us = now_us();
    for (long i = 0; site.transport == LONG_POLL && i < connections; i++)
        ask(&clients[i]);
    fprintf(stderr, "ready\n");
    run(events, &signals, began_us, began_us + 1000000 * seconds, 1000 * interval_ms);
    report(before, now_us() - began_us);
    return totals.ended > 0;
}
