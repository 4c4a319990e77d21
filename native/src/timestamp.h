// ISO 8601 timestamps as the tracking SDKs write them, to microseconds since 1970-01-01T00:00:00Z.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tributary {

// Accepts YYYY-MM-DD, optionally followed by T or a space, HH:MM, :SS, a fraction of 1 to 9 digits
// (truncated to microseconds), and Z or an offset (+HH:MM, +HHMM, +HH). Without an offset the time is
// UTC. A leap second (:60) counts as the following second. Returns false for anything else.
bool ParseTimestamp(const char* text, size_t length, int64_t* micros);

// Days since 1970-01-01 of a proleptic Gregorian date (H. Hinnant, "chrono-compatible low-level date
// algorithms").
int64_t DaysFromCivil(int64_t year, unsigned month, unsigned day);

}  // namespace tributary
