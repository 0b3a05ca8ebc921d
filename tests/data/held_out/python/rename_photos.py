#!/usr/bin/env python
"""Rename the photos of a directory by the date on which they were taken.

Usage: rename_photos.py [-n] DIRECTORY
"""

import getopt
import os
import re
import sys
import time

PATTERN = re.compile(r"^(IMG|DSC|PXL)_?(\d{4,})\.(jpe?g|png|heic)$", re.IGNORECASE)


def usage(code, message=""):
    print(__doc__, file=sys.stderr)
    if message:
        print(message, file=sys.stderr)
    sys.exit(code)


def new_name(path, taken):
    """Return a name in the same directory that is not in use yet."""
    directory, old = os.path.split(path)
    stamp = time.strftime("%Y-%m-%d_%H%M%S", time.localtime(taken))
    _, extension = os.path.splitext(old)
    candidate = os.path.join(directory, stamp + extension.lower())
    n = 1
    while os.path.exists(candidate):
        candidate = os.path.join(directory, "%s-%d%s" % (stamp, n, extension.lower()))
        n += 1
    return candidate


def main():
    try:
        options, args = getopt.getopt(sys.argv[1:], "hn", ["help", "dry-run"])
    except getopt.error as msg:
        usage(1, msg)
    dry_run = False
    for option, _ in options:
        if option in ("-h", "--help"):
            usage(0)
        elif option in ("-n", "--dry-run"):
            dry_run = True
    if len(args) != 1:
        usage(1, "exactly one directory is needed")
    count = 0
    for name in sorted(os.listdir(args[0])):
        if not PATTERN.match(name):
            continue
        path = os.path.join(args[0], name)
        try:
            taken = os.stat(path).st_mtime
        except OSError as err:
            print("cannot stat %s: %s" % (path, err), file=sys.stderr)
            continue
        target = new_name(path, taken)
        print("%s -> %s" % (name, os.path.basename(target)))
        if not dry_run:
            os.rename(path, target)
        count += 1
    print("%d photos" % count)


if __name__ == "__main__":
    main()
