"""Values of formats and of times that JSON Schema describes by name alone, for the requests that schemathesis generates."""

from datetime import timedelta, timezone, datetime

import schemathesis
from hypothesis import strategies as st

# Numbers for fiction of three countries. Which numbers are possible is a table, and no pattern.
PHONES = st.from_regex(r"\A\+(120255501[0-9]{2}|442079460[0-9]{3}|3319900[0-9]{4})\Z")


def spelled(time):
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# Every time in a request is an end to come.
NOW = datetime.now(timezone.utc)
TIMES = st.integers(min_value=3_600, max_value=10**9).map(lambda seconds: spelled(NOW + timedelta(seconds=seconds)))

schemathesis.openapi.format("phone", PHONES)
schemathesis.openapi.format("date-time", TIMES)
