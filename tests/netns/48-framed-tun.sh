#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# framed-ip-network on a shared interface: a route of the engine's device for each network.
exec "${0%/*}/48-framed.sh" tun0
