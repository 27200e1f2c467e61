# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A newcomer's hour: every command of the README, the how-tos and deployment/, as printed, on fresh machines.

The pages are the source; nothing of them is repeated here. What is written there, and how it is read, says `page`.
"""
