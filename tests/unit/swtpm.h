/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real TPM for a test: swtpm in a directory of its own under /tmp, ended with the test whatever
 * way that ends. Its power can be cut (SIGKILL: no TPM2_Shutdown) and its answers stopped. And
 * programs to compare with, run by argument list.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "file.h"
#include "tpm_internal.h"

static struct {
	char dir[64];  /* state, sockets, and what a test puts there */
	char sock[96]; /* where the TPM listens */
	char tcti[128];
	pid_t pid;
} swtpm;

static inline const char *in_dir(const char *name)
{
	static char paths[8][160];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", swtpm.dir, name);
	return path;
}

/* Starts a program with its output in DIR/log. */
static inline pid_t spawn(char *const argv[])
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(in_dir("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(null, 0);
		(void)dup2(fd, 1);
		(void)dup2(fd, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

/* Runs a program with these arguments (NULL ends them) and returns its exit status. */
static inline int run(const char *program, ...)
{
	char *argv[32] = {(char *)(uintptr_t)program};
	int status;
	va_list args;
	pid_t pid;

	va_start(args, program);
	for (size_t i = 1; i + 1 < ARRAY_SIZE(argv); i++)
		if (!(argv[i] = va_arg(args, char *)))
			break;
	va_end(args);
	pid = spawn(argv);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The same, which must succeed; the log is shown when it does not. */
#define must_run(...)                                                                  \
	do {                                                                           \
		if (run(__VA_ARGS__, NULL) != 0) {                                     \
			_free_ char *log = NULL;                                       \
			(void)file_read(AT_FDCWD, in_dir("log"), 1 << 20, &log, NULL); \
			fail_msg("%s\n%s", #__VA_ARGS__, log ? log : "");              \
		}                                                                      \
	} while (0)

/* Does it take a connection? Its socket is there before that. */
static inline bool swtpm_listens(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, swtpm.sock, strlen(swtpm.sock));
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static inline void swtpm_power_on(void)
{
	char server[160], ctrl[160], state[96];
	char *argv[] = {(char *)"swtpm",
			(char *)"socket",
			(char *)"--tpm2",
			(char *)"--server",
			server,
			(char *)"--ctrl",
			ctrl,
			(char *)"--tpmstate",
			state,
			(char *)"--flags",
			(char *)"not-need-init,startup-clear",
			NULL};

	(void)snprintf(server, sizeof(server), "type=unixio,path=%s", swtpm.sock);
	(void)snprintf(ctrl, sizeof(ctrl), "type=unixio,path=%s.ctrl", swtpm.sock);
	(void)snprintf(state, sizeof(state), "dir=%s", swtpm.dir);
	(void)unlink(swtpm.sock);
	swtpm.pid = spawn(argv);
	for (unsigned i = 0; !swtpm_listens(); i++) {
		int status;

		if (waitpid(swtpm.pid, &status, WNOHANG) == swtpm.pid)
			fail_msg("swtpm ended at once");
		assert_true(i < 1000);
		(void)nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
}

/* As the supply does it: nothing is told. */
static inline void swtpm_power_cut(void)
{
	if (swtpm.pid > 0) {
		(void)kill(swtpm.pid, SIGKILL);
		(void)waitpid(swtpm.pid, NULL, 0);
	}
	swtpm.pid = 0;
}

/* A new TPM; the test is skipped where there is no swtpm. */
static inline void swtpm_new(void)
{
	if (access("/usr/bin/swtpm", X_OK) < 0) {
		print_message("swtpm is not installed\n");
		skip();
	}
	strcpy(swtpm.dir, "/tmp/test_tpm.XXXXXX");
	assert_non_null(mkdtemp(swtpm.dir));
	(void)snprintf(swtpm.sock, sizeof(swtpm.sock), "%s/sock", swtpm.dir);
	(void)snprintf(swtpm.tcti, sizeof(swtpm.tcti), "swtpm:path=%s", swtpm.sock);
	assert_int_equal(setenv("TPM2TOOLS_TCTI", swtpm.tcti, 1), 0);
	swtpm_power_on();
}

static inline void swtpm_end(void)
{
	swtpm_power_cut();
	if (startswith(swtpm.dir, "/tmp/test_tpm."))
		(void)run("rm", "-rf", swtpm.dir, NULL);
	swtpm.dir[0] = 0;
}

static inline struct tpm *swtpm_open(void)
{
	struct tpm *tpm = NULL;
	int r = tpm_open(swtpm.tcti, &tpm);

	if (r < 0)
		fail_msg("tpm_open: %d, %s", r, tpm_error(NULL));
	return tpm;
}

/* For cmocka_unit_test_setup_teardown. */
static inline int swtpm_setup(void **state)
{
	(void)state;
	swtpm_new();
	return 0;
}

static inline int swtpm_teardown(void **state)
{
	(void)state;
	swtpm_end();
	return 0;
}

/* ---- what goes over the wire, and a cut of power at a chosen command ---- */

static struct {
	TSS2_TCTI_TRANSMIT_FCN transmit;
	TSS2_TCTI_RECEIVE_FCN receive;
	uint8_t bytes[1 << 16]; /* all that went over it, both ways */
	size_t size;
	unsigned answers; /* so far */
	unsigned cut;	  /* the power fails after this one; 0: never */
} wire;

static inline void wire_keep(const uint8_t *bytes, size_t size)
{
	assert_true(size <= sizeof(wire.bytes) - wire.size);
	memcpy(wire.bytes + wire.size, bytes, size);
	wire.size += size;
}

static inline TSS2_RC wire_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
	wire_keep(command, size);
	return wire.transmit(context, size, command);
}

static inline TSS2_RC wire_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
				   int32_t timeout)
{
	TSS2_RC rc = wire.receive(context, size, response, timeout);

	if (rc == TSS2_RC_SUCCESS && response) {
		wire_keep(response, *size);
		if (++wire.answers == wire.cut)
			swtpm_power_cut();
	}
	return rc;
}

/* Watches a connection; the power fails after answer `cut`. */
static inline void wire_watch(struct tpm *tpm, unsigned cut)
{
	TSS2_TCTI_CONTEXT_COMMON_V1 *v1 = &tpm->tcti.common.v1;

	wire.transmit = v1->transmit;
	wire.receive = v1->receive;
	wire.size = wire.answers = 0;
	wire.cut = cut;
	v1->transmit = wire_transmit;
	v1->receive = wire_receive;
}

static inline bool wire_has(const void *bytes, size_t size)
{
	return memmem(wire.bytes, wire.size, bytes, size);
}

static inline void write_all(const char *path, const void *data, size_t size)
{
	_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
}
