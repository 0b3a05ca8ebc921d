#!/usr/bin/env python3
"""Prints a month with the days that have appointments marked by a star."""

import argparse
import calendar
import datetime
import sys


def read_appointments(lines):
    """Lines look like `2025-03-14 dentist`; what does not is reported and skipped."""
    appointments = {}
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        date, _, what = line.partition(" ")
        try:
            day = datetime.date.fromisoformat(date)
        except ValueError as error:
            print(f"line {number}: {error}", file=sys.stderr)
            continue
        appointments.setdefault(day, []).append(what.strip() or "something")
    return appointments


def page(year, month, appointments):
    title = f"{calendar.month_name[month]} {year}"
    yield title.center(28)
    yield " ".join(f"{name[:2]:>3}" for name in calendar.day_abbr)
    for week in calendar.monthcalendar(year, month):
        cells = []
        for day in week:
            if day == 0:
                cells.append("   ")
            else:
                mark = "*" if datetime.date(year, month, day) in appointments else " "
                cells.append(f"{day:>2}{mark}")
        yield " ".join(cells)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--year", type=int, default=datetime.date.today().year)
    parser.add_argument("--month", type=int, default=datetime.date.today().month, choices=range(1, 13))
    parser.add_argument("file", nargs="?", type=argparse.FileType("r"), default=sys.stdin)
    options = parser.parse_args(argv)
    appointments = read_appointments(options.file)
    for line in page(options.year, options.month, appointments):
        print(line)
    for day in sorted(appointments):
        if (day.year, day.month) == (options.year, options.month):
            print(f"{day:%d %a}: {', '.join(appointments[day])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
