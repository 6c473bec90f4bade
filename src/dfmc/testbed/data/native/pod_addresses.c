/* Lets a program reach the bed's pods and nodes by the addresses that the Kubernetes API shows.
 *
 * In the API a pod is 10.a.b.c, its process listens on 127.a.b.c (see addressing.py). A program that learns addresses
 * from others, as a Dragonfly client learns those of schedulers and peers, would dial the former. Loaded with
 * LD_PRELOAD, this maps the destination of every TCP connection by the same rules as AddressBlock.listen_address, and
 * lets the connection come from the pod's own address, as it would in life.
 *
 * DFMC_BED_BLOCK is the index of the pod's cluster, DFMC_BED_SOURCE the loopback address of the pod.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

typedef int (*connect_function)(int, const struct sockaddr *, socklen_t);

static connect_function next_connect;
static int own_block = -1;
static struct in_addr source;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void) {
    const char *block = getenv("DFMC_BED_BLOCK");
    const char *address = getenv("DFMC_BED_SOURCE");
    next_connect = (connect_function)dlsym(RTLD_NEXT, "connect");
    own_block = block ? atoi(block) : -1;
    if (!address || inet_pton(AF_INET, address, &source) != 1) {
        source.s_addr = INADDR_ANY;
    }
}

static uint32_t mapped(uint32_t address) {
    const int first = address >> 24, second = address >> 16 & 0xff, third = address >> 8 & 0xff;
    const int pods = second - FIRST_POD_OCTET, services = second - FIRST_SERVICE_OCTET;
    if (first == 10 && pods >= 0 && pods < BLOCK_COUNT) {
        return pods == own_block || third == NODE_THIRD_OCTET ? (address & 0x00ffffff) | 127u << 24 : UNREACHABLE;
    }
    if (first == 127 && services >= 0 && services < BLOCK_COUNT && services != own_block) {
        return UNREACHABLE;
    }
    return address;
}

/* Only what is not bound yet, and only towards loopback: nothing else can be reached from there. */
static void come_from_own_address(int socket_descriptor, uint32_t destination) {
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    const int yes = 1;
    if (source.s_addr == INADDR_ANY || destination >> 24 != 127) {
        return;
    }
    if (getsockname(socket_descriptor, (struct sockaddr *)&bound, &length) != 0 || bound.sin_family != AF_INET ||
        bound.sin_addr.s_addr != INADDR_ANY || bound.sin_port != 0) {
        return;
    }
    memset(&bound, 0, sizeof bound);
    bound.sin_family = AF_INET;
    bound.sin_addr = source;
    setsockopt(socket_descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    bind(socket_descriptor, (struct sockaddr *)&bound, sizeof bound);
}

int connect(int socket_descriptor, const struct sockaddr *address, socklen_t length) {
    struct sockaddr_in changed;
    int kind = 0;
    socklen_t kind_length = sizeof kind;
    pthread_once(&once, prepare);
    if (!address || address->sa_family != AF_INET || length < sizeof changed || own_block < 0 ||
        getsockopt(socket_descriptor, SOL_SOCKET, SO_TYPE, &kind, &kind_length) != 0 || kind != SOCK_STREAM) {
        return next_connect(socket_descriptor, address, length);
    }
    memcpy(&changed, address, sizeof changed);
    changed.sin_addr.s_addr = htonl(mapped(ntohl(changed.sin_addr.s_addr)));
    const int before = errno;
    come_from_own_address(socket_descriptor, ntohl(changed.sin_addr.s_addr));
    errno = before;
    return next_connect(socket_descriptor, (struct sockaddr *)&changed, sizeof changed);
}
