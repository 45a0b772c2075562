/* A provider that answers at once and reads nothing but the length of what it is sent. One thread, epoll.
   Usage: sink; prints its port. Answers by path, as benchmarks/sink.py does. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 4096
#define ROOM 65536

typedef struct { char head[ROOM]; int used; long skip; } Peer;
static Peer *peers[MOST];

static const char *ANSWERS[][3] = {
    {"/mail/send", "202 Accepted\r\nX-Message-Id: sink", ""},
    {"/Messages.json", "201 Created", "{\"sid\": \"SM00000000000000000000000000000001\", \"status\": \"queued\"}"},
    {"/chat.postMessage", "200 OK", "{\"ok\": true, \"channel\": \"D0000000001\", \"ts\": \"1700000000.000001\"}"},
    {"/conversations.open", "200 OK", "{\"ok\": true, \"channel\": {\"id\": \"D0000000001\"}}"},
    {"/conversations", "201 Created", "{\"id\": \"a:1\", \"activityId\": \"1:1\"}"},
};
#define KINDS (int)(sizeof ANSWERS / sizeof *ANSWERS)
static char replies[KINDS][512];

static const char *answer_to(const char *head) {
    const char *end = strstr(head, "\r\n");
    for (int i = 0; i < KINDS; i++) {
        const char *found = strstr(head, ANSWERS[i][0]);
        if (found && found < end) return replies[i];
    }
    return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
}

/* Answers all requests that are whole; false when the connection is of no use any more. */
static int serve(int fd, Peer *peer) {
    for (;;) {
        if (peer->skip) {
            int here = peer->used < peer->skip ? peer->used : (int)peer->skip;
            memmove(peer->head, peer->head + here, peer->used - here);
            peer->used -= here;
            peer->skip -= here;
            if (peer->skip) return 1;
            const char *reply = peer->head + ROOM - sizeof(char *);
            const char *text;
            memcpy(&text, reply, sizeof text);
            if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) return 0;
        }
        if (!peer->used) return 1;
        peer->head[peer->used] = 0;
        char *end = strstr(peer->head, "\r\n\r\n");
        if (!end) return peer->used < ROOM / 2;
        const char *text = answer_to(peer->head);
        memcpy(peer->head + ROOM - sizeof text, &text, sizeof text);
        char *length = strcasestr(peer->head, "content-length:");
        peer->skip = (end + 4 - peer->head) + (length && length < end ? atol(length + 15) : 0);
    }
}

int main(void) {
    for (int i = 0; i < KINDS; i++)
        snprintf(replies[i], sizeof *replies, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 ANSWERS[i][1], strlen(ANSWERS[i][2]), ANSWERS[i][2]);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, queue = epoll_create1(0);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    if (bind(listening, (struct sockaddr *)&place, size) || listen(listening, 512)) return 1;
    getsockname(listening, (struct sockaddr *)&place, &size);
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listening}, events[256];
    epoll_ctl(queue, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        int many = epoll_wait(queue, events, 256, -1);
        for (int i = 0; i < many; i++) {
            int fd = events[i].data.fd;
            if (fd == listening) {
                int fresh;
                while ((fresh = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (fresh >= MOST) { close(fresh); continue; }
                    setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    free(peers[fresh]);
                    peers[fresh] = calloc(1, sizeof(Peer));
                    event.data.fd = fresh;
                    epoll_ctl(queue, EPOLL_CTL_ADD, fresh, &event);
                }
                continue;
            }
            Peer *peer = peers[fd];
            /* The end of the room holds the answer that is due. */
            long got = recv(fd, peer->head + peer->used, ROOM - 16 - peer->used, 0);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (got <= 0) { close(fd); continue; }
            peer->used += got;
            if (!serve(fd, peer)) close(fd);
        }
    }
}
