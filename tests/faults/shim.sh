#!/bin/sh
# Stands before a program of the host. Counts the calls that a module makes, and at a chosen one, by its number or its first
# words, before the program runs, kills the module or cuts the power: without a sync, so what was only in memory is lost.
name=$(basename "$0")
real=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v "$name")
if [ -e /run/fault/mode ] && [ "$(cat /proc/$PPID/comm)" = python3 ]; then
  case "$name $1" in
    "systemctl show" | "systemctl is-"*) ;;
    *)
      number=$(($(cat /run/fault/count 2>/dev/null || echo 0) + 1))
      echo $number >/run/fault/count
      echo "$name $*" >>/run/fault/log
      at=$(cat /run/fault/at)
      case "$number $name $* " in "$at "* | "$number $at "*)
        mode=$(cat /run/fault/mode)
        rm /run/fault/mode
        case $mode in
          kill) kill -9 $PPID; exit 1 ;;
          power) python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x01234567)' ;;
        esac ;;
      esac
      ;;
  esac
fi
exec "$real" "$@"
