/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lets User Mode Linux 6.1 run on processors whose register state is larger
 * than it knows (Intel AMX: 11 KB).  It reads and writes NT_X86_XSTATE with a
 * fixed buffer of 2696 bytes; the host accepts a short read, but refuses any
 * write that is not of the full size, and the guest's first process dies.
 * Preloaded into linux.uml, this ptrace() makes up the difference: what lies
 * beyond the buffer is written as "in its initial state".  Guests never use AMX.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define NT_X86_XSTATE 0x202
#define XSAVE_HEADER 512  /* XSTATE_BV is the header's first word (Intel SDM 1, 13.4.2) */
#define XSTATE_KNOWN 0x2ff /* x87 to AVX-512 and PKRU: what fits in 2696 bytes */

long ptrace(enum __ptrace_request request, ...);

/* Writes the short state in *iov, padded to the size that the host has for pid. */
static long set_xstate(pid_t pid, const struct iovec *iov)
{
	static _Thread_local unsigned char buf[65536];
	struct iovec full = { buf, sizeof(buf) };
	unsigned long long bv;

	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &full) < 0)
		return -1;
	if (iov->iov_len < XSAVE_HEADER + sizeof(bv) || iov->iov_len >= full.iov_len)
		return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, iov);
	memcpy(buf, iov->iov_base, iov->iov_len);
	memset(buf + iov->iov_len, 0, full.iov_len - iov->iov_len);
	memcpy(&bv, buf + XSAVE_HEADER, sizeof(bv));
	bv &= XSTATE_KNOWN;
	memcpy(buf + XSAVE_HEADER, &bv, sizeof(bv));
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &full);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list ap;
	pid_t pid;
	void *addr, *data;
	long word, rc;

	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER:
		/* The system call stores the word; the C library returns it. */
		rc = syscall(SYS_ptrace, request, pid, addr, &word);
		if (rc < 0)
			return rc;
		errno = 0;
		return word;
	case PTRACE_SETREGSET:
		if ((unsigned long)addr == NT_X86_XSTATE)
			return set_xstate(pid, data);
		break;
	default:
		break;
	}
	return syscall(SYS_ptrace, request, pid, addr, data);
}
