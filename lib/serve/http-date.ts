const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const RFC_850_DATE = /^([A-Z][a-z]{2})[a-z]{3,6}, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d:\d\d:\d\d) GMT$/;

/** `Sun Nov  6 08:49:37 1994` */
const ASCTIME_DATE = /^([A-Z][a-z]{2}) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d) (\d{4})$/;

/** A two-digit year further ahead than this is one of the past (RFC 9110 section 5.6.7). */
const MAX_YEARS_AHEAD = 50;

/** A date as HTTP writes it: IMF-fixdate (RFC 9110 section 5.6.7). */
export function formatHttpDate(date: Date): string {
  return date.toUTCString();
}

/**
 * The seconds since 1970 of a date in one of the three forms of HTTP (RFC 9110 section 5.6.7), or nothing for any
 * other text, also for days that no calendar has.
 */
export function parseHttpDate(text: string): number | undefined {
  const fixdate = fromRfc850(text) ?? fromAsctime(text) ?? text;
  const milliseconds = Date.parse(fixdate);
  if (Number.isNaN(milliseconds)) return undefined;
  return formatHttpDate(new Date(milliseconds)) === fixdate ? milliseconds / 1000 : undefined;
}

function fromRfc850(text: string): string | undefined {
  const match = RFC_850_DATE.exec(text);
  if (!match) return undefined;
  const [, weekday, day, month = '', year, time] = match;
  return MONTHS.includes(month)
    ? `${weekday}, ${day} ${month} ${fullYear(Number(year))} ${time} GMT`
    : undefined;
}

function fromAsctime(text: string): string | undefined {
  const match = ASCTIME_DATE.exec(text);
  if (!match) return undefined;
  const [, weekday, month, day, time, year] = match;
  return `${weekday}, ${day?.replace(' ', '0')} ${month} ${year} ${time} GMT`;
}

function fullYear(twoDigits: number): number {
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + twoDigits;
  return year > now + MAX_YEARS_AHEAD ? year - 100 : year;
}
