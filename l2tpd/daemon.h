/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon: culvertd in the background, where no service manager does it.
 *
 * Three processes: the one that was called waits until the server is ready, so
 * that its exit status and its standard error tell what went wrong; a
 * supervisor starts the server again when it dies; the server is the third.
 */
#ifndef CULVERT_DAEMON_H
#define CULVERT_DAEMON_H

/*
 * Returns in the server only, and again in each one that the supervisor
 * starts; standard error leads to the caller until daemon_ready().  The other
 * two exit: the first with 0 when the server is ready and 1 when it ended
 * before, the supervisor when the server ends with status 0, is told to stop
 * (SIGTERM and SIGINT are passed on), or fails to start many times in a row.
 */
void daemon_detach(void);

/* The server serves: let the caller go.  Nothing where daemon_detach() was not called. */
void daemon_ready(void);

#endif
