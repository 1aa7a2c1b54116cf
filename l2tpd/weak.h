/* SPDX-License-Identifier: GPL-2.0-or-later */
/* weak: secrets that are soon guessed.  Pure; what it copies it wipes. */
#ifndef CULVERT_WEAK_H
#define CULVERT_WEAK_H

#include <stddef.h>
#include <stdint.h>

/*
 * A secret that machines keep (a pre-shared key, a RADIUS secret), of len
 * bytes.  NULL when it is good, or what is wrong with it: "has fewer than 16 bytes".
 * RFC 2865 3 asks for 16 bytes too.
 */
const char *weak_secret(const uint8_t *s, size_t len);

/* A person's password, the same way. */
const char *weak_password(const uint8_t *name, size_t name_len, const uint8_t *s, size_t len);

#endif
