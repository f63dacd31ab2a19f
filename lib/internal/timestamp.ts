const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)/;

/** A date in UTC as Python's filedepot writes it: `2026-01-31 23:59:59`. */
export function formatTimestamp(date: Date): string {
  return date.toISOString().slice(0, 19).replace('T', ' ');
}

/** The other way round; nothing for what is not such a date. */
export function parseTimestamp(timestamp: unknown): Date | undefined {
  const match = typeof timestamp === 'string' ? TIMESTAMP.exec(timestamp) : null;
  if (!match) return undefined;
  const date = new Date(`${match[0].replace(' ', 'T')}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
