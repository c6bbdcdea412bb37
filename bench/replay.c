/* Replays prepared HTTP/1.1 requests on keep-alive connections, with as little CPU as possible. Built and started by bench/load.py.
 *
 * usage: replay HOST PORT FILE CONNECTIONS SECONDS ONCE
 * FILE: the number of conversations, then for each the number of its requests, then for each its length and its bytes; numbers are 32 bits.
 * Output: one line "seconds requests conversations failures", then the latency of each request in microseconds, 32 bits each. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RESPONSE_MAX = 8 << 20, EVENTS = 256 };

typedef struct {
    int fd;
    const uint8_t *request;   /* the next request of the conversation, its length in front of it */
    uint32_t requests_left;
    uint32_t sent;            /* bytes of the request that are written */
    char *response;
    size_t received;
    uint64_t started;
} Connection;

static const uint8_t **conversations;
static uint32_t conversation_count, next_conversation;
static int is_once, epoll_fd, open_connections;
static uint64_t ends_at, requests, finished, failures, latency_room;
static uint32_t *latencies;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint32_t read_u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void close_connection(Connection *c) {
    close(c->fd);
    open_connections--;
}

static void write_request(Connection *c) {
    uint32_t length = read_u32(c->request);
    while (c->sent < length) {
        ssize_t written = write(c->fd, c->request + 4 + c->sent, length - c->sent);
        if (written < 0) {
            if (errno == EAGAIN) {
                struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
                epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
                return;
            }
            failures++;
            close_connection(c);
            return;
        }
        c->sent += (uint32_t)written;
    }
}

/* Begins the next request; closes the connection when there is none. */
static void begin_request(Connection *c) {
    if (c->requests_left == 0) {
        if (now_us() >= ends_at || (is_once && next_conversation >= conversation_count)) {
            close_connection(c);
            return;
        }
        const uint8_t *conversation = conversations[next_conversation++ % conversation_count];
        c->requests_left = read_u32(conversation);
        c->request = conversation + 4;
        finished++;
    } else {
        c->request += 4 + read_u32(c->request);
    }
    c->requests_left--;
    c->sent = 0;
    c->received = 0;
    c->started = now_us();
    write_request(c);
}

static void read_response(Connection *c) {
    ssize_t count = read(c->fd, c->response + c->received, RESPONSE_MAX - c->received - 1);
    if (count <= 0) {
        if (count < 0 && errno == EAGAIN) return;
        failures++;
        close_connection(c);
        return;
    }
    c->received += (size_t)count;
    c->response[c->received] = 0;
    char *end = strstr(c->response, "\r\n\r\n");
    if (end == NULL) return;
    char *length = strcasestr(c->response, "content-length:");
    if (length == NULL || length > end) {
        failures++;
        close_connection(c);
        return;
    }
    if (c->received < (size_t)(end + 4 - c->response) + strtoul(length + 15, NULL, 10)) return;
    if (requests == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 65536;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (latencies == NULL) die("realloc");
    }
    latencies[requests++] = (uint32_t)(now_us() - c->started);
    if (strncmp(c->response, "HTTP/1.1 200", 12) != 0) failures++;
    begin_request(c);
}

static void load_file(const char *path) {
    int fd = open(path, O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) die(path);
    const uint8_t *at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (at == MAP_FAILED) die("mmap");
    conversation_count = read_u32(at);
    conversations = malloc(conversation_count * sizeof *conversations);
    if (conversations == NULL) die("malloc");
    at += 4;
    for (uint32_t i = 0; i < conversation_count; i++) {
        conversations[i] = at;
        uint32_t count = read_u32(at);
        at += 4;
        while (count--) at += 4 + read_u32(at);
    }
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    load_file(argv[3]);
    int connection_count = atoi(argv[4]);
    is_once = atoi(argv[6]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) return 2;
    Connection *all = calloc((size_t)connection_count, sizeof *all);
    if (all == NULL || (epoll_fd = epoll_create1(0)) < 0) die("epoll");
    uint64_t started = now_us();
    ends_at = started + (uint64_t)(atof(argv[5]) * 1e6);
    for (int i = 0; i < connection_count; i++) {
        Connection *c = &all[i];
        int one = 1;
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        c->response = malloc(RESPONSE_MAX);
        if (c->fd < 0 || c->response == NULL || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
        open_connections++;
    }
    for (int i = 0; i < connection_count; i++) begin_request(&all[i]);
    while (open_connections > 0) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll_fd, events, EVENTS, 1000);
        for (int i = 0; i < count; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
                write_request(c);
            } else {
                read_response(c);
            }
        }
    }
    printf("%.6f %lu %lu %lu\n", (double)(now_us() - started) / 1e6, requests, finished, failures);
    fwrite(latencies, sizeof *latencies, requests, stdout);
    return 0;
}
