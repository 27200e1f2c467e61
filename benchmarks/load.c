/* Copyright (c) bulkhead.workspace contributors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A load client cheap enough not to be what is measured: one thread, epoll, closed loop over unix sockets or TCP.
 *
 *   load ADDRESS CONNECTIONS SECONDS REQUEST [OPENING]
 *
 * ADDRESS is unix:PATH or tcp:IPV4:PORT. REQUEST and OPENING are files with the bytes to send. With REQUEST alone every
 * connection sends it, reads one answer (Content-Length), and begins again. With OPENING every connection sends that once,
 * reads an answer without a body, sends REQUEST once, and then only reads and counts. One JSON object goes to standard output:
 * requests, errors, bytes, seconds, p50_us, p99_us.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 262144, SAMPLES = 1 << 22 };

struct connection {
    int fd;
    enum { OPENING, REQUESTING, COUNTING } phase;
    size_t sent, have;
    long body; /* bytes of the answer's body still to come; -1 while its head is incomplete */
    double began;
    char head[16384];
};

static char *request, *opening;
static size_t request_size, opening_size;
static struct sockaddr_storage address;
static socklen_t address_size;
static int epoll;
static uint32_t *samples;
static size_t requests, errors;
static unsigned long long bytes;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static char *slurp(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    char *data = malloc(1 << 20);
    *size = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

static void parse_address(const char *text)
{
    if (!strncmp(text, "unix:", 5)) {
        struct sockaddr_un *unix_address = (struct sockaddr_un *)&address;
        unix_address->sun_family = AF_UNIX;
        strncpy(unix_address->sun_path, text + 5, sizeof unix_address->sun_path - 1);
        address_size = sizeof *unix_address;
        return;
    }
    char host[64];
    int port;
    struct sockaddr_in *tcp_address = (struct sockaddr_in *)&address;
    if (sscanf(text, "tcp:%63[^:]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &tcp_address->sin_addr) != 1) {
        fprintf(stderr, "cannot read the address %s: it must be unix:PATH or tcp:IPV4:PORT\n", text);
        exit(2);
    }
    tcp_address->sin_family = AF_INET;
    tcp_address->sin_port = htons(port);
    address_size = sizeof *tcp_address;
}

static void dial(struct connection *c)
{
    c->fd = socket(address.ss_family, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, address_size)) die("cannot connect");
    if (address.ss_family == AF_INET) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->phase = opening ? OPENING : REQUESTING;
    c->sent = c->have = 0;
    c->body = -1;
    c->began = now();
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void again(struct connection *c)
{
    close(c->fd);
    errors++;
    dial(c);
}

static void watch(struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void send_more(struct connection *c)
{
    const char *data = c->phase == OPENING ? opening : request;
    size_t size = c->phase == OPENING ? opening_size : request_size;
    while (c->sent < size) {
        ssize_t count = send(c->fd, data + c->sent, size - c->sent, MSG_NOSIGNAL);
        if (count < 0) {
            if (errno == EAGAIN) watch(c, EPOLLIN | EPOLLOUT);
            else again(c);
            return;
        }
        c->sent += count;
    }
    watch(c, EPOLLIN);
}

static void answered(struct connection *c)
{
    double end = now();
    if (c->phase == OPENING) {
        c->phase = COUNTING;
    } else {
        if (requests < SAMPLES) samples[requests] = (uint32_t)((end - c->began) * 1e7);
        requests++;
    }
    c->sent = c->have = 0;
    c->body = -1;
    c->began = end;
    send_more(c);
}

static void receive(struct connection *c)
{
    static char buffer[BUFFER];
    ssize_t count = recv(c->fd, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        again(c);
        return;
    }
    bytes += count;
    if (c->phase == COUNTING) return;
    if (c->body < 0) {
        size_t room = sizeof c->head - 1 - c->have, part = (size_t)count < room ? (size_t)count : room;
        memcpy(c->head + c->have, buffer, part);
        c->have += part;
        c->head[c->have] = 0;
        char *end = strstr(c->head, "\r\n\r\n");
        if (!end) return;
        if (strncmp(c->head, "HTTP/1.1 200", 12) && strncmp(c->head, "HTTP/1.0 200", 12)) {
            if (!errors) fprintf(stderr, "answer: %.200s\n", c->head);
            again(c);
            return;
        }
        char *length = strcasestr(c->head, "\r\ncontent-length:");
        size_t head = end + 4 - c->head;
        c->body = (length && length < end ? atol(length + 17) : 0) - (long)(c->have - head) - (long)(count - part);
    } else {
        c->body -= count;
    }
    if (c->body == 0) answered(c);
    else if (c->body < 0 && c->have) again(c);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words)
{
    if (count < 5) {
        fprintf(stderr, "usage: load ADDRESS CONNECTIONS SECONDS REQUEST [OPENING]\n");
        return 2;
    }
    parse_address(words[1]);
    int wanted = atoi(words[2]);
    double seconds = atof(words[3]);
    request = slurp(words[4], &request_size);
    if (count > 5) opening = slurp(words[5], &opening_size);
    samples = malloc(SAMPLES * sizeof *samples);
    epoll = epoll_create1(0);
    struct connection *connections = calloc(wanted, sizeof *connections);
    double start = now();
    for (int i = 0; i < wanted; i++) dial(&connections[i]);
    while (now() - start < seconds) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) send_more(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
        }
    }
    double spent = now() - start;
    size_t kept = requests < SAMPLES ? requests : SAMPLES;
    qsort(samples, kept, sizeof *samples, compare);
    printf("{\"requests\": %zu, \"errors\": %zu, \"bytes\": %llu, \"seconds\": %.4f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           requests, errors, bytes, spent, kept ? samples[kept / 2] / 10.0 : 0, kept ? samples[kept * 99 / 100] / 10.0 : 0);
    return 0;
}
