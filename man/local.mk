# SPDX-License-Identifier: GPL-2.0-or-later
dist_man_MANS += man/culvertctl.8 man/culvert-dial.1
dist_man_MANS += man/culvertd.8 man/culvert.conf.5 man/culvert-users.5
dist_man_MANS += man/culvert-fleet.7
