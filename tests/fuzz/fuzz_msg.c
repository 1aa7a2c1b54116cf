/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The message table as a hostile sender sees it: byte 0 the two roles, byte 1
 * whether a descriptor came along, the rest one datagram. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	/* What passes the check must be what the table says of it. */
	if (msg_check(data[0] & 7, data[0] >> 4 & 7, data + 2, size - 2, data[1] & 1) &&
	    msg_name(data[2] | data[3] << 8)[0] == '?')
		abort();
	return 0;
}
