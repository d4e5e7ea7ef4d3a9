/* The floor: the least that a server can do to carry one notification to many, in one thread on epoll. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "connection.h"
#include "counts.h"
#include "hold.h"
#include "options.h"
#include "serve.h"
#include "usage.h"

enum {
    BACKLOG = 4096,         /* connections that wait to be accepted: a storm of them is no reason to drop SYNs */
    EVENTS = 512,           /* events taken from the kernel at once */
    SECONDS = 3600,         /* a server that was forgotten ends by itself */
    SECONDS_MAX = 86400,
};

struct counts counts;

/* What the event loop watches beside connections; their addresses tell them apart from those. */
static int listener, input = STDIN_FILENO, signals;
/* Given up for a moment to turn a connection away when there is no other descriptor left. */
static int spare;

static void usage(FILE *to)
{
    fprintf(to,
            "usage: floor [--port PORT] [--seconds SECONDS]\n"
            "  --port PORT        port on 127.0.0.1; 0 takes a free one (default 0)\n"
            "  --seconds SECONDS  ends by itself after this, s (default %d)\n"
            "Ends on SIGTERM, SIGINT and the end of its standard input; says on standard error what it did and used.\n",
            SECONDS);
}

static void fail(const char *what)
{
    fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int events, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    if (epoll_ctl(events, EPOLL_CTL_ADD, *fd, &event) == 0)
        return;
    /* A file or /dev/null cannot be watched; as an input it is as good as at its end. */
    if (fd != &input || errno != EPERM)
        fail("cannot watch a descriptor");
    raise(SIGTERM);
}

static void listen_on(int port)
{
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        fail("cannot make a socket");
    /* Accepted sockets inherit TCP_NODELAY, which saves a call for each. */
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, BACKLOG) != 0)
        fail("cannot listen on 127.0.0.1; is the port taken?");
    socklen_t len = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &len);
    printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void accept_all(void)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            counts.accepted++;
            connection_open(fd);
        } else if (errno == EMFILE) {
            close(spare);
            close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
            spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
            counts.turned_away++;
        } else {
            return;
        }
    }
}

static bool input_ended(void)
{
    char ignored[256];
    return read(input, ignored, sizeof ignored) <= 0;
}

/* Does what an event asks for: a connection is watched for room while answers wait, and else for what the client says. */
static void attend(struct connection *connection)
{
    if (connection->out.len > 0) {
        connection_flush(connection);
        if (connection->out.len > 0 || connection->in.len == 0)
            return;
    }
    if (connection->fd >= 0)
        serve(connection);
}

/* Serves until it is told to stop or `end_ms` has come. */
static void run(int events, int64_t end_ms)
{
    struct epoll_event happened[EVENTS];
    for (;;) {
        int64_t wait = end_ms - now_ms();
        if (wait <= 0)
            return;
        int hold = hold_expire();
        int len = epoll_wait(events, happened, EVENTS, hold >= 0 && hold < wait ? hold : (int)wait);
        for (int i = 0; i < len; i++) {
            void *what = happened[i].data.ptr;
            if (what == &signals || (what == &input && input_ended()))
                return;
            if (what == &listener) {
                accept_all();
            } else if (what != &input) {
                attend(what);
            }
        }
        connections_sweep();
    }
}

static void report(void)
{
    struct usage used = usage_now();
    fprintf(stderr,
            "{\"accepted\":%llu,\"turned_away\":%llu,\"refused\":%llu,\"published\":%llu,\"delivered\":%llu,\"skipped\":%llu,"
            "\"missed\":%llu,\"user_us\":%lld,\"system_us\":%lld,\"max_rss_kib\":%ld}\n",
            (unsigned long long)counts.accepted, (unsigned long long)counts.turned_away, (unsigned long long)counts.refused,
            (unsigned long long)counts.published, (unsigned long long)counts.delivered, (unsigned long long)counts.skipped,
            (unsigned long long)counts.missed, (long long)used.user_us, (long long)used.system_us, used.max_rss_kib);
}

int main(int argc, char **argv)
{
    int port = 0;
    int64_t seconds = SECONDS;
    static const struct option OPTIONS[] = {
        {"port", required_argument, NULL, 'p'}, {"seconds", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {0},
    };
    for (int option; (option = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
        if (option == 'p')
            port = (int)option_number("--port", optarg, 0, 65535);
        else if (option == 's')
            seconds = option_number("--seconds", optarg, 1, SECONDS_MAX);
        else {
            usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "error: `%s` is not expected\n", argv[optind]);
        usage(stderr);
        return 2;
    }

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
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    signals = signalfd(-1, &ends, SFD_CLOEXEC);
    int events = connections_open();
    if (events < 0 || signals < 0 || spare < 0)
        fail("cannot open what the event loop needs");
    listen_on(port);
    watch(events, &listener);
    watch(events, &signals);
    watch(events, &input);
    run(events, now_ms() + 1000 * seconds);
    report();
    return 0;
}
