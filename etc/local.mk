# SPDX-License-Identifier: GPL-2.0-or-later
# Examples: what stands in /etc is the administrator's.
exampledir = $(docdir)/examples
dist_example_DATA = etc/culvert.conf etc/users
