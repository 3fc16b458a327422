/* Keeps test daemons off the network: preloaded into a daemon that knows only
 * "listen on every address", it turns that into "listen on 127.0.0.1".
 * testbed/common.sh builds it. IPv4 only; the daemons concerned use no other. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef int bind_function(int, const struct sockaddr *, socklen_t);

int bind(int socket_fd, const struct sockaddr *address, socklen_t size)
{
    bind_function *next = (bind_function *)dlsym(RTLD_NEXT, "bind");
    struct sockaddr_in local;

    if (address == NULL || size < sizeof local || address->sa_family != AF_INET)
        return next(socket_fd, address, size);
    memcpy(&local, address, sizeof local);
    if (local.sin_addr.s_addr == htonl(INADDR_ANY))
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return next(socket_fd, (struct sockaddr *)&local, sizeof local);
}
