# SPDX-License-Identifier: GPL-2.0-or-later
# Examples: what stands in /etc is the administrator's.
exampledir = $(docdir)/examples
dist_example_DATA = etc/culvert.conf etc/users
fail2bandir = $(docdir)/examples/fail2ban
dist_fail2ban_DATA = etc/fail2ban/culvert.conf
