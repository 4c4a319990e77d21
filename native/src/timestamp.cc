#include "timestamp.h"

namespace tributary {

namespace {

struct Cursor {
  const char* at;
  const char* end;

  bool done() const { return at == end; }
  bool take(char expected) {
    if (at == end || *at != expected) return false;
    at++;
    return true;
  }
  // Exactly `digits` decimal digits.
  bool number(int digits, unsigned* value) {
    if (end - at < digits) return false;
    unsigned result = 0;
    for (int i = 0; i < digits; i++) {
      unsigned digit = static_cast<unsigned char>(at[i]) - '0';
      if (digit > 9) return false;
      result = result * 10 + digit;
    }
    at += digits;
    *value = result;
    return true;
  }
};

unsigned DaysInMonth(unsigned year, unsigned month) {
  static const unsigned char kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

bool ParseFraction(Cursor* cursor, unsigned* micros) {
  unsigned value = 0;
  int digits = 0;
  while (!cursor->done() && *cursor->at >= '0' && *cursor->at <= '9') {
    if (digits < 6) value = value * 10 + static_cast<unsigned>(*cursor->at - '0');
    cursor->at++;
    digits++;
  }
  if (digits == 0 || digits > 9) return false;
  for (int i = digits; i < 6; i++) value *= 10;
  *micros = value;
  return true;
}

// Z, +HH:MM, +HHMM or +HH; nothing means UTC. Minutes east of UTC.
bool ParseOffset(Cursor* cursor, int* minutes) {
  *minutes = 0;
  if (cursor->done()) return true;
  if (cursor->take('Z') || cursor->take('z')) return cursor->done();
  int sign;
  if (cursor->take('+')) sign = 1;
  else if (cursor->take('-')) sign = -1;
  else return false;
  unsigned hour, minute = 0;
  if (!cursor->number(2, &hour)) return false;
  if (!cursor->done()) {
    cursor->take(':');
    if (!cursor->number(2, &minute)) return false;
  }
  if (hour > 23 || minute > 59) return false;
  *minutes = sign * static_cast<int>(hour * 60 + minute);
  return cursor->done();
}

}  // namespace

int64_t DaysFromCivil(int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  unsigned year_of_era = static_cast<unsigned>(year - era * 400);
  unsigned day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<int64_t>(day_of_era) - 719468;
}

bool ParseTimestamp(const char* text, size_t length, int64_t* micros) {
  Cursor cursor{text, text + length};
  unsigned year, month, day, hour = 0, minute = 0, second = 0, fraction = 0;
  int offset = 0;
  if (!cursor.number(4, &year) || !cursor.take('-') || !cursor.number(2, &month) ||
      !cursor.take('-') || !cursor.number(2, &day)) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month)) return false;
  if (!cursor.done()) {
    if (!cursor.take('T') && !cursor.take('t') && !cursor.take(' ')) return false;
    if (!cursor.number(2, &hour) || !cursor.take(':') || !cursor.number(2, &minute)) return false;
    if (cursor.take(':')) {
      if (!cursor.number(2, &second)) return false;
      if ((cursor.take('.') || cursor.take(',')) && !ParseFraction(&cursor, &fraction)) return false;
    }
    if (!ParseOffset(&cursor, &offset)) return false;
  }
  if (hour > 23 || minute > 59 || second > 60) return false;
  int64_t seconds = DaysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second -
                    static_cast<int64_t>(offset) * 60;
  *micros = seconds * 1000000 + fraction;
  return true;
}

}  // namespace tributary
