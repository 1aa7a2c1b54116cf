/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox: what is left to a process that reads what the outside sends.
 *
 * seccomp: a list of system calls for each role, in sandbox.c; any other call
 * kills the process, and the parent's log says "killed by signal 31" (SIGSYS).
 * Landlock, where the kernel has it: no file can be opened, no TCP port used,
 * no process outside signalled.
 */
#ifndef CULVERT_SANDBOX_H
#define CULVERT_SANDBOX_H

#include "base/proto.h"

/* A sanitizer's runtime reads files for its reports, and asks for more than the program does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer) || \
	__has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANDBOX_SANITIZER 1
#endif
#endif
#ifndef SANDBOX_SANITIZER
#define SANDBOX_SANITIZER 0
#endif

/* MSG_STATS: sandbox_stats() adds so many counters. */
enum { SANDBOX_COUNTERS = 2 };

/*
 * Enter it, for good: ROLE_ENGINE, ROLE_MANAGER, ROLE_AUTH or ROLE_RADIUS.  Last before
 * MSG_READY: whatever is opened or loaded at first use must have been used.
 * Exits when there is no seccomp; a kernel without Landlock is only logged.
 */
void sandbox_enter(enum role);

/* The same for radius's workers (radcli.c): sockets, threads, reading /etc. */
void sandbox_enter_radcli(void);

/* What is in force: 1 for seccomp, and Landlock's ABI; each 0 for none. */
unsigned sandbox_seccomp(void);
unsigned sandbox_landlock(void);

/* The same as counters sandbox_seccomp and sandbox_landlock, behind those in *st; there is room. */
void sandbox_stats(struct msg_stats *st);

#endif
