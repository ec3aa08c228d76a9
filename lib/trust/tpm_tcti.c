/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What carries commands to the TPM and back, as a TCTI for ESYS ("TSS 2.0 TPM Command Transmission
 * Interface", 3): a device of the kernel's, or the socket of swtpm, with a deadline for every
 * command; and any other TCTI of tss2's, whose deadline is its own.
 *
 * Not libtss2-tcti-device: as it is built it waits for ever. The kernel's driver itself gives up a
 * command after two seconds to five minutes (TPM2_DURATION_*, drivers/char/tpm), too late for a
 * boot. Nor does a device that is opened non-blocking help: poll() and read() wait for the lock that the
 * driver holds while it works. So each command of a device has a thread, which is left behind when it is
 * late. Closing the device, the end of the process and a kexec wait until the driver has given up; a
 * device that fell silent is therefore left open.
 *
 * The TPM is trusted with secrets; that it sends what it says is checked here (sizes) and by ESYS.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "clock.h"
#include "fd.h"
#include "library.h"
#include "tpm_internal.h"

#define TCTI_MAGIC 0x5455474254435449u /* TUGBTCTI */
#define HEADER_SIZE 10		       /* tag, size, command or response code */

LIBRARY_FUNCTION(Tss2_TctiLdr_Initialize);
LIBRARY_FUNCTION(Tss2_TctiLdr_Finalize);

static const struct library_symbol tctildr_symbols[] = {
	LIBRARY_SYMBOL(Tss2_TctiLdr_Initialize),
	LIBRARY_SYMBOL(Tss2_TctiLdr_Finalize),
};
static struct library tctildr = {"libtss2-tctildr.so.0", tctildr_symbols,
				 ARRAY_SIZE(tctildr_symbols), false};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct tpm_tcti *tcti_of(TSS2_TCTI_CONTEXT *context)
{
	return (struct tpm_tcti *)(void *)context;
}

static bool makes_a_key(uint32_t command)
{
	return command == TPM2_CC_CreatePrimary || command == TPM2_CC_Create;
}

static bool takes_a_secret(uint32_t command)
{
	return command == TPM2_CC_Unseal || command == TPM2_CC_NV_Read;
}

/* Waits until fd can be read or written, or the deadline: -ETIMEDOUT. */
static int wait_for(const struct tpm_tcti *tcti, short events)
{
	for (;;) {
		struct pollfd p = {tcti->fd, events, 0};
		uint64_t now = clock_ms();
		int r = poll(&p, 1, now < tcti->deadline ? (int)(tcti->deadline - now) : 0);

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0 && clock_ms() >= tcti->deadline)
			return -ETIMEDOUT;
	}
}

/* A command goes to the kernel's driver in one write, which waits for the answer. */
static int put(const struct tpm_tcti *tcti, const uint8_t *command, size_t size)
{
	for (;;) {
		ssize_t n = tcti->device ? write(tcti->fd, command, size)
					 : send(tcti->fd, command, size, MSG_NOSIGNAL);
		int r;

		if (n >= 0)
			return (size_t)n == size ? 0 : -EIO;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_for(tcti, POLLOUT);
		if (r < 0)
			return r;
	}
}

/* The whole answer, as long as its header says. */
static int get(const struct tpm_tcti *tcti, uint8_t *response, size_t max, size_t *ret_size)
{
	size_t have = 0, want = HEADER_SIZE;

	while (have < want) {
		int r = tcti->device ? 0 : wait_for(tcti, POLLIN);
		ssize_t n;

		if (r < 0)
			return r;
		/* The driver gives what it has; of a socket nothing is read beyond this answer. */
		n = read(tcti->fd, response + have,
			 (tcti->device || have >= HEADER_SIZE ? max : want) - have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		have += (size_t)n;
		if (have < HEADER_SIZE)
			continue;
		want = be32(response + 2);
		if (want < HEADER_SIZE || want > max || have > want)
			return -EPROTO;
	}
	*ret_size = have;
	return 0;
}

/* A command of a device and then its answer, for the thread. */
struct tpm_exchange {
	struct tpm_tcti tcti; /* a copy, as the thread may outlive the connection */
	pthread_t thread;
	atomic_int left; /* sides that are done with it: the second one frees it */
	int result;
	size_t size;
	uint8_t data[TPM2_MAX_COMMAND_SIZE];
};
_Static_assert(TPM2_MAX_COMMAND_SIZE >= TPM2_MAX_RESPONSE_SIZE, "one buffer for both");

static void exchange_leave(struct tpm_exchange *exchange)
{
	if (atomic_fetch_add(&exchange->left, 1) == 1)
		free(exchange);
}

static void *exchange_run(void *data)
{
	struct tpm_exchange *exchange = data;
	int r = put(&exchange->tcti, exchange->data, exchange->size);

	if (r == 0)
		r = get(&exchange->tcti, exchange->data, sizeof(exchange->data), &exchange->size);
	exchange->result = r;
	exchange_leave(exchange);
	return NULL;
}

static int exchange_begin(struct tpm_tcti *tcti, const uint8_t *command, size_t size)
{
	struct tpm_exchange *exchange;
	int r;

	if (size > sizeof(exchange->data))
		return -E2BIG;
	exchange = calloc(1, sizeof(*exchange));
	if (!exchange)
		return -ENOMEM;
	exchange->tcti = *tcti;
	exchange->size = size;
	memcpy(exchange->data, command, size);
	r = pthread_create(&exchange->thread, NULL, exchange_run, exchange);
	if (r != 0) {
		free(exchange);
		return -r;
	}
	tcti->exchange = exchange;
	return 0;
}

/* The answer, or -ETIMEDOUT: then the thread is on its own. */
static int exchange_end(struct tpm_tcti *tcti, uint8_t *response, size_t max, size_t *ret_size)
{
	struct tpm_exchange *exchange = take_ptr(tcti->exchange);
	const struct timespec deadline = {
		.tv_sec = (time_t)(tcti->deadline / 1000),
		.tv_nsec = (long)(tcti->deadline % 1000) * 1000000,
	};
	int r;

	if (!exchange)
		return -EIO;
	if (pthread_clockjoin_np(exchange->thread, NULL, CLOCK_MONOTONIC, &deadline) != 0) {
		(void)pthread_detach(exchange->thread);
		exchange_leave(exchange);
		return -ETIMEDOUT;
	}
	r = exchange->result;
	if (r == 0 && exchange->size > max)
		r = -EPROTO;
	if (r == 0) {
		memcpy(response, exchange->data, exchange->size);
		*ret_size = exchange->size;
	}
	explicit_bzero(exchange->data, sizeof(exchange->data));
	free(exchange);
	return r;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
	struct tpm_tcti *tcti = tcti_of(context);
	uint32_t code;
	int r;

	if (tcti->silent || tcti->exchange || size < HEADER_SIZE)
		return TSS2_TCTI_RC_IO_ERROR;
	code = be32(command + 6);
	tcti->counts.commands++;
	if (takes_a_secret(code))
		tcti->counts.unseals++;
	tcti->deadline = clock_ms() + (makes_a_key(code) ? MAX(tcti->timeout_ms, TPM_TIMEOUT_KEY_MS)
							 : tcti->timeout_ms);
	if (tcti->inner)
		return Tss2_Tcti_Transmit(tcti->inner, size, command);
	r = tcti->device ? exchange_begin(tcti, command, size) : put(tcti, command, size);
	if (r == -ETIMEDOUT)
		tcti->silent = true;
	return r < 0 ? TSS2_TCTI_RC_IO_ERROR : TSS2_RC_SUCCESS;
}

/* The caller's timeout is "for ever" in all that we call; the deadline is the command's. */
static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
		       int32_t timeout _unused_)
{
	struct tpm_tcti *tcti = tcti_of(context);
	size_t n = 0;
	int r;

	if (tcti->silent || !size)
		return TSS2_TCTI_RC_IO_ERROR;
	if (tcti->inner)
		return Tss2_Tcti_Receive(tcti->inner, size, response, TSS2_TCTI_TIMEOUT_BLOCK);
	if (!response) { /* how much room does the answer need? */
		*size = TPM2_MAX_RESPONSE_SIZE;
		return TSS2_RC_SUCCESS;
	}
	r = tcti->device ? exchange_end(tcti, response, *size, &n) : get(tcti, response, *size, &n);
	if (r == -ETIMEDOUT)
		tcti->silent = true;
	if (r < 0)
		return TSS2_TCTI_RC_IO_ERROR;
	*size = n;
	return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *context _unused_)
{
	/* tpm_tcti_close() does it, after ESYS is gone. */
}

static int device_open(const char *path, struct tpm_tcti *tcti)
{
	struct stat st;

	tcti->fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tcti->fd < 0)
		return -errno;
	if (fstat(tcti->fd, &st) < 0 || !S_ISCHR(st.st_mode)) {
		(void)close(tcti->fd);
		return -ENODEV;
	}
	tcti->device = true;
	return 0;
}

static int socket_open(const char *path, struct tpm_tcti *tcti)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_close_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENODEV;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	tcti->fd = take_fd(fd);
	return 0;
}

static int other_open(const char *name, struct tpm_tcti *tcti)
{
	TSS2_RC rc;
	int r = library_load(&tctildr);

	if (r < 0)
		return tpm_refused(r, "libtss2-tctildr: not there");
	rc = sym_Tss2_TctiLdr_Initialize(name, &tcti->inner);
	return rc == TSS2_RC_SUCCESS ? 0 : -ENODEV;
}

/* Errors of open() and connect() that say nobody is there; others have their own words. */
static int opened(int r, const char *name)
{
	if (r == 0 || r == -EOPNOTSUPP)
		return r;
	if (r == -ENOENT || r == -ENXIO || r == -ENODEV || r == -ECONNREFUSED)
		return tpm_refused(-ENODEV, "%s: no TPM there", name);
	return tpm_refused(-EIO, "%s: %s", name, strerrordesc_np(-r));
}

int tpm_tcti_open(const char *name, struct tpm_tcti *ret_tcti)
{
	struct tpm_tcti tcti = {
		.common = {.v1 = {.magic = TCTI_MAGIC,
				  .version = 2,
				  .transmit = transmit,
				  .receive = receive,
				  .finalize = finalize}},
		.fd = -1,
		.timeout_ms = TPM_TIMEOUT_MS,
	};
	const char *path;
	int r;

	if (!name) {
		name = "/dev/tpmrm0";
		r = device_open(name, &tcti);
		if (r == -ENOENT) { /* a kernel before 4.12, or a node that somebody made */
			name = "/dev/tpm0";
			r = device_open(name, &tcti);
		}
	} else if ((path = startswith(name, "device:"))) {
		r = device_open(path, &tcti);
	} else if ((path = startswith(name, "swtpm:path="))) {
		r = socket_open(path, &tcti);
	} else {
		r = other_open(name, &tcti);
	}
	r = opened(r, name);
	if (r < 0)
		return r;
	*ret_tcti = tcti;
	return 0;
}

void tpm_tcti_close(struct tpm_tcti *tcti)
{
	uint8_t answer[TPM2_MAX_RESPONSE_SIZE];
	size_t size;

	if (tcti->exchange && exchange_end(tcti, answer, sizeof(answer), &size) == -ETIMEDOUT)
		tcti->silent = true;
	if (tcti->inner)
		sym_Tss2_TctiLdr_Finalize(&tcti->inner);
	if (tcti->fd >= 0 && !(tcti->device && tcti->silent))
		(void)close(tcti->fd); /* nothing is buffered */
	tcti->fd = -1;
}
